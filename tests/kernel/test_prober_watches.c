/* What nodes write by themselves, through a real prober: output pipes, notify sockets, files. */
#include "prober/prober.h"
#include "support/prober_stage.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

static int set_up(void **state) {
        return prober_stage_set_up(state, prober_main);
}

static int watch_output(struct prober_stage *stage, uint64_t generation, const char *pattern) {
        struct prober_watch_log log = {.generation = generation, .relay = 1};
        int pipes[2];
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        (void)snprintf(log.prefix, sizeof(log.prefix), "node g%lu", (unsigned long)generation);
        text_copy(log.pattern, sizeof(log.pattern), pattern);
        assert_int_equal(wire_send(stage->link, PROBER_WATCH_LOG, &log, sizeof(log), &pipes[0], 1), 0);
        close_fd(pipes[0]);
        return pipes[1];
}

static void expect_output(struct prober_stage *stage, const char *wanted) {
        char text[65536];
        for (size_t used = 0; used < strlen(wanted);) {
                assert_true(prober_stage_await(stage->output, PROBER_STAGE_PATIENCE_MS));
                ssize_t n = read(stage->output, text + used, strlen(wanted) - used);
                assert_true(n > 0);
                used += (size_t)n;
                text[used] = '\0';
        }
        assert_string_equal(text, wanted);
}

static void lines_are_put_together_and_heights_found(void **state) {
        struct prober_stage *stage = *state;
        int first = watch_output(stage, 7, "committed .*height=([0-9]+)"),
            second = watch_output(stage, 8, "");
        prober_stage_write(first, "starting\ncommitted block hei");
        expect_output(stage, "node g7 | starting\n");
        prober_stage_write(second, "\x1b[31mred\x1b[0m height=5\r\n");
        expect_output(stage, "node g8 | red height=5\n");
        prober_stage_write(first, "ght=\x1b[1m1299\x1b[0m\n");
        prober_stage_expect_height(stage, 7, 1299);
        expect_output(stage, "node g7 | committed block height=1299\n");
        prober_stage_write(first, "committed height=1299\ncommitted height=12");
        expect_output(stage, "node g7 | committed height=1299\n");
        assert_false(prober_stage_await(stage->link, 50));
        close_fd(first);
        prober_stage_expect_height(stage, 7, 12);
        const struct prober_log_ended *ended = prober_stage_expect(stage, PROBER_LOG_ENDED);
        assert_int_equal(ended->generation, 7);
        assert_string_equal(ended->text, "starting | committed block height=1299 | committed height=1299 | "
                                         "committed height=12");
        close_fd(second);
        ended = prober_stage_expect(stage, PROBER_LOG_ENDED);
        assert_int_equal(ended->generation, 8);
        assert_string_equal(ended->text, "red height=5");
}

static void an_endless_line_is_cut_and_half_a_number_not_believed(void **state) {
        struct prober_stage *stage = *state;
        int fd = watch_output(stage, 1, "height=([0-9]+)");
        static char line[12000], wanted[9000];
        memset(line, 'x', sizeof(line) - 1);
        memcpy(line + 8191 - 9, "height=1299", 11);
        line[sizeof(line) - 2] = '\n';
        prober_stage_write(fd, line);
        (void)snprintf(wanted, sizeof(wanted), "node g1 | %.8191s [cut]\n", line);
        expect_output(stage, wanted);
        prober_stage_write(fd, "height=5\n");
        prober_stage_expect_height(stage, 1, 5);
        expect_output(stage, "node g1 | height=5\n");
        close_fd(fd);
        (void)prober_stage_expect(stage, PROBER_LOG_ENDED);
}

static void the_newest_of_the_last_lines_are_kept(void **state) {
        struct prober_stage *stage = *state;
        int fd = watch_output(stage, 1, "");
        static char line[400];
        memset(line, 'y', sizeof(line) - 2);
        line[sizeof(line) - 2] = '\n';
        for (int i = 0; i < 6; i++)
                prober_stage_write(fd, line);
        prober_stage_write(fd, "\n\npanic: \xff disk full");
        close_fd(fd);
        const struct prober_log_ended *ended = prober_stage_expect(stage, PROBER_LOG_ENDED);
        const char *end = ended->text + strlen(ended->text) - strlen(" | panic: ? disk full");
        assert_string_equal(end, " | panic: ? disk full");
}

