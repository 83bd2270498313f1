/* The prober as the director meets it: a process of its own behind a socket pair, confined, with real
 * sockets. The test plays the node: it accepts, reads and answers step by step, so every slow or broken
 * answer is made on purpose. */
#include "prober/prober.h"

#include "prober/confine.h"
#include "support/prober_stage.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

static int set_up(void **state) {
        return prober_stage_set_up(state, prober_main);
}

/* Accepts and reads the request's head (and whatever body came with it). Owned by the caller. */
static int take_request(struct prober_stage *stage, char *request, size_t size) {
        size_t used = 0;
        if (!prober_stage_await(stage->listener, PROBER_STAGE_PATIENCE_MS))
                fail_msg("the prober did not connect");
        int fd = accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);
        do {
                assert_true(prober_stage_await(fd, PROBER_STAGE_PATIENCE_MS));
                ssize_t n = read(fd, request + used, size - 1 - used);
                assert_true(n > 0);
                used += (size_t)n;
                request[used] = '\0';
        } while (!strstr(request, "\r\n\r\n"));
        return fd;
}

static void answer(int fd, const char *status, const char *body) {
        char text[4096];
        int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                        strlen(body), body);
        assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static void a_height_is_asked_and_told(void **state) {
        struct prober_stage *stage = *state;
        char request[4096];
        prober_stage_ask(stage, 1, CHECK_ETHEREUM, PROBER_STAGE_PATIENCE_MS, "http://node.example:8545/rpc",
                        "");
        int fd = take_request(stage, request, sizeof(request));
        assert_ptr_equal(strstr(request, "POST /rpc HTTP/1.1\r\n"), request);
        assert_non_null(strstr(request, "Host: node.example:8545\r\n"));
        assert_non_null(strstr(request, "Content-Type: application/json\r\n"));
        answer(fd, "200 OK", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x514\"}");
        prober_stage_expect_healthy(stage, 1, 1300);
        close_fd(fd);

        prober_stage_ask(stage, 2, CHECK_BITCOIN, PROBER_STAGE_PATIENCE_MS, "http://user:pass@localhost/",
                        "");
        fd = take_request(stage, request, sizeof(request));
        assert_non_null(strstr(request, "Authorization: Basic dXNlcjpwYXNz\r\n"));
        answer(fd, "200 OK", "{\"result\":1301,\"error\":null,\"id\":1}");
        prober_stage_expect_healthy(stage, 2, 1301);
        close_fd(fd);
}

static void the_bound_source_port_is_used(void **state) {
        struct prober_stage *stage = *state;
        struct prober_check check = {.id = 3,
                        .kind = CHECK_HTTP,
                        .timeout_ms = PROBER_STAGE_PATIENCE_MS,
                        .url = "http://h/",
                        .address_length = sizeof(stage->address)};
        struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
        socklen_t length = sizeof(source);
        char request[4096];
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&source, sizeof(source)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&source, &length), 0);
        memcpy(&check.address, &stage->address, sizeof(stage->address));
        assert_int_equal(wire_send(stage->link, PROBER_CHECK, &check, sizeof(check), &fd, 1), 0);
        _cleanup_close_ int connection = take_request(stage, request, sizeof(request));
        assert_int_equal(getpeername(connection, (struct sockaddr *)&peer, &length), 0);
        assert_int_equal(peer.sin_port, source.sin_port);
        answer(connection, "200 OK", "");
        prober_stage_expect_healthy(stage, 3, PROBER_HEIGHT_NONE);
}

static void a_port_that_listens_is_healthy(void **state) {
        struct prober_stage *stage = *state;
        prober_stage_ask(stage, 1, CHECK_TCP, PROBER_STAGE_PATIENCE_MS, "", "");
        prober_stage_expect_healthy(stage, 1, PROBER_HEIGHT_NONE);
}

