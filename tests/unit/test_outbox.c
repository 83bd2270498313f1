/* What the prober has to tell while its director does not read: no node may fill the room by writing much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "prober/context.h"
#include <sys/socket.h>

/* More than the link's buffer and the outbox have room for. */
#define MESSAGES 4096

struct stage {
        struct prober prober;
        int director;
        struct wire_message message;
};

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void)source;
        (void)fd;
        (void)revents;
        (void)userdata;
        return 0;
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        int link[2];
        assert_non_null(stage);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link), 0);
        stage->prober.link = link[0];
        stage->director = link[1];
        assert_true(sd_event_new(&stage->prober.event) >= 0);
        assert_true(sd_event_add_io(stage->prober.event, &stage->prober.link_source, link[0], EPOLLIN,
                                    on_link, NULL) >= 0);
        *state = stage;
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        sd_event_source_unref(stage->prober.link_source);
        sd_event_unref(stage->prober.event);
        close_fd(stage->prober.link);
        close_fd(stage->director);
        free(stage);
        return 0;
}

/* The next message that the director gets, or NULL when it has got all. */
static const void *take(struct stage *stage, uint32_t *ret_type) {
        outbox_flush(&stage->prober);
        if (wire_receive(stage->director, prober_answers, n_prober_answers, &stage->message) <= 0)
                return NULL;
        *ret_type = stage->message.type;
        return stage->message.body;
}

static void tell_gate(struct stage *stage, uint64_t generation, uint64_t height) {
        struct prober_gate gate = {.generation = generation, .height = height};
        prober_tell(&stage->prober, PROBER_GATE, &gate, sizeof(gate));
}

/* The last height that each of the generations 1 and 2 was told to stand before. */
static void assert_last_gates(struct stage *stage, uint64_t first, uint64_t second) {
        uint64_t last[3] = {0};
        uint32_t type;
        for (const struct prober_gate *gate; (gate = take(stage, &type));) {
                assert_int_equal(type, PROBER_GATE);
                assert_in_range(gate->generation, 1, 2);
                last[gate->generation] = gate->height;
        }
        assert_int_equal(last[1], first);
        assert_int_equal(last[2], second);
}

static void the_newest_gate_says_all(void **state) {
        for (uint64_t height = 1; height <= MESSAGES; height++) {
                tell_gate(*state, 1, height);
                tell_gate(*state, 2, height + 1);
        }
        assert_last_gates(*state, MESSAGES, MESSAGES + 1);
}

static void that_it_asks_does_not_hide_where_it_stands(void **state) {
        for (uint64_t height = 1; height <= MESSAGES; height++) {
                tell_gate(*state, 1, height);
                tell_gate(*state, 2, PROBER_HEIGHT_NONE);
        }
        tell_gate(*state, 1, PROBER_HEIGHT_NONE);
        assert_last_gates(*state, MESSAGES, PROBER_HEIGHT_NONE);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(the_newest_gate_says_all, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        that_it_asks_does_not_hide_where_it_stands, set_up, tear_down),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
