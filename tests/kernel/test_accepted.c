/* The instrument by which scenarios tell what a node closed itself from what was lost in its accept queue. */
#include "support/accepted.h"
#include "support/network.h"
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

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        struct sockaddr_in here = {.sin_family = AF_INET,
                        .sin_port = htons(PORT),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (!stage || network_isolate() < 0)
                return -1;
        *state = stage;
        stage->began_us = now_monotonic();
        stage->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(stage->listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
                        listen(stage->listener, 8) < 0)
                return -1;
        return accepted_open(PORT, &stage->accepted);
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        (void)accepted_close(stage->accepted);
        close_fd(stage->listener);
        free(stage);
        return 0;
}

/* A connection with a request that nobody has read, so that it ends with a reset. */
static int ask(struct sockaddr_in *ret_own) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                        .sin_port = htons(PORT),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof(*ret_own);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(getsockname(fd, (struct sockaddr *)ret_own, &length), 0);
        return fd;
}

static void assert_reset(int client) {
        char byte;
        assert_int_equal(recv(client, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

static bool is_told(struct stage *stage, const struct sockaddr_in *client) {
        return accepted_and_closed(stage->accepted, client, stage->began_us, now_monotonic());
}

static void what_was_accepted_is_told_from_what_was_queued(void **state) {
        struct stage *stage = *state;
        struct sockaddr_in first, second;
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

static void an_earlier_connection_from_the_same_port_does_not_count(void **state) {
        struct stage *stage = *state;
        struct sockaddr_in own;
        _cleanup_close_ int client = ask(&own);
        close_fd(accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC));
        assert_reset(client);
        uint64_t now = now_monotonic();
        assert_true(accepted_and_closed(stage->accepted, &own, stage->began_us, now));
        assert_false(accepted_and_closed(stage->accepted, &own, now + 1, now + USEC_PER_SEC));
        assert_false(accepted_and_closed(stage->accepted, &own, 0, stage->began_us - 1));
}

static void another_port_is_not_looked_at(void **state) {
        struct stage *stage = *state;
        struct sockaddr_in own;
        stage->accepted = accepted_close(stage->accepted);
        assert_int_equal(accepted_open(PORT + 1, &stage->accepted), 0);
        _cleanup_close_ int client = ask(&own);
        close_fd(accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC));
        assert_reset(client);
        assert_false(is_told(stage, &own));
}

static void another_namespace_is_not_looked_at(void **state) {
        struct stage *stage = *state;
        struct sockaddr_in own;
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
