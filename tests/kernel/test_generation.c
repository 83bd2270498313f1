/* The keeper's part of a generation, alone: a process in a cgroup of its own, the fence before its locks or before its exec, its end
 * with all that it left behind. No director: the test reads what the keeper tells, and answers. */
#include "keeper/fence.h"
#include "keeper/generation.h"
#include "lib/cgroup.h"
#include "support/process.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define GENERATION 1
#define TIMEOUT_US (20 * USEC_PER_SEC)

struct stage {
        struct keeper keeper;
        struct wire_message told;
        int told_fd;
        char cgroup_name[64], folder[64];
        sd_event_source *children;
};

static int set_up(void **state);
static int tear_down(void **state);
static void spawn(struct stage *stage, enum keeper_fence fence, const char *script, ...) _printf_(3, 4);
static void wait_told(struct stage *stage, uint32_t type);
static bool exists(const struct stage *stage, const char *name);
static void control(struct stage *stage, enum keeper_cgroup_verb verb);
static void wait_file(struct stage *stage, const char *name);
static size_t count_processes(struct stage *stage);

/* I2: the lock is asked for, and nothing behind it happens until the generation may pass. */
static void I2_a_lock_waits_at_the_fence(void **state) {
        struct stage *stage = *state;
        const struct keeper_fenced *fenced = (const void *)stage->told.body;
        spawn(stage, SPAWN_FENCE_LOCK, "touch %s/before; flock %s/LOCK touch %s/behind", stage->folder,
                        stage->folder, stage->folder);
        wait_told(stage, KEEPER_FENCED);
        assert_int_equal(fenced->generation, GENERATION);
        assert_int_equal(fenced->call, SYS_flock);
        assert_true(exists(stage, "before"));
        assert_false(exists(stage, "behind"));
        fence_pass(generation_find(&stage->keeper, SPAWN_GENERATION, GENERATION));
        wait_told(stage, KEEPER_EMPTY);
        assert_true(exists(stage, "behind"));
}

/* The director judges each lock: one outside the state goes on, the next one waits again. */
static void one_lock_goes_on_and_the_next_one_waits(void **state) {
        struct stage *stage = *state;
        const struct keeper_fenced *fenced = (const void *)stage->told.body;
        spawn(stage, SPAWN_FENCE_LOCK, "flock %s/one touch %s/first; flock %s/two touch %s/second",
                        stage->folder, stage->folder, stage->folder, stage->folder);
        wait_told(stage, KEEPER_FENCED);
        fence_continue(generation_find(&stage->keeper, SPAWN_GENERATION, GENERATION), fenced->request,
                        false);
        wait_told(stage, KEEPER_FENCED);
        assert_true(exists(stage, "first"));
        assert_false(exists(stage, "second"));
}

static void I2_a_node_without_locks_waits_before_its_exec(void **state) {
        struct stage *stage = *state;
        const struct keeper_fenced *fenced = (const void *)stage->told.body;
        spawn(stage, SPAWN_FENCE_EXEC, "touch %s/behind", stage->folder);
        wait_told(stage, KEEPER_FENCED);
        assert_int_equal(fenced->call, KEEPER_FENCED_AT_EXEC);
        assert_false(exists(stage, "behind"));
        fence_pass(generation_find(&stage->keeper, SPAWN_GENERATION, GENERATION));
        wait_told(stage, KEEPER_EMPTY);
        assert_true(exists(stage, "behind"));
}

/* I2: the first process has ended, a daemon that it left runs on: the generation is not over. */
static void I2_a_generation_is_empty_only_when_its_last_process_has_ended(void **state) {
        struct stage *stage = *state;
        spawn(stage, SPAWN_NO_FENCE, "setsid sleep 1000 & touch %s/left", stage->folder);
        wait_told(stage, KEEPER_EXITED);
        assert_int_equal(count_processes(stage), 1);
        assert_int_equal(generation_forget(&stage->keeper, SPAWN_GENERATION, GENERATION), -EBUSY);
        control(stage, CGROUP_KILL);
        wait_told(stage, KEEPER_EMPTY);
        assert_int_equal(count_processes(stage), 0);
        assert_int_equal(generation_forget(&stage->keeper, SPAWN_GENERATION, GENERATION), 0);
}

