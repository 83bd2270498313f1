#include "prober_stage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#define PROBER_UID "61381"

static struct prober_stage *start(int (*prober)(int, char **));

int prober_stage_set_up(void **state, int (*prober)(int, char **)) {
        struct prober_stage *stage = start(prober);
        *state = stage;
        const struct prober_ready *ready = prober_stage_expect(stage, PROBER_READY);
        assert_int_equal(ready->pid, stage->pid);
        return 0;
}

/* A prober that was killed by its own filter, or did not end with its director, fails the test. */
int prober_stage_tear_down(void **state) {
        struct prober_stage *stage = *state;
        int status = 0;
        close_fd(stage->link);
        /* Its last words are shown where it did not end well; the end of its output is its end. */
        char words[4096] = "";
        size_t used = 0;
        ssize_t n = 1;
        bool has_ended = true;
        while (has_ended && n > 0) {
                if (used == sizeof(words) - 1)
                        used = 0;
                has_ended = prober_stage_await(stage->output, PROBER_STAGE_PATIENCE_MS);
                n = has_ended ? read(stage->output, words + used, sizeof(words) - 1 - used) : 0;
                used += n > 0 ? (size_t)n : 0;
                words[used] = '\0';
        }
        if (!has_ended)
                (void)kill(stage->pid, SIGKILL);
        assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
        close_fd(stage->output);
        close_fd(stage->listener);
        free(stage);
        if (status != 0)
                fail_msg("the prober ended with wait status %x, saying: %s", (unsigned)status, words);
        return 0;
}

void prober_stage_ask(struct prober_stage *stage, uint64_t id, uint32_t kind, uint32_t timeout_ms,
                const char *url, const char *argument) {
        struct prober_check check = {.id = id,
                        .kind = kind,
                        .timeout_ms = timeout_ms,
                        .address_length = sizeof(stage->address)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_int_equal(bind(fd, (struct sockaddr *)&source, sizeof(source)), 0);
        memcpy(&check.address, &stage->address, sizeof(stage->address));
        text_copy(check.url, sizeof(check.url), url);
        text_copy(check.argument, sizeof(check.argument), argument);
        assert_int_equal(wire_send(stage->link, PROBER_CHECK, &check, sizeof(check), &fd, 1), 0);
}

bool prober_stage_await(int fd, int timeout_ms) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        return poll(&wait, 1, timeout_ms) > 0;
}

const void *prober_stage_expect(struct prober_stage *stage, uint32_t type) {
        if (!prober_stage_await(stage->link, PROBER_STAGE_PATIENCE_MS))
                fail_msg("no message of type %u came", type);
        assert_int_equal(wire_receive(stage->link, prober_answers, n_prober_answers, &stage->message), 1);
        assert_int_equal(stage->message.type, type);
        return stage->message.body;
}

void prober_stage_expect_healthy(struct prober_stage *stage, uint64_t id, uint64_t height) {
        const struct prober_result *result = prober_stage_expect(stage, PROBER_RESULT);
        assert_int_equal(result->id, id);
        if (!result->healthy)
                fail_msg("unhealthy: %s", result->text);
        assert_int_equal(result->height, height);
        assert_string_equal(result->text, "");
}

const struct prober_result *prober_stage_expect_unhealthy(
                struct prober_stage *stage, uint64_t id, const char *sentence) {
        const struct prober_result *result = prober_stage_expect(stage, PROBER_RESULT);
        assert_int_equal(result->id, id);
        assert_int_equal(result->healthy, 0);
        assert_true(result->height == PROBER_HEIGHT_NONE);
        if (!strstr(result->text, sentence))
                fail_msg("\"%s\" does not say \"%s\"", result->text, sentence);
        return result;
}

void prober_stage_expect_height(struct prober_stage *stage, uint64_t generation, uint64_t height) {
        const struct prober_height *told = prober_stage_expect(stage, PROBER_HEIGHT);
        assert_int_equal(told->generation, generation);
        assert_int_equal(told->height, height);
}

void prober_stage_write(int fd, const char *text) {
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static struct prober_stage *start(int (*prober)(int, char **)) {
        struct prober_stage *stage = calloc(1, sizeof(*stage));
        int pair[2], output[2];
        socklen_t length = sizeof(stage->address);
        assert_non_null(stage);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(output, O_CLOEXEC), 0);
        stage->pid = fork();
        assert_true(stage->pid >= 0);
        if (stage->pid == 0) {
                char link[16];
                char *argv[] = {(char *)"interrex-prober", (char *)"--link", link, (char *)"--uid",
                                (char *)PROBER_UID, (char *)"--gid", (char *)PROBER_UID, NULL};
                (void)snprintf(link, sizeof(link), "%d", pair[1]);
                (void)dup2(output[1], STDERR_FILENO);
                close_fd(pair[0]);
                close_fd(output[0]);
                close_fd(output[1]);
                _exit(prober(7, argv));
        }
        close_fd(pair[1]);
        close_fd(output[1]);
        stage->link = pair[0];
        stage->output = output[0];
        stage->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        stage->address = (struct sockaddr_in){
                        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_int_equal(bind(stage->listener, (struct sockaddr *)&stage->address, sizeof(stage->address)),
                        0);
        assert_int_equal(listen(stage->listener, 128), 0);
        assert_int_equal(getsockname(stage->listener, (struct sockaddr *)&stage->address, &length), 0);
        return stage;
}
