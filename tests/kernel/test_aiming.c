/* The program that aims what an operator's command asks, together with the one that steers: in a cgroup of the test's own. */
#include "aim.skel.h"
#include "director/listener.h"
#include "interrex.h"
#include "lib/cgroup.h"
#include "steer.skel.h"
#include "support/network.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PORT 7000
#define COMMAND 77

struct stage {
        struct steer_bpf *steer;
        struct aim_bpf *aim;
        char *own_path, name[64];
        int own, cgroup, link, routed, aimed;
};

static struct sockaddr_in loopback(uint16_t port) {
        return (struct sockaddr_in){.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static int listen_in_slot(struct stage *stage, uint32_t slot) {
        struct sockaddr_in here = loopback(PORT);
        int one = 1, program = bpf_program__fd(stage->steer->progs.steer);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint32_t index = slot * STEERING_MEMBERS, n = 1;
        uint64_t value = (uint64_t)fd;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
        assert_int_equal(listen(fd, 64), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)), 0);
        assert_int_equal(bpf_map_update_elem(
                                         bpf_map__fd(stage->steer->maps.sockets), &index, &value, BPF_ANY),
                        0);
        assert_int_equal(
                        bpf_map_update_elem(bpf_map__fd(stage->steer->maps.members), &slot, &n, BPF_ANY), 0);
        return fd;
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        struct socket_address group = {.family = AF_INET, .protocol = IPPROTO_TCP, .port = PORT};
        uint32_t zero = 0;
        assert_non_null(stage);
        *state = stage;
        (void)snprintf(stage->name, sizeof(stage->name), "interrex-aiming-%d", getpid());
        assert_int_equal(network_isolate(), 0);
        assert_int_equal(cgroup_open_own(&stage->own_path, &stage->own), 0);
        assert_int_equal(cgroup_make(stage->own, stage->name, &stage->cgroup), 0);
        stage->steer = steer_bpf__open_and_load();
        stage->aim = aim_bpf__open();
        assert_true(stage->steer && stage->aim);
        assert_int_equal(bpf_map__reuse_fd(stage->aim->maps.probe_ports,
                                         bpf_map__fd(stage->steer->maps.probe_ports)),
                        0);
        assert_int_equal(aim_bpf__load(stage->aim), 0);
        group.ip[0] = htonl(INADDR_LOOPBACK);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->steer->maps.groups), &group, &zero, BPF_ANY),
                        0);
        stage->routed = listen_in_slot(stage, 0);
        stage->aimed = listen_in_slot(stage, 1);
        stage->link = bpf_link_create(
                        bpf_program__fd(stage->aim->progs.aim), stage->cgroup, BPF_CGROUP_SOCK_OPS, NULL);
        assert_true(stage->link >= 0);
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        assert_int_equal(cgroup_write(stage->own, "cgroup.procs", "0"), 0);
        close_fd(stage->link);
        close_fd(stage->routed);
        close_fd(stage->aimed);
        aim_bpf__destroy(stage->aim);
        steer_bpf__destroy(stage->steer);
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

static void aim_at(struct stage *stage, uint32_t slot) {
        struct bpf_cgroup_storage_key key = {.attach_type = BPF_CGROUP_SOCK_OPS};
        uint32_t target = STEERING_AIM(slot, COMMAND);
        struct stat st;
        assert_int_equal(fstat(stage->cgroup, &st), 0);
        key.cgroup_inode_id = st.st_ino;
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->aim->maps.aims), &key, &target, BPF_ANY), 0);
}

/* As an ordinary command does it: the kernel picks the source port. */
static int connect_somehow(uint32_t *ret_port) {
        struct sockaddr_in to = loopback(PORT), from;
        socklen_t length = sizeof(from);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &length), 0);
        *ret_port = ntohs(from.sin_port);
        return fd;
}

static bool is_noted(struct stage *stage, uint32_t port, uint32_t *ret_target) {
        return bpf_map_lookup_elem(bpf_map__fd(stage->steer->maps.probe_ports), &port, ret_target) == 0;
}

static void what_a_command_asks_goes_where_it_is_aimed(void **state) {
        struct stage *stage = *state;
        uint32_t port, target = 0;
        aim_at(stage, 1);
        enter(stage);
        _cleanup_close_ int fd = connect_somehow(&port);
        assert_int_equal(listener_queued(stage->aimed), 1);
        assert_int_equal(listener_queued(stage->routed), 0);
        assert_true(is_noted(stage, port, &target));
        assert_int_equal(STEERING_AIM_SLOT(target), 1);
        assert_int_equal(STEERING_AIM_COMMAND(target), COMMAND);
}

static void who_is_outside_goes_where_users_go(void **state) {
        struct stage *stage = *state;
        uint32_t port, target;
        aim_at(stage, 1);
        _cleanup_close_ int fd = connect_somehow(&port);
        assert_int_equal(listener_queued(stage->routed), 1);
        assert_false(is_noted(stage, port, &target));
}

static void a_cgroup_that_is_not_aimed_goes_where_users_go(void **state) {
        struct stage *stage = *state;
        uint32_t port, target;
        enter(stage);
        _cleanup_close_ int fd = connect_somehow(&port);
        assert_int_equal(listener_queued(stage->routed), 1);
        assert_false(is_noted(stage, port, &target));
}

/* The next who gets this port is perhaps a user. */
static void a_port_is_forgotten_with_its_connection(void **state) {
        struct stage *stage = *state;
        uint32_t port, target;
        aim_at(stage, 1);
        enter(stage);
        int fd = connect_somehow(&port);
        close_fd(accept4(stage->aimed, NULL, NULL, SOCK_CLOEXEC));
        assert_true(is_noted(stage, port, &target));
        close_fd(fd);
        assert_false(is_noted(stage, port, &target));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        what_a_command_asks_goes_where_it_is_aimed, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        who_is_outside_goes_where_users_go, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_cgroup_that_is_not_aimed_goes_where_users_go, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_port_is_forgotten_with_its_connection, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("aiming", tests, NULL, NULL);
}