/* What it is asked to do while it is frozen, it does when it is thawed. */
static void a_frozen_generation_does_nothing(void **state) {
        struct stage *stage = *state;
        spawn(stage, SPAWN_NO_FENCE,
                        "trap 'touch %s/asked; exit' USR1; touch %s/ready; while :; do sleep 1000 & wait; "
                        "done",
                        stage->folder, stage->folder);
        wait_file(stage, "ready");
        control(stage, CGROUP_FREEZE);
        struct generation *generation = generation_find(&stage->keeper, SPAWN_GENERATION, GENERATION);
        char events[256] = "";
        while (!strstr(events, "frozen 1")) {
                ssize_t n = pread(generation->events_fd, events, sizeof(events) - 1, 0);
                assert_true(n > 0);
                events[n] = '\0';
        }
        assert_int_equal(kill(generation->known.pid, SIGUSR1), 0);
        assert_false(exists(stage, "asked"));
        control(stage, CGROUP_THAW);
        wait_told(stage, KEEPER_EXITED);
        assert_true(exists(stage, "asked"));
}

static void a_command_that_cannot_be_run_is_told(void **state) {
        struct stage *stage = *state;
        const struct keeper_started *started = (const void *)stage->told.body;
        struct keeper_spawn *request = calloc(1, sizeof(*request));
        static const char strings[] = "/nowhere\0/\0/nowhere";
        _cleanup_close_ int text = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        int fds[2] = {text, stage->keeper.null_fd};
        assert_non_null(request);
        *request = (struct keeper_spawn){.generation = GENERATION,
                        .kind = SPAWN_GENERATION,
                        .n_arguments = 1,
                        .strings_size = sizeof(strings)};
        memcpy(request->strings, strings, sizeof(strings));
        assert_true(generation_spawn(&stage->keeper, request, fds, 2) > 0);
        free(request);
        wait_told(stage, KEEPER_STARTED);
        assert_int_equal(started->error, -EACCES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(I2_a_lock_waits_at_the_fence, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        one_lock_goes_on_and_the_next_one_waits, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        I2_a_node_without_locks_waits_before_its_exec, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        I2_a_generation_is_empty_only_when_its_last_process_has_ended,
                                        set_up, tear_down),
                        cmocka_unit_test_setup_teardown(a_frozen_generation_does_nothing, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_command_that_cannot_be_run_is_told, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("a generation", tests, NULL, NULL);
}

static void spawn(struct stage *stage, enum keeper_fence fence, const char *script, ...) {
        struct keeper_spawn *request = calloc(1, sizeof(*request));
        _cleanup_close_ int shell = open("/bin/sh", O_RDONLY | O_CLOEXEC);
        int fds[2] = {shell, stage->keeper.null_fd};
        char text[1024];
        va_list values;
        va_start(values, script);
        (void)vsnprintf(text, sizeof(text), script, values);
        va_end(values);
        assert_true(request && shell >= 0);
        int n = snprintf(request->strings, sizeof(request->strings),
                        "/bin/sh%c/%c/bin/sh%c-c%c%s%cPATH=/usr/bin:/bin", 0, 0, 0, 0, text, 0);
        request->generation = GENERATION;
        request->kind = SPAWN_GENERATION;
        request->fence = fence;
        request->n_arguments = 3;
        request->n_environment = 1;
        request->strings_size = (uint32_t)n + 1;
        int pid = generation_spawn(&stage->keeper, request, fds, 2);
        free(request);
        if (pid <= 0)
                fail_msg("cannot spawn: %s", strerror(-pid));
}

static void turn(struct stage *stage, uint64_t deadline, const char *waited_for) {
        uint64_t now = now_monotonic();
        if (now >= deadline || sd_event_run(stage->keeper.event, deadline - now) <= 0)
                fail_msg("%s did not come", waited_for);
}

/* Other messages are passed over. */
static void wait_told(struct stage *stage, uint32_t type) {
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        for (;;) {
                int r = wire_receive(stage->told_fd, keeper_events, n_keeper_events, &stage->told);
                if (r > 0) {
                        wire_message_done(&stage->told);
                        if (stage->told.type == type)
                                return;
                } else if (r == 0)
                        turn(stage, deadline, "what the keeper was to tell");
                else
                        fail_msg("the keeper told nonsense: %s", strerror(-r));
        }
}

static bool exists(const struct stage *stage, const char *name) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", stage->folder, name);
        return access(path, F_OK) == 0;
}

static int on_look_again(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        (void)userdata;
        return 0;
}

static void wait_file(struct stage *stage, const char *name) {
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        while (!exists(stage, name)) {
                (void)sd_event_add_time_relative(stage->keeper.event, NULL, CLOCK_MONOTONIC,
                                10 * USEC_PER_MSEC, 0, on_look_again, NULL);
                turn(stage, deadline, name);
        }
}

static void control(struct stage *stage, enum keeper_cgroup_verb verb) {
        struct keeper_cgroup request = {.generation = GENERATION, .kind = SPAWN_GENERATION, .verb = verb};
        assert_int_equal(generation_control(&stage->keeper, &request), 0);
}

static size_t count_processes(struct stage *stage) {
        int *pids = NULL;
        size_t n = 0;
        assert_int_equal(cgroup_processes(generation_find(&stage->keeper, SPAWN_GENERATION, GENERATION)
                                                          ->cgroup_fd,
                                         &pids, &n),
                        0);
        free(pids);
        return n;
}

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        siginfo_t how = {0};
        (void)source;
        (void)info;
        while (waitid(P_ALL, 0, &how, WEXITED | WNOHANG) == 0 && how.si_pid != 0) {
                (void)generation_reaped(userdata, &how);
                how.si_pid = 0;
        }
        return 0;
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        int pair[2];
        assert_non_null(stage);
        *state = stage;
        struct keeper *keeper = &stage->keeper;
        (void)snprintf(stage->cgroup_name, sizeof(stage->cgroup_name), "interrex-generation-%d", getpid());
        (void)snprintf(stage->folder, sizeof(stage->folder), "/tmp/interrex-generation.XXXXXX");
        assert_non_null(mkdtemp(stage->folder));
        keeper->config_fd = keeper->director_link = -1;
        keeper->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_int_equal(cgroup_open_own(&keeper->cgroup_own_path, &keeper->cgroup_own_fd), 0);
        assert_int_equal(cgroup_make(keeper->cgroup_own_fd, stage->cgroup_name, &keeper->cgroup_fd), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        keeper->director_link = pair[0];
        stage->told_fd = pair[1];
        assert_true(sd_event_new(&keeper->event) >= 0);
        assert_true(sd_event_add_signal(keeper->event, &stage->children, SIGCHLD | SD_EVENT_SIGNAL_PROCMASK,
                                    on_child, keeper) >= 0);
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at) {
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        struct keeper *keeper = &stage->keeper;
        generation_end_all(keeper);
        while (waitpid(-1, NULL, WNOHANG) > 0)
                continue;
        sd_event_source_disable_unref(stage->children);
        sd_event_unref(keeper->event);
        close_fd(keeper->cgroup_fd);
        int r = cgroup_remove(keeper->cgroup_own_fd, stage->cgroup_name);
        close_fd(keeper->cgroup_own_fd);
        close_fd(keeper->null_fd);
        close_fd(keeper->director_link);
        close_fd(stage->told_fd);
        free(keeper->cgroup_own_path);
        (void)nftw(stage->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(stage);
        return r;
}