static void refused(void **state) {
        struct prober_stage *stage = *state;
        char sentence[80];
        stage->listener = close_fd(stage->listener);
        (void)snprintf(sentence, sizeof(sentence), "connection refused by 127.0.0.1:%u",
                        ntohs(stage->address.sin_port));
        prober_stage_ask(stage, 1, CHECK_TCP, PROBER_STAGE_PATIENCE_MS, "", "");
        assert_null(strstr(prober_stage_expect_unhealthy(stage, 1, sentence)->text, "height.url"));
        (void)snprintf(sentence, sizeof(sentence), "connection refused by 127.0.0.1:%u (height.url)",
                        ntohs(stage->address.sin_port));
        prober_stage_ask(stage, 2, CHECK_ETHEREUM, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/", "");
        (void)prober_stage_expect_unhealthy(stage, 2, sentence);
}

static void silence_ends_at_the_deadline(void **state) {
        struct prober_stage *stage = *state;
        uint64_t began_at = now_monotonic();
        prober_stage_ask(stage, 1, CHECK_ETHEREUM, 150, "http://127.0.0.1/", "");
        const struct prober_result *result = prober_stage_expect_unhealthy(stage, 1, "within 150 ms");
        assert_in_range(result->latency_us, 150000, 5000000);
        assert_true(now_monotonic() - began_at >= 150000);
}

static void a_slow_drip_ends_at_the_deadline(void **state) {
        struct prober_stage *stage = *state;
        char request[4096];
        prober_stage_ask(stage, 1, CHECK_HTTP, 400, "http://127.0.0.1/", "");
        _cleanup_close_ int fd = take_request(stage, request, sizeof(request));
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
        for (int i = 0; i < 1000 && !prober_stage_await(stage->link, 20); i++)
                (void)send(fd, "x", 1, MSG_NOSIGNAL);
        (void)prober_stage_expect_unhealthy(stage, 1, "within 400 ms");
}

static void wrong_answers_are_told(void **state) {
        static const struct {
                uint32_t kind;
                const char *status, *body, *sentence;
        } cases[] = {
                        {CHECK_HTTP, "500 Oh", "", "status 500 instead of 200"},
                        {CHECK_HTTP, "302 Found\r\nLocation: http://127.0.0.1:1/", "",
                                        "status 302 instead of 200"},
                        {CHECK_HTTP, "200 OK", "loading", "does not contain \"ready\""},
                        {CHECK_BITCOIN, "500 Oh",
                                        "{\"error\":{\"code\":-28,\"message\":\"Loading block index\"}}",
                                        "JSON-RPC error -28: Loading block index"},
                        {CHECK_ETHEREUM, "200 OK", "{\"result\":", "not JSON"},
                        {CHECK_ETHEREUM, "200 OK",
                                        "{\"error\":{\"code\":1,\"message\":\"\\u001b[2J\\nevil\"}}",
                                        "JSON-RPC error 1: evil"},
        };
        struct prober_stage *stage = *state;
        char request[4096];
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                prober_stage_ask(stage, i + 1, cases[i].kind, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/",
                                "ready");
                int fd = take_request(stage, request, sizeof(request));
                answer(fd, cases[i].status, cases[i].body);
                (void)prober_stage_expect_unhealthy(stage, i + 1, cases[i].sentence);
                close_fd(fd);
        }
}

