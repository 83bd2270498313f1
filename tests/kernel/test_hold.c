/* The programs that cut a generation off from its peers, alone: attached to a cgroup of the test's own, in which it makes the node's
 * sockets; it leaves the cgroup to make those of users and peers. */
#include "hold.skel.h"
#include "interrex.h"
#include "keeper/families.h"
#include "lib/cgroup.h"
#include "support/network.h"
#include "support/process.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SERVED 7000
#define OTHER 7001
#define PROBE 7777
#define NEVER_MS 200 /* what is not there by then does not come: all of it is one machine's loopback */
#define SOON_MS 5000

struct stage {
        struct hold_bpf *programs;
        struct bpf_link *links[6];
        char *own_path, name[64];
        int own, cgroup;
        int sockets[24];
        size_t n_sockets;
};

static int set_up(void **state);
static int tear_down(void **state);
static void enter(struct stage *stage);
static void leave(struct stage *stage);
static void cut_off(struct stage *stage);
static void serve(struct stage *stage, const char *ip, uint16_t port);
static int make(struct stage *stage, int type, const char *ip, uint16_t port);
static int listening(struct stage *stage, const char *ip, uint16_t port);
static int to(int fd, const char *ip, uint16_t port);
static bool gets_through(int from, int into);
static int accepted(struct stage *stage, int listener, int wait_ms);
static uint64_t counted(struct stage *stage, enum hold_way way);

/* A user connects from outside, and both talk. */
static void assert_served(struct stage *stage, const char *bound_to, const char *ip) {
        enter(stage);
        int listener = listening(stage, bound_to, SERVED);
        leave(stage);
        int user = make(stage, SOCK_STREAM, ip, 0);
        assert_int_equal(to(user, ip, SERVED), 0);
        int node = accepted(stage, listener, SOON_MS);
        assert_true(node >= 0);
        assert_true(gets_through(user, node) && gets_through(node, user));
        assert_true(counted(stage, HOLD_SERVED_IN) > 0 && counted(stage, HOLD_SERVED_OUT) > 0);
        assert_int_equal(counted(stage, HOLD_CUT_IN) + counted(stage, HOLD_CUT_OUT), 0);
}

static void a_served_address_is_served(void **state) {
        serve(*state, "127.0.0.1", SERVED);
        cut_off(*state);
        assert_served(*state, "127.0.0.1", "127.0.0.1");
}

static void a_served_address_of_ipv6_is_served(void **state) {
        serve(*state, "::1", SERVED);
        cut_off(*state);
        assert_served(*state, "::1", "::1");
}

static void a_served_wildcard_is_served_at_every_address(void **state) {
        serve(*state, "0.0.0.0", SERVED);
        cut_off(*state);
        assert_served(*state, "0.0.0.0", "127.0.0.2");
}

/* As Go does with 0.0.0.0. */
static void a_served_wildcard_is_served_by_a_socket_of_both_families(void **state) {
        serve(*state, "0.0.0.0", SERVED);
        cut_off(*state);
        assert_served(*state, "::", "127.0.0.1");
}

static void assert_unreachable(struct stage *stage, const char *ip, uint16_t port) {
        uint64_t before = counted(stage, HOLD_CUT_IN);
        enter(stage);
        int listener = listening(stage, ip, port);
        leave(stage);
        (void)to(make(stage, SOCK_STREAM, ip, 0), ip, port);
        assert_int_equal(accepted(stage, listener, NEVER_MS), -1);
        assert_true(counted(stage, HOLD_CUT_IN) > before);
}

static void other_addresses_cannot_be_reached(void **state) {
        struct stage *stage = *state;
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        assert_unreachable(stage, "127.0.0.1", OTHER);
        assert_unreachable(stage, "127.0.0.2", SERVED);
        assert_unreachable(stage, "::1", SERVED);
        assert_unreachable(stage, "::1", OTHER);
}

static void a_connection_out_is_refused_at_once(void **state) {
        static const char *const addresses[] = {"127.0.0.1", "::1"};
        struct stage *stage = *state;
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        for (size_t i = 0; i < ELEMENTS(addresses); i++) {
                int peer = listening(stage, addresses[i], OTHER);
                enter(stage);
                assert_int_equal(to(make(stage, SOCK_STREAM, addresses[i], 0), addresses[i], OTHER), -EPERM);
                leave(stage);
                assert_int_equal(accepted(stage, peer, NEVER_MS), -1);
        }
        assert_int_equal(counted(stage, HOLD_CONNECT_CUT), 2);
}

