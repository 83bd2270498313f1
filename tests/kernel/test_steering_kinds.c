/* Steering of what is not a plain IPv4 connection: datagrams, IPv6, a socket of both families, several sockets of one
 * generation, and sums over a flip. */
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
#define SOCKETS_MAX 256

struct stage {
        struct steer_bpf *steer;
        int sockets[SOCKETS_MAX];
        size_t n_sockets;
};

/* How a test's sockets are made. */
struct kind {
        int family, type;
        bool takes_both; /* an IPv6 socket that takes IPv4 as well */
};
static const struct kind datagrams = {AF_INET, SOCK_DGRAM, false}, ipv6 = {AF_INET6, SOCK_STREAM, false},
                         both = {AF_INET6, SOCK_STREAM, true}, ipv4 = {AF_INET, SOCK_STREAM, false};

static int set_up(void **state);
static int tear_down(void **state);
static void set_route(struct stage *stage, uint32_t slot);
static int add(struct stage *stage, const struct kind *kind, uint32_t slot, uint32_t index);
static int client(struct stage *stage, const struct kind *kind);
static struct steering_counters count(struct stage *stage, uint32_t slot);
static bool has_datagram(int fd);

/* A flow has no connection that ends: it stays with the generation that it began with. */
static void a_flow_of_datagrams_stays_and_a_new_one_moves(void **state) {
        struct stage *stage = *state;
        int old = add(stage, &datagrams, 0, 0), new = add(stage, &datagrams, 1, 0);
        set_route(stage, 0);
        int early = client(stage, &datagrams);
        assert_int_equal(send(early, "1", 1, 0), 1);
        assert_true(has_datagram(old));
        set_route(stage, 1);
        int late = client(stage, &datagrams);
        assert_int_equal(send(early, "2", 1, 0), 1);
        assert_int_equal(send(late, "3", 1, 0), 1);
        assert_true(has_datagram(old));
        assert_true(has_datagram(new));
        assert_false(has_datagram(old));
}

/* In the waiting room a datagram would be lost for certain. */
static void datagrams_do_not_wait(void **state) {
        struct stage *stage = *state;
        uint32_t zero = 0;
        uint64_t route = STEERING_ROUTE(STEERING_WAITING, 0);
        int old = add(stage, &datagrams, 0, 0);
        (void)add(stage, &datagrams, STEERING_WAITING, 0);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->steer->maps.route), &zero, &route, BPF_ANY),
                        0);
        assert_int_equal(send(client(stage, &datagrams), "1", 1, 0), 1);
        assert_true(has_datagram(old));
}

static void connections_over_ipv6_follow_the_route(void **state) {
        struct stage *stage = *state;
        int old = add(stage, &ipv6, 0, 0), new = add(stage, &ipv6, 1, 0);
        set_route(stage, 0);
        (void)client(stage, &ipv6);
        set_route(stage, 1);
        (void)client(stage, &ipv6);
        (void)client(stage, &ipv6);
        assert_int_equal(listener_queued(old), 1);
        assert_int_equal(listener_queued(new), 2);
}

static void a_socket_of_both_families_is_steered_for_both(void **state) {
        struct stage *stage = *state;
        int old = add(stage, &both, 0, 0), new = add(stage, &both, 1, 0);
        set_route(stage, 1);
        (void)client(stage, &ipv4);
        (void)client(stage, &ipv6);
        assert_int_equal(listener_queued(old), 0);
        assert_int_equal(listener_queued(new), 2);
}

static void all_sockets_of_a_generation_get_their_share(void **state) {
        struct stage *stage = *state;
        int members[3], foreign = add(stage, &ipv4, 1, 0);
        uint32_t sum = 0;
        for (uint32_t i = 0; i < 3; i++)
                members[i] = add(stage, &ipv4, 0, i);
        set_route(stage, 0);
        for (size_t i = 0; i < 120; i++)
                (void)client(stage, &ipv4);
        for (size_t i = 0; i < 3; i++) {
                assert_true(listener_queued(members[i]) > 0);
                sum += listener_queued(members[i]);
        }
        assert_int_equal(sum, 120);
        assert_int_equal(listener_queued(foreign), 0);
}