static void broken_connections_are_told(void **state) {
        static const char *const parts[] = {
                        "", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "SSH-2.0-OpenSSH_9\r\n"};
        struct prober_stage *stage = *state;
        char request[4096];
        for (size_t i = 0; i < ELEMENTS(parts); i++) {
                prober_stage_ask(
                                stage, i + 1, CHECK_HTTP, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/", "");
                int fd = take_request(stage, request, sizeof(request));
                (void)send(fd, parts[i], strlen(parts[i]), MSG_NOSIGNAL);
                close_fd(fd);
                (void)prober_stage_expect_unhealthy(
                                stage, i + 1, i < 2 ? "closed the connection before" : "not HTTP/1");
        }
}

static void a_huge_body_is_not_taken(void **state) {
        struct prober_stage *stage = *state;
        char request[4096];
        static char block[65536];
        prober_stage_ask(stage, 1, CHECK_HTTP, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/", "");
        _cleanup_close_ int fd = take_request(stage, request, sizeof(request));
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
        assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
        memset(block, 'x', sizeof(block));
        size_t sent = 0;
        while (sent < 64 * 1024 * 1024 && !prober_stage_await(stage->link, 0)) {
                ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);
                if (n < 0)
                        break;
                sent += (size_t)n;
        }
        (void)prober_stage_expect_unhealthy(stage, 1, "larger than 1024 KiB");
        assert_true(sent < 64 * 1024 * 1024);
}

static void other_protocols_and_hosts_are_not_asked(void **state) {
        struct prober_stage *stage = *state;
        prober_stage_ask(stage, 1, CHECK_HTTP, PROBER_STAGE_PATIENCE_MS, "file:///etc/passwd", "root");
        (void)prober_stage_expect_unhealthy(stage, 1, "the URL");
        prober_stage_ask(stage, 2, CHECK_HTTP, PROBER_STAGE_PATIENCE_MS, "", "");
        (void)prober_stage_expect_unhealthy(stage, 2, "");
}

static void what_is_cancelled_is_not_answered(void **state) {
        struct prober_stage *stage = *state;
        struct prober_cancel cancel = {.id = 1};
        prober_stage_ask(stage, 1, CHECK_ETHEREUM, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/", "");
        assert_int_equal(wire_send(stage->link, PROBER_CANCEL, &cancel, sizeof(cancel), NULL, 0), 0);
        prober_stage_ask(stage, 2, CHECK_TCP, PROBER_STAGE_PATIENCE_MS, "", "");
        prober_stage_expect_healthy(stage, 2, PROBER_HEIGHT_NONE);
        assert_false(prober_stage_await(stage->link, 50));
}

static void too_many_checks_are_refused_with_the_reason(void **state) {
        struct prober_stage *stage = *state;
        for (uint64_t id = 1; id <= 64; id++)
                prober_stage_ask(stage, id, CHECK_ETHEREUM, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/",
                                "");
        prober_stage_ask(stage, 65, CHECK_ETHEREUM, PROBER_STAGE_PATIENCE_MS, "http://127.0.0.1/", "");
        (void)prober_stage_expect_unhealthy(stage, 65, "64 checks under way");
        for (uint64_t id = 1; id <= 64; id++)
                assert_int_equal(wire_send(stage->link, PROBER_CANCEL, &(struct prober_cancel){.id = id},
                                                 sizeof(struct prober_cancel), NULL, 0),
                                0);
        prober_stage_ask(stage, 66, CHECK_TCP, PROBER_STAGE_PATIENCE_MS, "", "");
        prober_stage_expect_healthy(stage, 66, PROBER_HEIGHT_NONE);
}

static void expect_status_line(pid_t pid, const char *wanted) {
        char path[64], text[4096] = "";
        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
        if (!strstr(text, wanted))
                fail_msg("the prober's status has no line %s:\n%s", wanted, text);
}

static void the_running_prober_is_confined(void **state) {
        struct prober_stage *stage = *state;
        expect_status_line(stage->pid, "\nUid:\t61381\t61381\t61381\t61381\n");
        expect_status_line(stage->pid, "\nGid:\t61381\t61381\t61381\t61381\n");
        expect_status_line(stage->pid, "\nCapPrm:\t0000000000000000\n");
        expect_status_line(stage->pid, "\nCapEff:\t0000000000000000\n");
        expect_status_line(stage->pid, "\nCapBnd:\t0000000000000000\n");
        expect_status_line(stage->pid, "\nNoNewPrivs:\t1\n");
        expect_status_line(stage->pid, "\nSeccomp:\t2\n");
}

/* Runs one call behind the prober's filter. Returns its errno, 0 if it went through, or 1000 + the signal it
 * died of. */
static int call_confined(int (*call)(void)) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
                if (prober_confine() < 0)
                        _exit(255);
                _exit(call() < 0 ? errno : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int open_to_read(void) {
        return open("/etc/hostname", O_RDONLY | O_CLOEXEC);
}

static int open_to_write(void) {
        return open("/tmp/interrex-test-prober", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int make_socket(void) {
        return socket(AF_INET, SOCK_STREAM, 0);
}

static int bind_nothing(void) {
        return bind(-1, NULL, 0);
}

static int execute(void) {
        char *const none[] = {NULL};
        return execve("/bin/true", none, none);
}

static int trace(void) {
        return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int kill_nobody(void) {
        return kill(getpid(), 0);
}

static int read_a_clock(void) {
        return now_monotonic() > 0 ? 0 : -1;
}

static void the_filter_forbids_what_a_taken_over_prober_would_do(void **state) {
        (void)state;
        assert_int_equal(call_confined(read_a_clock), 0);
        assert_int_equal(call_confined(open_to_read), EPERM);
        assert_int_equal(call_confined(open_to_write), EPERM);
        assert_int_equal(call_confined(make_socket), EPERM);
        assert_int_equal(call_confined(bind_nothing), EPERM);
        assert_int_equal(call_confined(execute), 1000 + SIGSYS);
        assert_int_equal(call_confined(trace), 1000 + SIGSYS);
        assert_int_equal(call_confined(kill_nobody), 1000 + SIGSYS);
}

static void nobody_runs_it_as_root(void **state) {
        char *as_root[] = {(char *)"p", (char *)"--link", (char *)"0", (char *)"--uid", (char *)"0",
                        (char *)"--gid", (char *)"1", NULL};
        char *without[] = {(char *)"p", (char *)"--link", (char *)"0", NULL};
        (void)state;
        assert_int_equal(prober_main(7, as_root), 2);
        assert_int_equal(prober_main(3, without), 2);
}

static void nonsense_from_the_director_is_left_out(void **state) {
        struct prober_stage *stage = *state;
        char text[256] = "";
        assert_int_equal(wire_send(stage->link, PROBER_CANCEL, "short", 5, NULL, 0), 0);
        assert_true(prober_stage_await(stage->output, PROBER_STAGE_PATIENCE_MS));
        assert_true(read(stage->output, text, sizeof(text) - 1) > 0);
        assert_non_null(strstr(text, "the director sent a message that is none"));
        prober_stage_ask(stage, 1, CHECK_TCP, PROBER_STAGE_PATIENCE_MS, "", "");
        prober_stage_expect_healthy(stage, 1, PROBER_HEIGHT_NONE);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, prober_stage_tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(a_height_is_asked_and_told),
                        STAGED(the_bound_source_port_is_used),
                        STAGED(a_port_that_listens_is_healthy),
                        STAGED(refused),
                        STAGED(silence_ends_at_the_deadline),
                        STAGED(a_slow_drip_ends_at_the_deadline),
                        STAGED(wrong_answers_are_told),
                        STAGED(broken_connections_are_told),
                        STAGED(a_huge_body_is_not_taken),
                        STAGED(other_protocols_and_hosts_are_not_asked),
                        STAGED(what_is_cancelled_is_not_answered),
                        STAGED(too_many_checks_are_refused_with_the_reason),
                        STAGED(the_running_prober_is_confined),
                        STAGED(nonsense_from_the_director_is_left_out),
                        cmocka_unit_test(the_filter_forbids_what_a_taken_over_prober_would_do),
                        cmocka_unit_test(nobody_runs_it_as_root),
        };
        return cmocka_run_group_tests_name("prober", tests, NULL, NULL);
}