/* The second line of defence: were it not refused, its packets would not leave; not even from the port of a served address, from
 * which libp2p dials. */
static void the_packets_of_a_connection_out_are_dropped(void **state) {
        struct stage *stage = *state;
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        for (size_t i = 2; i < ELEMENTS(stage->links); i++) {
                (void)bpf_link__destroy(stage->links[i]);
                stage->links[i] = NULL;
        }
        int peer = listening(stage, "127.0.0.1", OTHER);
        enter(stage);
        (void)to(make(stage, SOCK_STREAM, "127.0.0.1", 0), "127.0.0.1", OTHER);
        (void)to(make(stage, SOCK_STREAM, "127.0.0.1", SERVED), "127.0.0.1", OTHER);
        leave(stage);
        assert_int_equal(accepted(stage, peer, NEVER_MS), -1);
        assert_true(counted(stage, HOLD_CUT_OUT) >= 2);
}

static void an_established_connection_to_a_peer_is_cut(void **state) {
        struct stage *stage = *state;
        int peer_listener = listening(stage, "127.0.0.1", OTHER);
        enter(stage);
        int node = make(stage, SOCK_STREAM, "127.0.0.1", 0);
        assert_int_equal(to(node, "127.0.0.1", OTHER), 0);
        leave(stage);
        int peer = accepted(stage, peer_listener, SOON_MS);
        assert_true(gets_through(peer, node) && gets_through(node, peer));
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        assert_false(gets_through(peer, node));
        assert_false(gets_through(node, peer));
        assert_true(counted(stage, HOLD_CUT_IN) > 0 && counted(stage, HOLD_CUT_OUT) > 0);
}

static void datagrams_are_cut(void **state) {
        struct stage *stage = *state;
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_port = htons(OTHER),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int peer = make(stage, SOCK_DGRAM, "127.0.0.1", OTHER);
        enter(stage);
        int node = make(stage, SOCK_DGRAM, "127.0.0.1", SERVED),
            early = make(stage, SOCK_DGRAM, "127.0.0.1", 0);
        assert_int_equal(to(early, "127.0.0.1", OTHER), 0);
        leave(stage);
        serve(stage, "127.0.0.1", SERVED); /* for TCP */
        cut_off(stage);
        enter(stage);
        assert_int_equal(sendto(node, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(to(make(stage, SOCK_DGRAM, "::1", 0), "::1", OTHER), -EPERM);
        leave(stage);
        assert_false(gets_through(early, peer));
        address.sin_port = htons(SERVED);
        assert_int_equal(sendto(peer, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)), 1);
        struct pollfd wait = {.fd = node, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, NEVER_MS), 0);
        assert_int_equal(counted(stage, HOLD_SEND_CUT), 1);
        assert_true(counted(stage, HOLD_CUT_OUT) > 0 && counted(stage, HOLD_CUT_IN) > 0);
}

/* It could say of a packet what it likes: that it comes from a served address. */
static void a_raw_socket_sends_nothing(void **state) {
        struct stage *stage = *state;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct {
                struct iphdr ip;
                struct tcphdr tcp;
        } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
                        .tcp = {.source = htons(SERVED), .dest = htons(OTHER), .ack = 1, .doff = 5}};
        packet.ip.saddr = packet.ip.daddr = htonl(INADDR_LOOPBACK);
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        enter(stage);
        int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
        assert_true(fd >= 0);
        stage->sockets[stage->n_sockets++] = fd;
        assert_int_equal(sendto(fd, &packet, sizeof(packet), 0, (const struct sockaddr *)&address,
                                         sizeof(address)),
                        -1);
        assert_int_equal(errno, EPERM);
        leave(stage);
        assert_true(counted(stage, HOLD_CUT_OUT) > 0);
}

