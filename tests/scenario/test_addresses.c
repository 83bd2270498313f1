/* Other ways to listen and to tell: LISTEN_FDS, a unix socket, UDP, heights and gates by log line, file and notification. */
#include "support/scenario.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void begin(struct scenario *s, const struct scenario_testnode *testnode) {
        struct scenario_testnode configured = *testnode;
        configured.release = "1.0.0";
        scenario_configure_testnode(s, &configured);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, SCENARIO_START_TIMEOUT_US);
}

static void swap_under_load(struct scenario *s) {
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_end_load_unharmed(s);
}

static void end(struct scenario *s) {
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(swaps_a_node_that_takes_its_sockets) {
        begin(s, &(struct scenario_testnode){.arguments = "--listen-fds, --start-ms, '200'",
                                 .exec = "listen_fds: true"});
        swap_under_load(s);
        end(s);
}

/* An answer to one datagram, or false. */
static bool echo(int fd, const struct sockaddr_in *to) {
        char answer[64];
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (sendto(fd, "hello", 5, 0, (const struct sockaddr *)to, sizeof(*to)) != 5 ||
                        poll(&waiting, 1, 2000) != 1)
                return false;
        return recv(fd, answer, sizeof(answer), 0) >= 5;
}

SCENARIO(steers_datagrams_to_the_new_release) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                        .sin_port = htons(8546),
                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
        begin(s, &(struct scenario_testnode){.arguments = "--udp, '127.0.0.1:8546'",
                                 .more = "listen: [\"tcp:127.0.0.1:8545\", \"udp:127.0.0.1:8546\"]"});
        _cleanup_close_ int before = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(echo(before, &to));
        swap_under_load(s);
        _cleanup_close_ int after = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(echo(after, &to));
        assert_true(echo(before, &to));
        end(s);
}

#define UDP_ADDRESSES "listen: [\"tcp:127.0.0.1:8545\", \"udp:127.0.0.1:8546\"]"
#define DATAGRAMS_MAX 4000
#define DATAGRAM_EVERY_MS 2

/* What a peer saw that sent a numbered datagram every so often, over one flow. */
struct datagrams {
        uint32_t sent, refused, answered, longest_silence; /* the last: so many in a row without an answer */
        bool is_answered[DATAGRAMS_MAX];
};

/* Each is the release's version, a blank, and what was sent. */
static void take_answers(int fd, struct datagrams *seen) {
        char answer[64];
        ssize_t n;
        while ((n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT)) >= 0 || errno == ECONNREFUSED) {
                uint64_t number;
                if (n < 0) {
                        seen->refused++;
                        continue;
                }
                answer[n] = '\0';
                const char *blank = strchr(answer, ' ');
                if (blank && parse_u64(blank + 1, &number) >= 0 && number < DATAGRAMS_MAX)
                        seen->is_answered[number] = true;
        }
}

/* Until END can be read. */
static void send_datagrams(int fd, int end, struct datagrams *seen) {
        struct pollfd ended = {.fd = end, .events = POLLIN};
        while (seen->sent < DATAGRAMS_MAX && poll(&ended, 1, DATAGRAM_EVERY_MS) == 0) {
                char number[16];
                int length = snprintf(number, sizeof(number), "%u", seen->sent++);
                if (send(fd, number, (size_t)length, MSG_DONTWAIT) < 0)
                        seen->refused += errno == ECONNREFUSED;
                take_answers(fd, seen);
        }
        struct pollfd late = {.fd = fd, .events = POLLIN};
        while (poll(&late, 1, 300) == 1)
                take_answers(fd, seen);
        uint32_t silence = 0;
        for (uint32_t i = 0; i < seen->sent; i++) {
                silence = seen->is_answered[i] ? 0 : silence + 1;
                seen->answered += seen->is_answered[i];
                seen->longest_silence = silence > seen->longest_silence ? silence : seen->longest_silence;
        }
}