/* Nobody reads the prober's output: the node must be able to go on, and the loss be told afterwards. */
static void a_reader_that_sleeps_does_not_stop_the_node(void **state) {
        struct prober_stage *stage = *state;
        int fd = watch_output(stage, 1, "height=([0-9]+)");
        char line[128];
        for (int i = 1; i <= 20000; i++) {
                struct pollfd room = {.fd = fd, .events = POLLOUT};
                (void)snprintf(line, sizeof(line), "a line of the node at height=%d %060d\n", i, 0);
                if (poll(&room, 1, PROBER_STAGE_PATIENCE_MS) <= 0)
                        fail_msg("the node was stopped at line %d", i);
                prober_stage_write(fd, line);
        }
        for (uint64_t height = 0; height != 20000;) {
                const struct prober_height *told = prober_stage_expect(stage, PROBER_HEIGHT);
                assert_true(told->height > height && told->height <= 20000);
                height = told->height;
        }
        static char text[1024 * 1024];
        size_t used = 0;
        prober_stage_write(fd, "before\n");
        while (used < sizeof(text) - 1 && !strstr(text, "are missing here")) {
                if (!prober_stage_await(stage->output, 100)) /* all that was written is read: now there is
                                                   room for what comes */
                        prober_stage_write(fd, "again\n");
                else {
                        ssize_t n = read(stage->output, text + used, sizeof(text) - 1 - used);
                        assert_true(n > 0);
                        used += (size_t)n;
                }
        }
        assert_non_null(strstr(text, "are missing here"));
        close_fd(fd);
        (void)prober_stage_expect(stage, PROBER_LOG_ENDED);
}

/* As one does that hangs, or waits for a slow disk: the node goes on, and the newest height is not lost. */
static void a_director_that_sleeps_does_not_stop_the_node(void **state) {
        struct prober_stage *stage = *state;
        int fd = watch_output(stage, 1, "height=([0-9]+)");
        char line[64], wanted[96];
        uint64_t height = 0;
        for (unsigned i = 1; i <= 2000; i++) {
                (void)snprintf(line, sizeof(line), "height=%u\n", i);
                (void)snprintf(wanted, sizeof(wanted), "node g1 | %s", line);
                prober_stage_write(fd, line);
                expect_output(stage, wanted);
        }
        close_fd(fd);
        for (unsigned n = 1; height != 2000; n++) {
                const struct prober_height *told = prober_stage_expect(stage, PROBER_HEIGHT);
                assert_true(told->height > height && n < 2000);
                height = told->height;
        }
        (void)prober_stage_expect(stage, PROBER_LOG_ENDED);
}

static void what_is_forgotten_is_not_told(void **state) {
        struct prober_stage *stage = *state;
        struct prober_forget forget = {.generation = 0};
        (void)signal(SIGPIPE, SIG_IGN);
        int fd = watch_output(stage, 1, "height=([0-9]+)"),
            other = watch_output(stage, 2, "height=([0-9]+)");
        assert_int_equal(wire_send(stage->link, PROBER_FORGET, &forget, sizeof(forget), NULL, 0), 0);
        forget.generation = 1;
        assert_int_equal(wire_send(stage->link, PROBER_FORGET, &forget, sizeof(forget), NULL, 0), 0);
        struct pollfd gone = {.fd = fd, .events = 0};
        assert_true(poll(&gone, 1, PROBER_STAGE_PATIENCE_MS) == 1 && gone.revents & POLLERR);
        prober_stage_write(other, "height=3\n");
        prober_stage_expect_height(stage, 2, 3);
        close_fd(other);
        (void)prober_stage_expect(stage, PROBER_LOG_ENDED);
        close_fd(fd);
}

static void too_many_watches_are_told(void **state) {
        struct prober_stage *stage = *state;
        int fds[17];
        char text[256] = "";
        for (uint64_t i = 0; i < 17; i++)
                fds[i] = watch_output(stage, i + 1, "");
        assert_true(prober_stage_await(stage->output, PROBER_STAGE_PATIENCE_MS));
        assert_true(read(stage->output, text, sizeof(text) - 1) > 0);
        assert_non_null(strstr(text, "the output of generation 17 cannot be read"));
        for (uint64_t i = 0; i < 17; i++)
                close_fd(fds[i]);
        for (uint64_t i = 0; i < 16; i++)
                (void)prober_stage_expect(stage, PROBER_LOG_ENDED);
}

static void datagrams_of_the_node_are_told(void **state) {
        struct prober_stage *stage = *state;
        struct prober_watch_notify watch = {.generation = 9};
        static char large[6000];
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(wire_send(stage->link, PROBER_WATCH_NOTIFY, &watch, sizeof(watch), &pair[0], 1), 0);
        close_fd(pair[0]);
        memset(large, 'z', sizeof(large));
        memcpy(large, "READY=1\n", 8);
        assert_int_equal(send(pair[1], large, sizeof(large), 0), sizeof(large));
        prober_stage_write(pair[1], "READY=0\nFDSTORE=1\nX_INTERREX_HEIGHT=-3\nREADY=1x\nMAINPID=1");
        assert_int_equal(send(pair[1], "", 0, 0), 0);
        assert_false(prober_stage_await(stage->link, 50));
        prober_stage_write(pair[1], "STATUS=\x1b[2Jsyncing\x07\nX_INTERREX_HEIGHT=1299\nREADY=1");
        const struct prober_notified *notified = prober_stage_expect(stage, PROBER_NOTIFIED);
        assert_int_equal(notified->generation, 9);
        assert_int_equal(notified->what, NOTIFIED_STATUS);
        assert_string_equal(notified->text, "syncing");
        prober_stage_expect_height(stage, 9, 1299);
        notified = prober_stage_expect(stage, PROBER_NOTIFIED);
        assert_int_equal(notified->what, NOTIFIED_READY);
        prober_stage_write(pair[1], "STOPPING=1");
        notified = prober_stage_expect(stage, PROBER_NOTIFIED);
        assert_int_equal(notified->what, NOTIFIED_STOPPING);
        close_fd(pair[1]);
}