/* A probe's port is taken back when its answer is here, and its connection ends in good order. */
static void a_probe_reaches_every_address(void **state) {
        struct stage *stage = *state;
        uint32_t port = PROBE, slot = 1;
        int ports = bpf_map__fd(stage->programs->maps.probe_ports);
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        enter(stage);
        int listener = listening(stage, "127.0.0.1", OTHER);
        leave(stage);
        assert_int_equal(bpf_map_update_elem(ports, &port, &slot, BPF_ANY), 0);
        int probe = make(stage, SOCK_STREAM, "127.0.0.1", PROBE);
        assert_int_equal(to(probe, "127.0.0.1", OTHER), 0);
        int node = accepted(stage, listener, SOON_MS);
        assert_int_equal(bpf_map_delete_elem(ports, &port), 0);
        assert_true(gets_through(probe, node) && gets_through(node, probe));
        assert_true(counted(stage, HOLD_PROBED_IN) > 0 && counted(stage, HOLD_PROBED_OUT) > 0);
        /* From another address than the one it goes to it is a stranger's. */
        assert_int_equal(bpf_map_update_elem(ports, &port, &slot, BPF_ANY), 0);
        (void)to(make(stage, SOCK_STREAM, "127.0.0.3", PROBE), "127.0.0.1", OTHER);
        assert_int_equal(accepted(stage, listener, NEVER_MS), -1);
}

static void who_comes_by_a_probes_port_later_is_cut(void **state) {
        struct stage *stage = *state;
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        enter(stage);
        int listener = listening(stage, "127.0.0.1", OTHER);
        leave(stage);
        (void)to(make(stage, SOCK_STREAM, "127.0.0.1", PROBE), "127.0.0.1", OTHER);
        assert_int_equal(accepted(stage, listener, NEVER_MS), -1);
}

static void children_are_cut_as_well(void **state) {
        struct stage *stage = *state;
        int status = -1;
        serve(stage, "127.0.0.1", SERVED);
        cut_off(stage);
        (void)listening(stage, "127.0.0.1", OTHER);
        enter(stage);
        int child = fork();
        if (child == 0)
                _exit(to(socket(AF_INET, SOCK_STREAM, 0), "127.0.0.1", OTHER) == -EPERM ? 0 : 1);
        leave(stage);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

/* What no program of a cgroup sees is not to be had. */
static void packet_sockets_and_io_uring_are_not_to_be_had(void **state) {
        int status = -1, child = fork();
        (void)state;
        if (child == 0) {
                char parameters[256] = {0};
                if (families_restrict() < 0)
                        _exit(1);
                if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT)
                        _exit(2);
                if (socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT)
                        _exit(3);
                if (syscall(SYS_io_uring_setup, 1, parameters) >= 0 || errno != ENOSYS)
                        _exit(4);
                static const int allowed[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
                for (size_t i = 0; i < ELEMENTS(allowed); i++)
                        if (socket(allowed[i], SOCK_DGRAM, 0) < 0)
                                _exit(5);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define HOLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                        HOLD_TEST(a_served_address_is_served),
                        HOLD_TEST(a_served_address_of_ipv6_is_served),
                        HOLD_TEST(a_served_wildcard_is_served_at_every_address),
                        HOLD_TEST(a_served_wildcard_is_served_by_a_socket_of_both_families),
                        HOLD_TEST(other_addresses_cannot_be_reached),
                        HOLD_TEST(a_connection_out_is_refused_at_once),
                        HOLD_TEST(the_packets_of_a_connection_out_are_dropped),
                        HOLD_TEST(an_established_connection_to_a_peer_is_cut),
                        HOLD_TEST(datagrams_are_cut),
                        HOLD_TEST(a_raw_socket_sends_nothing),
                        HOLD_TEST(a_probe_reaches_every_address),
                        HOLD_TEST(who_comes_by_a_probes_port_later_is_cut),
                        HOLD_TEST(children_are_cut_as_well),
                        cmocka_unit_test(packet_sockets_and_io_uring_are_not_to_be_had),
        };
        return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        *state = stage;
        (void)snprintf(stage->name, sizeof(stage->name), "interrex-hold-%d", getpid());
        assert_int_equal(network_isolate(), 0);
        assert_int_equal(cgroup_open_own(&stage->own_path, &stage->own), 0);
        assert_int_equal(cgroup_make(stage->own, stage->name, &stage->cgroup), 0);
        stage->programs = hold_bpf__open_and_load();
        assert_non_null(stage->programs);
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        for (size_t i = 0; i < stage->n_sockets; i++)
                close_fd(stage->sockets[i]);
        leave(stage);
        for (size_t i = 0; i < ELEMENTS(stage->links); i++)
                (void)bpf_link__destroy(stage->links[i]);
        hold_bpf__destroy(stage->programs);
        close_fd(stage->cgroup);
        int r = cgroup_remove(stage->own, stage->name);
        close_fd(stage->own);
        free(stage->own_path);
        free(stage);
        return r;
}

static void enter(struct stage *stage) {
        assert_int_equal(cgroup_write(stage->cgroup, "cgroup.procs", "0"), 0);
}

static void leave(struct stage *stage) {
        assert_int_equal(cgroup_write(stage->own, "cgroup.procs", "0"), 0);
}

static void cut_off(struct stage *stage) {
        const struct bpf_program *programs[] = {stage->programs->progs.hold_ingress,
                        stage->programs->progs.hold_egress, stage->programs->progs.hold_connect4,
                        stage->programs->progs.hold_connect6, stage->programs->progs.hold_sendmsg4,
                        stage->programs->progs.hold_sendmsg6};
        for (size_t i = 0; i < ELEMENTS(programs); i++) {
                stage->links[i] = bpf_program__attach_cgroup(programs[i], stage->cgroup);
                assert_non_null(stage->links[i]);
        }
}

/* In the form of held addresses: IPv4 v4-mapped, wildcards zero. */
static void serve(struct stage *stage, const char *ip, uint16_t port) {
        struct held_address served = {.protocol = IPPROTO_TCP, .port = port};
        uint32_t one = 1;
        if (strchr(ip, ':')) {
                assert_int_equal(inet_pton(AF_INET6, ip, served.ip), 1);
        } else {
                assert_int_equal(inet_pton(AF_INET, ip, &served.ip[3]), 1);
                served.ip[2] = served.ip[3] ? htonl(0xffff) : 0;
        }
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->programs->maps.hold_served), &served, &one,
                                         BPF_ANY),
                        0);
}

