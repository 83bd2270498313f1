/* The programs that let two generations bind one address and tell of listeners, alone: attached to a cgroup of the test's own. */
#include "bind.skel.h"
#include "interrex.h"
#include "lib/cgroup.h"
#include "listen.skel.h"
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
#define EVENTS_MAX 16

struct stage {
        struct bind_bpf *bind;
        struct listen_bpf *listen;
        struct ring_buffer *ring;
        struct listen_event events[EVENTS_MAX];
        size_t n_events;
        char *own_path, name[64];
        int own, cgroup;
        int sockets[8];
        size_t n_sockets;
};

static int set_up(void **state);
static int tear_down(void **state);
static void hold(struct stage *stage, const char *ip, uint16_t port);
static int bound(struct stage *stage, int type, const char *ip, uint16_t port);
static bool is_shared(int fd);
static size_t take_events(struct stage *stage);
static uint64_t cookie_of(int fd);
static void leave_cgroup(struct stage *stage);

static void a_held_address_can_be_bound_twice(void **state) {
        struct stage *stage = *state;
        hold(stage, "127.0.0.1", PORT);
        int first = bound(stage, SOCK_STREAM, "127.0.0.1", PORT),
            second = bound(stage, SOCK_STREAM, "127.0.0.1", PORT);
        assert_true(is_shared(first) && is_shared(second));
        assert_int_equal(listen(first, 1), 0);
        assert_int_equal(listen(second, 1), 0);
}

/* Another port, another address on the port, and a port that the kernel picks. */
static void other_addresses_are_left_as_they_are(void **state) {
        struct stage *stage = *state;
        hold(stage, "127.0.0.1", PORT);
        assert_false(is_shared(bound(stage, SOCK_STREAM, "127.0.0.1", PORT + 1)));
        assert_false(is_shared(bound(stage, SOCK_STREAM, "127.0.0.2", PORT)));
        assert_false(is_shared(bound(stage, SOCK_DGRAM, "127.0.0.1", PORT)));
        assert_false(is_shared(bound(stage, SOCK_STREAM, "::1", PORT)));
        assert_false(is_shared(bound(stage, SOCK_STREAM, "127.0.0.1", 0)));
}

/* Go binds [::] where its user wrote 0.0.0.0, and the other way round. */
static void both_wildcards_are_one(void **state) {
        struct stage *stage = *state;
        hold(stage, "::", PORT);
        assert_true(is_shared(bound(stage, SOCK_STREAM, "0.0.0.0", PORT)));
        assert_true(is_shared(bound(stage, SOCK_STREAM, "::", PORT)));
}

static void an_ipv4_address_is_held_in_its_mapped_form_too(void **state) {
        struct stage *stage = *state;
        hold(stage, "127.0.0.1", PORT);
        assert_true(is_shared(bound(stage, SOCK_STREAM, "::ffff:127.0.0.1", PORT)));
}

static void who_is_outside_the_cgroup_is_left_alone(void **state) {
        struct stage *stage = *state;
        hold(stage, "127.0.0.1", PORT);
        leave_cgroup(stage);
        int fd = bound(stage, SOCK_STREAM, "127.0.0.1", PORT);
        assert_false(is_shared(fd));
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(take_events(stage), 0);
}

static void a_listener_is_told_of_by_its_cookie(void **state) {
        struct stage *stage = *state;
        int stream = bound(stage, SOCK_STREAM, "::1", PORT);
        assert_int_equal(take_events(stage), 0); /* it is bound, and not yet a listener */
        assert_int_equal(listen(stream, 1), 0);
        assert_int_equal(take_events(stage), 1);
        assert_int_equal(stage->events[0].cookie, cookie_of(stream));
        assert_int_equal(stage->events[0].address.family, AF_INET6);
        assert_int_equal(stage->events[0].address.port, PORT);
        assert_int_equal(stage->events[0].address.ip[3], htonl(1));
}