static void expect_gate(struct prober_stage *stage, uint64_t height) {
        const struct prober_gate *gate = prober_stage_expect(stage, PROBER_GATE);
        assert_int_equal(gate->generation, 9);
        assert_true(gate->height == height);
}

static void a_node_that_asks_its_gate_is_told(void **state) {
        struct prober_stage *stage = *state;
        struct prober_watch_notify watch = {.generation = 9};
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(wire_send(stage->link, PROBER_WATCH_NOTIFY, &watch, sizeof(watch), &pair[0], 1), 0);
        close_fd(pair[0]);
        prober_stage_write(pair[1], "X_INTERREX_GATE=\nX_INTERREX_GATE=-3\nX_INTERREX_GATE=attachedx\n"
                                    "X_INTERREX_GATE=12x\nX_INTERREX_GATE=18446744073709551616");
        assert_false(prober_stage_await(stage->link, 50));
        prober_stage_write(pair[1], "X_INTERREX_GATE=attached");
        expect_gate(stage, PROBER_HEIGHT_NONE);
        /* What the gate is comes before the height that it is about. */
        prober_stage_write(pair[1], "X_INTERREX_HEIGHT=1299\nX_INTERREX_GATE=1300");
        expect_gate(stage, 1300);
        prober_stage_expect_height(stage, 9, 1299);
        close_fd(pair[1]);
}

static void read_text(
                struct prober_stage *stage, uint64_t id, uint32_t timeout_ms, const char *pattern, int fd) {
        struct prober_read_text request = {.id = id, .timeout_ms = timeout_ms};
        text_copy(request.pattern, sizeof(request.pattern), pattern);
        assert_int_equal(wire_send(stage->link, PROBER_READ_TEXT, &request, sizeof(request), &fd, 1), 0);
}

static void texts_are_read_to_their_end(void **state) {
        struct prober_stage *stage = *state;
        int pipes[2];
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        read_text(stage, 1, PROBER_STAGE_PATIENCE_MS, "", pipes[0]);
        prober_stage_write(pipes[1], " 12");
        assert_false(prober_stage_await(stage->link, 50));
        prober_stage_write(pipes[1], "99\n");
        close_fd(pipes[0]);
        close_fd(pipes[1]);
        prober_stage_expect_healthy(stage, 1, 1299);

        _cleanup_fclose_ FILE *file = tmpfile();
        assert_non_null(file);
        assert_true(fputs("state\nheight: 1300\n", file) >= 0 && fflush(file) == 0);
        rewind(file);
        read_text(stage, 2, PROBER_STAGE_PATIENCE_MS, "^height: ([0-9]+)$", fileno(file));
        prober_stage_expect_healthy(stage, 2, 1300);
        rewind(file);
        read_text(stage, 3, PROBER_STAGE_PATIENCE_MS, "", fileno(file));
        (void)prober_stage_expect_unhealthy(stage, 3, "something else than a height");
        read_text(stage, 4, PROBER_STAGE_PATIENCE_MS, "", fileno(file));
        (void)prober_stage_expect_unhealthy(stage, 4, "the text is empty");

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        read_text(stage, 5, 100, "", pipes[0]);
        (void)prober_stage_expect_unhealthy(stage, 5, "did not end within 100 ms");
        close_fd(pipes[0]);
        close_fd(pipes[1]);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, prober_stage_tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(lines_are_put_together_and_heights_found),
                        STAGED(an_endless_line_is_cut_and_half_a_number_not_believed),
                        STAGED(the_newest_of_the_last_lines_are_kept),
                        STAGED(a_reader_that_sleeps_does_not_stop_the_node),
                        STAGED(a_director_that_sleeps_does_not_stop_the_node),
                        STAGED(what_is_forgotten_is_not_told),
                        STAGED(too_many_watches_are_told),
                        STAGED(datagrams_of_the_node_are_told),
                        STAGED(a_node_that_asks_its_gate_is_told),
                        STAGED(texts_are_read_to_their_end),
        };
        return cmocka_run_group_tests_name("prober watches", tests, NULL, NULL);
}