static socklen_t address_of(const char *ip, uint16_t port, struct sockaddr_storage *ret_address) {
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
        bool is_six = strchr(ip, ':');
        assert_int_equal(inet_pton(is_six ? AF_INET6 : AF_INET, ip,
                                         is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr),
                        1);
        memcpy(ret_address, is_six ? (void *)&six : (void *)&four, is_six ? sizeof(six) : sizeof(four));
        return is_six ? sizeof(six) : sizeof(four);
}

/* Bound, unless the port is 0; of the address's family. Closed at the end of the test. */
static int make(struct stage *stage, int type, const char *ip, uint16_t port) {
        struct sockaddr_storage address;
        socklen_t length = address_of(ip, port, &address);
        int zero = 0, one = 1, fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0 && stage->n_sockets < ELEMENTS(stage->sockets));
        stage->sockets[stage->n_sockets++] = fd;
        if (strcmp(ip, "::") == 0)
                assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
        if (port != 0)
                assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
        return fd;
}

static int listening(struct stage *stage, const char *ip, uint16_t port) {
        int fd = make(stage, SOCK_STREAM, ip, port);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

/* 0: connected; -EINPROGRESS: not within NEVER_MS. */
static int to(int fd, const char *ip, uint16_t port) {
        struct sockaddr_storage address;
        socklen_t length = address_of(ip, port, &address), size = sizeof(int);
        int error = 0;
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (connect(fd, (const struct sockaddr *)&address, length) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return -errno;
        if (poll(&wait, 1, NEVER_MS) == 0)
                return -EINPROGRESS;
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
        return -error;
}

static bool gets_through(int from, int into) {
        struct pollfd wait = {.fd = into, .events = POLLIN};
        char byte;
        (void)send(from, "x", 1, MSG_NOSIGNAL);
        return poll(&wait, 1, NEVER_MS) == 1 && recv(into, &byte, 1, 0) == 1;
}

static int accepted(struct stage *stage, int listener, int wait_ms) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        if (poll(&wait, 1, wait_ms) == 0)
                return -1;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(fd >= 0 && stage->n_sockets < ELEMENTS(stage->sockets));
        stage->sockets[stage->n_sockets++] = fd;
        return fd;
}

static uint64_t counted(struct stage *stage, enum hold_way way) {
        int cpus = libbpf_num_possible_cpus();
        uint32_t key = way;
        uint64_t sum = 0;
        assert_true(cpus > 0);
        _cleanup_free_ uint64_t *values = calloc((size_t)cpus, sizeof(*values));
        assert_non_null(values);
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(stage->programs->maps.hold_counters), &key, values),
                        0);
        for (int i = 0; i < cpus; i++)
                sum += values[i];
        return sum;
}