static struct datagrams swap_under_datagrams(struct scenario *s) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                        .sin_port = htons(8546),
                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
        struct datagrams seen = {0};
        int end[2], result[2];
        assert_int_equal(pipe2(end, O_CLOEXEC), 0);
        assert_int_equal(pipe2(result, O_CLOEXEC), 0);
        pid_t peer = fork();
        if (peer == 0) {
                int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
                        send_datagrams(fd, end[0], &seen);
                _exit(write(result[1], &seen, sizeof(seen)) == (ssize_t)sizeof(seen) ? 0 : 1);
        }
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_int_equal(write(end[1], "e", 1), 1);
        assert_int_equal(read(result[0], &seen, sizeof(seen)), sizeof(seen));
        assert_int_equal(waitpid(peer, NULL, 0), peer);
        for (size_t i = 0; i < 2; i++) {
                close_fd(end[i]);
                close_fd(result[i]);
        }
        print_message("%u datagrams, %u answered, %u refused, at most %u in a row unanswered\n", seen.sent,
                        seen.answered, seen.refused, seen.longest_silence);
        return seen;
}

/* The README says so: what comes between the old release's end and the flip is not refused, and nobody reads it. */
SCENARIO(loses_the_datagrams_of_the_gap_and_refuses_none) {
        begin(s, &(struct scenario_testnode){.arguments = "--start-ms, '400', --udp, '127.0.0.1:8546'",
                                 .more = "probation: 1s\n" UDP_ADDRESSES});
        struct datagrams seen = swap_under_datagrams(s);
        assert_int_equal(seen.refused, 0);
        assert_true(seen.is_answered[0] && seen.is_answered[seen.sent - 1]);
        json_t *status = scenario_status(s);
        int64_t gap = scenario_number(status, "last_swap.gap_ms");
        json_decref(status);
        print_message("the gap was %ld ms\n", (long)gap);
        assert_true(seen.longest_silence > 50);
        end(s);
}

/* Both read, so nothing is lost; a flow stays with the release that it began with until that one is frozen. */
SCENARIO(loses_no_datagram_where_two_releases_overlap) {
        begin(s, &(struct scenario_testnode){.arguments = "--udp, '127.0.0.1:8546'",
                                 .state = "overlap: true",
                                 .lock = "none",
                                 .more = "deadlines: {drain: 500ms}\nprobation: 2s\n" UDP_ADDRESSES});
        struct datagrams seen = swap_under_datagrams(s);
        assert_int_equal(seen.refused, 0);
        assert_int_equal(seen.answered, seen.sent);
        scenario_stop(s);
}

SCENARIO(reads_the_height_from_the_log_and_gates_by_it) {
        begin(s, &(struct scenario_testnode){
                                 .more = "height: {source: log, pattern: 'committed height=([0-9]+)'}\n"
                                         "gate: {kind: log, pattern: 'committed height=([0-9]+)', "
                                         "overshoot: allow}"});
        scenario_wait_height(s, 5, SCENARIO_START_TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "40", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        end(s);
}

SCENARIO(reads_the_height_from_notifications) {
        begin(s, &(struct scenario_testnode){.arguments = "--notify",
                                 .more = "height: {source: notify}\ngate: {kind: notify, overshoot: "
                                         "allow}"});
        scenario_wait_height(s, 5, SCENARIO_START_TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "40", "--wait", NULL);
        end(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(swaps_a_node_that_takes_its_sockets),
                        SCENARIO_TEST(steers_datagrams_to_the_new_release),
                        SCENARIO_TEST(loses_the_datagrams_of_the_gap_and_refuses_none),
                        SCENARIO_TEST(loses_no_datagram_where_two_releases_overlap),
                        SCENARIO_TEST(reads_the_height_from_the_log_and_gates_by_it),
                        SCENARIO_TEST(reads_the_height_from_notifications),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
