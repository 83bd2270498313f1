/* The instrument by which scenarios tell what a node closed itself from what was lost in its accept queue. */
#include "lib/address.h"
#include "support/accepted.h"
#include "support/network.h"
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PORT 7000

struct stage {
        struct accepted *accepted;
        int listener;
        uint64_t began_us;
};

struct client {
        char address[INET6_ADDRSTRLEN];
        uint16_t port;
};

static int open_at(const char *where, struct sockaddr_storage *ret_there, socklen_t *ret_length) {
        struct address address;
        assert_int_equal(address_parse(where, &address, NULL), 0);
        *ret_length = address_to_sockaddr(&address, ret_there);
        return socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int listen_at(void **state, const char *where) {
        struct stage *stage = calloc(1, sizeof(*stage));
        struct sockaddr_storage here;
        socklen_t length;
        if (!stage || network_isolate() < 0)
                return -1;
        *state = stage;
        stage->began_us = now_monotonic();
        stage->listener = open_at(where, &here, &length);
        if (bind(stage->listener, (struct sockaddr *)&here, length) < 0 || listen(stage->listener, 8) < 0)
                return -1;
        return accepted_open(PORT, &stage->accepted);
}

static int set_up(void **state) {
        return listen_at(state, "tcp:127.0.0.1:7000");
}

static int set_up_for_both_families(void **state) {
        return listen_at(state, "tcp:[::]:7000");
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        (void)accepted_close(stage->accepted);
        close_fd(stage->listener);
        free(stage);
        return 0;
}

/* A connection with a request that nobody has read, so that it ends with a reset. */
static int ask_at(const char *where, struct client *ret_client) {
        struct sockaddr_storage to, own;
        socklen_t length;
        char port[8];
        int fd = open_at(where, &to, &length);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, length), 0);
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &length), 0);
        assert_int_equal(getnameinfo((struct sockaddr *)&own, length, ret_client->address,
                                         sizeof(ret_client->address), port, sizeof(port),
                                         NI_NUMERICHOST | NI_NUMERICSERV),
                        0);
        ret_client->port = (uint16_t)strtoul(port, NULL, 10);
        return fd;
}

static int ask(struct client *ret_client) {
        return ask_at("tcp:127.0.0.1:7000", ret_client);
}

static void assert_reset(int client) {
        char byte;
        assert_int_equal(recv(client, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

static bool is_told(struct stage *stage, const struct client *client) {
        return accepted_and_closed(
                        stage->accepted, client->address, client->port, stage->began_us, now_monotonic());
}

static void what_was_accepted_is_told_from_what_was_queued(void **state) {
        struct stage *stage = *state;
        struct client first, second;
        _cleanup_close_ int accepted = ask(&first), queued = ask(&second);
        int served = accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(served >= 0);
        assert_false(is_told(stage, &first)); /* not closed yet */
        close_fd(served);
        assert_reset(accepted);
        stage->listener = close_fd(stage->listener);
        assert_reset(queued);
        assert_true(is_told(stage, &first));
        assert_false(is_told(stage, &second));
}

static void clients_of_both_families_are_known(void **state) {
        struct stage *stage = *state;
        struct client v4, v6, queued;
        _cleanup_close_ int by_v4 = ask(&v4), by_v6 = ask_at("tcp:[::1]:7000", &v6),
                            waits = ask_at("tcp:[::1]:7000", &queued);
        int served[] = {accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC),
                        accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC)};
        close_fd(served[0]);
        close_fd(served[1]);
        assert_reset(by_v4);
        assert_reset(by_v6);
        stage->listener = close_fd(stage->listener);
        assert_reset(waits);
        assert_true(is_told(stage, &v4));
        assert_true(is_told(stage, &v6));
        assert_false(is_told(stage, &queued));
}

static void an_earlier_connection_from_the_same_port_does_not_count(void **state) {
        struct stage *stage = *state;
        struct client own;
        _cleanup_close_ int client = ask(&own);
        close_fd(accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC));
        assert_reset(client);
        uint64_t now = now_monotonic();
        assert_true(accepted_and_closed(stage->accepted, own.address, own.port, stage->began_us, now));
        assert_false(accepted_and_closed(
                        stage->accepted, own.address, own.port, now + 1, now + USEC_PER_SEC));
        assert_false(accepted_and_closed(stage->accepted, own.address, own.port, 0, stage->began_us - 1));
}

static void another_port_is_not_looked_at(void **state) {
        struct stage *stage = *state;
        struct client own;
        stage->accepted = accepted_close(stage->accepted);
        assert_int_equal(accepted_open(PORT + 1, &stage->accepted), 0);
        _cleanup_close_ int client = ask(&own);
        close_fd(accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC));
        assert_reset(client);
        assert_false(is_told(stage, &own));
}

static void another_namespace_is_not_looked_at(void **state) {
        struct stage *stage = *state;
        struct client own;
        void *elsewhere = NULL;
        assert_int_equal(set_up(&elsewhere), 0);
        _cleanup_close_ int client = ask(&own);
        close_fd(accept4(((struct stage *)elsewhere)->listener, NULL, NULL, SOCK_CLOEXEC));
        assert_reset(client);
        assert_true(is_told(elsewhere, &own));
        assert_false(is_told(stage, &own));
        assert_int_equal(tear_down(&elsewhere), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        what_was_accepted_is_told_from_what_was_queued, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(clients_of_both_families_are_known,
                                        set_up_for_both_families, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        an_earlier_connection_from_the_same_port_does_not_count, set_up,
                                        tear_down),
                        cmocka_unit_test_setup_teardown(another_port_is_not_looked_at, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        another_namespace_is_not_looked_at, set_up, tear_down),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("accepted connections", tests, NULL, NULL);
}