/* steered + migrated + probed = accepted + queued, over a flip and the end of the old generation. */
static void I1_the_sums_are_equal_over_a_flip(void **state) {
        struct stage *stage = *state;
        int old = add(stage, &ipv4, 0, 0), new = add(stage, &ipv4, 1, 0);
        uint64_t taken_by_old = 0, taken_by_new = 0;
        set_route(stage, 0);
        for (size_t i = 0; i < 60; i++)
                (void)client(stage, &ipv4);
        for (; taken_by_old < 20; taken_by_old++)
                assert_int_not_equal(close_fd(accept4(old, NULL, NULL, SOCK_CLOEXEC)), 0);
        set_route(stage, 1);
        for (size_t i = 0; i < 30; i++)
                (void)client(stage, &ipv4);
        assert_int_equal(shutdown(old, SHUT_RD), 0);
        for (; taken_by_new < 50; taken_by_new++)
                assert_int_not_equal(close_fd(accept4(new, NULL, NULL, SOCK_CLOEXEC)), 0);
        struct steering_counters of_old = count(stage, 0), of_new = count(stage, 1);
        assert_int_equal(of_old.steered, 60);
        assert_int_equal(of_new.steered, 30);
        assert_int_equal(of_new.migrated, 40);
        assert_int_equal(of_old.steered - of_new.migrated, taken_by_old);
        assert_int_equal(of_new.steered + of_new.migrated, taken_by_new + listener_queued(new));
        assert_int_equal(of_old.astray + of_new.astray, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        a_flow_of_datagrams_stays_and_a_new_one_moves, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(datagrams_do_not_wait, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        connections_over_ipv6_follow_the_route, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_socket_of_both_families_is_steered_for_both, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        all_sockets_of_a_generation_get_their_share, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        I1_the_sums_are_equal_over_a_flip, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("steering of every kind", tests, NULL, NULL);
}

/* The loopback address of the kind, the wildcard for a socket of both families. */
static socklen_t address_of(const struct kind *kind, struct sockaddr_storage *ret_address) {
        struct sockaddr_in *four = (struct sockaddr_in *)ret_address;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret_address;
        *ret_address = (struct sockaddr_storage){.ss_family = (sa_family_t)kind->family};
        if (kind->family == AF_INET) {
                four->sin_port = htons(PORT);
                four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                return sizeof(*four);
        }
        six->sin6_port = htons(PORT);
        six->sin6_addr = kind->takes_both ? in6addr_any : in6addr_loopback;
        return sizeof(*six);
}

static void put_group(struct stage *stage, const struct kind *kind) {
        struct sockaddr_storage address;
        uint32_t zero = 0;
        struct socket_address group = {.family = (uint32_t)kind->family,
                        .protocol = kind->type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP,
                        .port = PORT};
        (void)address_of(kind, &address);
        if (kind->family == AF_INET)
                memcpy(group.ip, &((struct sockaddr_in *)&address)->sin_addr, 4);
        else
                memcpy(group.ip, &((struct sockaddr_in6 *)&address)->sin6_addr, 16);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->steer->maps.groups), &group, &zero, BPF_ANY),
                        0);
}

static int keep(struct stage *stage, int fd) {
        assert_true(fd >= 0 && stage->n_sockets < SOCKETS_MAX);
        stage->sockets[stage->n_sockets++] = fd;
        return fd;
}

static int add(struct stage *stage, const struct kind *kind, uint32_t slot, uint32_t index) {
        struct sockaddr_storage address;
        socklen_t length = address_of(kind, &address);
        int one = 1, only = !kind->takes_both, program = bpf_program__fd(stage->steer->progs.steer);
        int fd = keep(stage, socket(kind->family, kind->type | SOCK_CLOEXEC, 0));
        uint32_t key = STEERING_CELL(0, slot) * STEERING_MEMBERS + index, cell = STEERING_CELL(0, slot),
                 n = index + 1;
        uint64_t value = (uint64_t)fd;
        put_group(stage, kind);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
        if (kind->family == AF_INET6)
                assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
        if (kind->type == SOCK_STREAM)
                assert_int_equal(listen(fd, 1024), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)), 0);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->steer->maps.sockets), &key, &value, BPF_ANY),
                        0);
        assert_int_equal(
                        bpf_map_update_elem(bpf_map__fd(stage->steer->maps.members), &cell, &n, BPF_ANY), 0);
        return fd;
}

static int client(struct stage *stage, const struct kind *kind) {
        struct sockaddr_storage address;
        socklen_t length = address_of(kind, &address);
        int fd = keep(stage, socket(kind->family, kind->type | SOCK_CLOEXEC, 0));
        assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
        return fd;
}

static bool has_datagram(int fd) {
        char byte;
        return recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

static void set_route(struct stage *stage, uint32_t slot) {
        uint32_t zero = 0;
        uint64_t route = STEERING_ROUTE(slot, slot);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->steer->maps.route), &zero, &route, BPF_ANY),
                        0);
}

static struct steering_counters count(struct stage *stage, uint32_t slot) {
        struct steering_counters values[64] = {0}, sum = {0};
        uint32_t cell = STEERING_CELL(0, slot);
        assert_in_range(libbpf_num_possible_cpus(), 1, 64);
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(stage->steer->maps.counters), &cell, values), 0);
        for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
                sum.steered += values[i].steered;
                sum.migrated += values[i].migrated;
                sum.astray += values[i].astray;
        }
        return sum;
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        *state = stage;
        assert_int_equal(network_isolate(), 0);
        stage->steer = steer_bpf__open_and_load();
        assert_non_null(stage->steer);
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        for (size_t i = 0; i < stage->n_sockets; i++)
                close_fd(stage->sockets[i]);
        steer_bpf__destroy(stage->steer);
        free(stage);
        return 0;
}
