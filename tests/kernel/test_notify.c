/* The filter of notify sockets, alone: who is heard is decided where the sender is, while it sends. */
#include "interrex.h"
#include "lib/cgroup.h"
#include "notify.skel.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#define NOBODY 65534

struct stage {
        struct notify_bpf *programs;
        char *own_path, name[64], folder[32];
        struct sockaddr_un address;
        int own, parent, generation, inner, other, receiver;
};

static int set_up(void **state);
static int tear_down(void **state);

/* A process enters the cgroup (-1: stays outside), becomes the user, sends and is gone before anybody reads. */
static void send_from(struct stage *stage, int cgroup, uid_t uid, const char *text) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                if ((cgroup >= 0 && cgroup_write(cgroup, "cgroup.procs", "0") < 0) ||
                                setresuid(uid, uid, uid) < 0)
                        _exit(1);
                _exit(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&stage->address,
                                      sizeof(stage->address)) < 0
                                                ? 2
                                                : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void assert_heard(struct stage *stage, const char *text) {
        char heard[64] = "";
        assert_true(recv(stage->receiver, heard, sizeof(heard) - 1, MSG_DONTWAIT) >= 0);
        assert_string_equal(heard, text);
}

static void assert_nothing_heard(struct stage *stage) {
        char heard[64];
        assert_int_equal(recv(stage->receiver, heard, sizeof(heard), MSG_DONTWAIT), -1);
}

static void processes_of_the_generation_are_heard_whole(void **state) {
        struct stage *stage = *state;
        send_from(stage, stage->generation, 0, "READY=1");
        assert_heard(stage, "READY=1");
        send_from(stage, stage->generation, NOBODY, "X_INTERREX_HEIGHT=1234");
        assert_heard(stage, "X_INTERREX_HEIGHT=1234");
        send_from(stage, stage->inner, NOBODY, "STATUS=from below");
        assert_heard(stage, "STATUS=from below");
        assert_nothing_heard(stage);
}

static void nobody_else_is_heard(void **state) {
        struct stage *stage = *state;
        send_from(stage, -1, 0, "READY=1");
        send_from(stage, -1, NOBODY, "READY=1");
        send_from(stage, stage->parent, 0, "READY=1");
        send_from(stage, stage->other, 0, "READY=1");
        assert_nothing_heard(stage);
}

/* A cgroup of the same name somewhere else is not the generation's. */
static void a_cgroup_of_the_same_name_is_not_enough(void **state) {
        struct stage *stage = *state;
        _cleanup_close_ int fake = -1;
        assert_int_equal(cgroup_make(stage->other, "gen-7", &fake), 0);
        send_from(stage, fake, 0, "READY=1");
        assert_nothing_heard(stage);
}

static void who_is_not_heard_does_not_fill_the_queue(void **state) {
        struct stage *stage = *state;
        for (unsigned i = 0; i < 600; i++)
                assert_true(sendto(stage->receiver, "READY=1", 7, MSG_DONTWAIT,
                                            (struct sockaddr *)&stage->address,
                                            sizeof(stage->address)) == 7);
        send_from(stage, stage->generation, NOBODY, "READY=1");
        assert_heard(stage, "READY=1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        processes_of_the_generation_are_heard_whole, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(nobody_else_is_heard, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_cgroup_of_the_same_name_is_not_enough, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        who_is_not_heard_does_not_fill_the_queue, set_up, tear_down),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}

static void guard(struct stage *stage) {
        struct notify_writer writer = {.cgroup = "gen-7"};
        struct stat st;
        uint64_t cookie;
        socklen_t length = sizeof(cookie);
        int program = bpf_program__fd(stage->programs->progs.notify_filter);
        assert_int_equal(fstat(stage->parent, &st), 0);
        writer.parent = st.st_ino;
        assert_int_equal(getsockopt(stage->receiver, SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->programs->maps.notify_writers), &cookie,
                                         &writer, BPF_ANY),
                        0);
        assert_int_equal(setsockopt(stage->receiver, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)),
                        0);
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        *state = stage;
        assert_int_equal(cgroup_open_own(&stage->own_path, &stage->own), 0);
        (void)snprintf(stage->name, sizeof(stage->name), "interrex-test-notify-%d", getpid());
        assert_int_equal(cgroup_make(stage->own, stage->name, &stage->parent), 0);
        assert_int_equal(cgroup_make(stage->parent, "gen-7", &stage->generation), 0);
        assert_int_equal(cgroup_make(stage->generation, "inner", &stage->inner), 0);
        assert_int_equal(cgroup_make(stage->parent, "gen-70", &stage->other), 0);
        text_copy(stage->folder, sizeof(stage->folder), "/tmp/interrex-notify.XXXXXX");
        assert_non_null(mkdtemp(stage->folder));
        assert_int_equal(chmod(stage->folder, 0755), 0);
        stage->address.sun_family = AF_UNIX;
        (void)snprintf(stage->address.sun_path, sizeof(stage->address.sun_path), "%s/notify", stage->folder);
        stage->receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        stage->programs = notify_bpf__open_and_load();
        assert_non_null(stage->programs);
        guard(stage);
        assert_int_equal(bind(stage->receiver, (struct sockaddr *)&stage->address, sizeof(stage->address)),
                        0);
        assert_int_equal(chmod(stage->address.sun_path, 0666), 0);
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        notify_bpf__destroy(stage->programs);
        close_fd(stage->receiver);
        (void)unlink(stage->address.sun_path);
        (void)rmdir(stage->folder);
        close_fd(stage->inner);
        close_fd(stage->generation);
        close_fd(stage->other);
        close_fd(stage->parent);
        int r = cgroup_remove(stage->own, stage->name);
        close_fd(stage->own);
        free(stage->own_path);
        free(stage);
        return r;
}