static void a_datagram_socket_is_told_of_when_it_is_bound(void **state) {
        struct stage *stage = *state;
        int fd = bound(stage, SOCK_DGRAM, "127.0.0.1", PORT);
        assert_int_equal(take_events(stage), 1);
        assert_int_equal(stage->events[0].cookie, cookie_of(fd));
        assert_int_equal(stage->events[0].address.protocol, IPPROTO_UDP);
        assert_int_equal(stage->events[0].address.ip[0], htonl(INADDR_LOOPBACK));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        a_held_address_can_be_bound_twice, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        other_addresses_are_left_as_they_are, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(both_wildcards_are_one, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        an_ipv4_address_is_held_in_its_mapped_form_too, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        who_is_outside_the_cgroup_is_left_alone, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_listener_is_told_of_by_its_cookie, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_datagram_socket_is_told_of_when_it_is_bound, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("binding", tests, NULL, NULL);
}

static int note_event(void *userdata, void *data, size_t size) {
        struct stage *stage = userdata;
        assert_true(size >= sizeof(struct listen_event) && stage->n_events < EVENTS_MAX);
        memcpy(&stage->events[stage->n_events++], data, sizeof(struct listen_event));
        return 0;
}

static void attach(struct stage *stage) {
        const struct bpf_program *programs[] = {stage->bind->progs.bind4, stage->bind->progs.bind6,
                        stage->listen->progs.on_listen, stage->listen->progs.on_bind4,
                        stage->listen->progs.on_bind6};
        struct bpf_link **links[] = {&stage->bind->links.bind4, &stage->bind->links.bind6,
                        &stage->listen->links.on_listen, &stage->listen->links.on_bind4,
                        &stage->listen->links.on_bind6};
        for (size_t i = 0; i < ELEMENTS(programs); i++) {
                *links[i] = bpf_program__attach_cgroup(programs[i], stage->cgroup);
                assert_non_null(*links[i]);
        }
}

/* The test itself is in the cgroup while it makes its sockets: a socket belongs to its maker's. */
static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        *state = stage;
        (void)snprintf(stage->name, sizeof(stage->name), "interrex-binding-%d", getpid());
        assert_int_equal(network_isolate(), 0);
        assert_int_equal(cgroup_open_own(&stage->own_path, &stage->own), 0);
        assert_int_equal(cgroup_make(stage->own, stage->name, &stage->cgroup), 0);
        stage->bind = bind_bpf__open_and_load();
        stage->listen = listen_bpf__open_and_load();
        assert_true(stage->bind && stage->listen);
        attach(stage);
        stage->ring = ring_buffer__new(
                        bpf_map__fd(stage->listen->maps.listen_events), note_event, stage, NULL);
        assert_non_null(stage->ring);
        assert_int_equal(cgroup_write(stage->cgroup, "cgroup.procs", "0"), 0);
        return 0;
}

static void leave_cgroup(struct stage *stage) {
        assert_int_equal(cgroup_write(stage->own, "cgroup.procs", "0"), 0);
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        for (size_t i = 0; i < stage->n_sockets; i++)
                close_fd(stage->sockets[i]);
        leave_cgroup(stage);
        ring_buffer__free(stage->ring);
        bind_bpf__destroy(stage->bind);
        listen_bpf__destroy(stage->listen);
        close_fd(stage->cgroup);
        int r = cgroup_remove(stage->own, stage->name);
        close_fd(stage->own);
        free(stage->own_path);
        free(stage);
        return r;
}

static void hold(struct stage *stage, const char *ip, uint16_t port) {
        struct held_address held = {.protocol = IPPROTO_TCP, .port = port};
        uint32_t one = 1;
        if (strchr(ip, ':')) {
                assert_int_equal(inet_pton(AF_INET6, ip, held.ip), 1);
        } else {
                assert_int_equal(inet_pton(AF_INET, ip, &held.ip[3]), 1);
                held.ip[2] = held.ip[3] ? htonl(0xffff) : 0;
        }
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->bind->maps.held), &held, &one, BPF_ANY), 0);
}

static int bound(struct stage *stage, int type, const char *ip, uint16_t port) {
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
        bool is_six = strchr(ip, ':');
        int one = 1, fd = socket(is_six ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0 && stage->n_sockets < ELEMENTS(stage->sockets));
        stage->sockets[stage->n_sockets++] = fd;
        assert_int_equal(inet_pton(is_six ? AF_INET6 : AF_INET, ip,
                                         is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr),
                        1);
        if (is_six && !strchr(ip, '.'))
                assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
        assert_int_equal(bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
                                         is_six ? sizeof(six) : sizeof(four)),
                        0);
        return fd;
}

static bool is_shared(int fd) {
        int value = 0;
        socklen_t length = sizeof(value);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &length), 0);
        return value != 0;
}

static size_t take_events(struct stage *stage) {
        stage->n_events = 0;
        assert_true(ring_buffer__consume(stage->ring) >= 0);
        return stage->n_events;
}

static uint64_t cookie_of(int fd) {
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
        return cookie;
}
