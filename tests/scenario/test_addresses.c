/* Other ways to listen and to tell: LISTEN_FDS, a unix socket, UDP, heights and gates by log line, file and notification. */
#include "support/scenario.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

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
                        SCENARIO_TEST(reads_the_height_from_the_log_and_gates_by_it),
                        SCENARIO_TEST(reads_the_height_from_notifications),
        };
        return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
