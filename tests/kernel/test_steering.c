/* The program that steers, alone: where connections land, that none is lost when a socket closes, that the counters add up. */
#include "director/listener.h"
#include "interrex.h"
#include "steer.skel.h"
#include "support/network.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PORT 7000
#define CLIENTS 200

struct stage {
        struct steer_bpf *steer;
        int listeners[STEERING_SLOTS + 1], clients[CLIENTS];
};

static const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0};

static struct sockaddr_in at(uint16_t port) {
        struct sockaddr_in to = address;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return to;
}

static void put(struct bpf_map *map, const void *key, const void *value) {
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void set_route(struct stage *stage, uint32_t slot, uint32_t otherwise) {
        uint32_t zero = 0;
        uint64_t route = STEERING_ROUTE(slot, otherwise);
        put(stage->steer->maps.route, &zero, &route);
}

static void add_listener(struct stage *stage, uint32_t slot) {
        struct sockaddr_in here = at(PORT);
        int one = 1, program = bpf_program__fd(stage->steer->progs.steer);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
        assert_int_equal(listen(fd, 1024), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)), 0);
        uint32_t index = slot * STEERING_MEMBERS, n = 1;
        uint64_t value = (uint64_t)fd;
        put(stage->steer->maps.sockets, &index, &value);
        put(stage->steer->maps.members, &slot, &n);
        stage->listeners[slot] = fd;
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        struct socket_address group = {.family = AF_INET, .protocol = IPPROTO_TCP, .port = PORT};
        uint32_t zero = 0;
        assert_non_null(stage);
        *state = stage;
        for (size_t i = 0; i < ELEMENTS(stage->listeners); i++)
                stage->listeners[i] = -1;
        for (size_t i = 0; i < CLIENTS; i++)
                stage->clients[i] = -1;
        assert_int_equal(network_isolate(), 0);
        stage->steer = steer_bpf__open_and_load();
        assert_non_null(stage->steer);
        group.ip[0] = htonl(INADDR_LOOPBACK);
        put(stage->steer->maps.groups, &group, &zero);
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        for (size_t i = 0; i < CLIENTS; i++)
                close_fd(stage->clients[i]);
        for (size_t i = 0; i < ELEMENTS(stage->listeners); i++)
                close_fd(stage->listeners[i]);
        steer_bpf__destroy(stage->steer);
        free(stage);
        return 0;
}

static void connect_from(struct stage *stage, size_t client, uint16_t port) {
        struct sockaddr_in from = at(port), to = at(PORT);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        stage->clients[client] = fd;
}

static void connect_many(struct stage *stage, size_t from, size_t n) {
        for (size_t i = from; i < from + n; i++)
                connect_from(stage, i, 0);
}

static struct steering_counters count(struct stage *stage, uint32_t slot) {
        struct steering_counters values[64] = {0}, sum = {0};
        int cpus = libbpf_num_possible_cpus();
        assert_in_range(cpus, 1, 64);
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(stage->steer->maps.counters), &slot, values), 0);
        for (int i = 0; i < cpus; i++) {
                sum.steered += values[i].steered;
                sum.migrated += values[i].migrated;
                sum.probed += values[i].probed;
                sum.astray += values[i].astray;
        }
        return sum;
}

/* An answer reaches each client: none was reset while it waited. */
static void assert_served(struct stage *stage, uint32_t slot, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_close_ int fd = accept4(stage->listeners[slot], NULL, NULL, SOCK_CLOEXEC);
                assert_true(fd >= 0);
                assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        }
}

static void assert_answered(struct stage *stage, size_t from, size_t n) {
        char byte;
        for (size_t i = from; i < from + n; i++)
                assert_int_equal(recv(stage->clients[i], &byte, 1, 0), 1);
}

static void let_hundred_wait_and_flip(struct stage *stage) {
        add_listener(stage, 0);
        add_listener(stage, 1);
        set_route(stage, 0, 0);
        connect_many(stage, 0, 100);
        set_route(stage, 1, 1);
}

static void the_route_decides_and_one_write_changes_it(void **state) {
        struct stage *stage = *state;
        let_hundred_wait_and_flip(stage);
        connect_many(stage, 100, 50);
        assert_int_equal(listener_queued(stage->listeners[0]), 100);
        assert_int_equal(listener_queued(stage->listeners[1]), 50);
        assert_int_equal(count(stage, 0).steered, 100);
        assert_int_equal(count(stage, 1).steered, 50);
}

static void I1_what_waits_in_a_closed_socket_moves_on(void **state) {
        struct stage *stage = *state;
        let_hundred_wait_and_flip(stage);
        stage->listeners[0] = close_fd(stage->listeners[0]);
        assert_int_equal(listener_queued(stage->listeners[1]), 100);
        assert_int_equal(count(stage, 1).migrated, 100);
        assert_served(stage, 1, 100);
        assert_answered(stage, 0, 100);
}

/* shutdown(2) takes a listener from every holder of a duplicate, and it can listen again. */
static void I1_the_waiting_room_is_emptied_by_shutdown_and_used_again(void **state) {
        struct stage *stage = *state;
        uint32_t index = STEERING_WAITING * STEERING_MEMBERS;
        add_listener(stage, 0);
        add_listener(stage, STEERING_WAITING);
        for (unsigned round = 0; round < 2; round++) {
                set_route(stage, STEERING_WAITING, 0);
                connect_many(stage, round * 50, 50);
                assert_int_equal(listener_queued(stage->listeners[STEERING_WAITING]), 50);
                set_route(stage, 0, 0);
                assert_int_equal(shutdown(stage->listeners[STEERING_WAITING], SHUT_RD), 0);
                assert_int_equal(listener_queued(stage->listeners[0]), 50);
                assert_served(stage, 0, 50);
                assert_answered(stage, round * 50, 50);
                uint64_t value = (uint64_t)stage->listeners[STEERING_WAITING];
                assert_int_equal(listen(stage->listeners[STEERING_WAITING], 1024), 0);
                put(stage->steer->maps.sockets, &index, &value);
        }
}

static void a_slot_without_a_socket_falls_back_to_the_other(void **state) {
        struct stage *stage = *state;
        add_listener(stage, 1);
        add_listener(stage, 2);
        set_route(stage, STEERING_WAITING, 2);
        connect_many(stage, 0, 20);
        assert_int_equal(listener_queued(stage->listeners[2]), 20);
        assert_int_equal(count(stage, 2).astray, 20);
}

static void a_probe_reaches_whom_it_is_aimed_at(void **state) {
        struct stage *stage = *state;
        uint32_t port = 7100, slot = 1;
        add_listener(stage, 0);
        add_listener(stage, 1);
        set_route(stage, 0, 0);
        put(stage->steer->maps.probe_ports, &port, &slot);
        connect_from(stage, 0, 7100);
        connect_from(stage, 1, 7101);
        assert_int_equal(listener_queued(stage->listeners[1]), 1);
        assert_int_equal(listener_queued(stage->listeners[0]), 1);
        assert_int_equal(count(stage, 1).probed, 1);
        assert_int_equal(count(stage, 0).steered, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        the_route_decides_and_one_write_changes_it, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        I1_what_waits_in_a_closed_socket_moves_on, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        I1_the_waiting_room_is_emptied_by_shutdown_and_used_again, set_up,
                                        tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_slot_without_a_socket_falls_back_to_the_other, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_probe_reaches_whom_it_is_aimed_at, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("steering", tests, NULL, NULL);
}
