/* A rehearsal that is broken off or killed: the live node runs on at once, and nothing is left, at the latest after the next one. */
#include "support/scenario.h"

#include "lib/cgroup.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define LOOK_US USEC_PER_MSEC
#define STATE_MIB 192 /* takes a moment to be copied, where no extents are shared */

struct run {
        struct process process;
        int pid, error_fd;
};

static void begin(struct scenario *s) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .more = "deadlines: {prove: 20s}\nprobation: 200ms\n"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_add_testnode(s, "3.0.0", "--never-listen");
        scenario_start(s);
        scenario_wait_height(s, 5, TIMEOUT_US);
}

static void make_state_large(struct scenario *s) {
        char path[200];
        _cleanup_free_ char *block = malloc(1 << 20);
        (void)snprintf(path, sizeof(path), "%s/large", s->data);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        assert_non_null(block);
        memset(block, 1, 1 << 20);
        for (unsigned i = 0; i < STATE_MIB; i++)
                assert_int_equal(write(fd, block, 1 << 20), 1 << 20);
}

static struct run rehearse(struct scenario *s, const char *version) {
        const char *const words[] = {s->interrex, "rehearse", s->node, version, "--state-dir", s->state_dir,
                        "--run-dir", s->run_dir, NULL};
        struct run run = {.error_fd = memfd_create("errors", MFD_CLOEXEC)};
        assert_int_equal(process_start(&(struct process_start){.arguments = words,
                                                       .output_fd = run.error_fd,
                                                       .error_fd = run.error_fd,
                                                       .cgroup_fd = -1},
                                         &run.process),
                        0);
        run.pid = run.process.pid;
        return run;
}

static int node_cgroup(struct scenario *s) {
        _cleanup_free_ char *path = NULL;
        int fd = -1;
        assert_int_equal(cgroup_open_of(scenario_node_pid(s), &path, &fd), 0);
        return fd;
}

static void wait_frozen(struct scenario *s, const struct run *run) {
        _cleanup_close_ int cgroup = node_cgroup(s);
        while (cgroup_is_frozen(cgroup) != 1)
                if (process_ends_within(&run->process, LOOK_US))
                        fail_msg("the rehearsal ended before it was seen to take its snapshot");
}

static bool has_cgroup(struct scenario *s, int pid) {
        char name[64];
        struct stat st;
        (void)snprintf(name, sizeof(name), "interrex-rehearsal-%d", pid);
        return fstatat(s->cgroup_parent_fd, name, &st, 0) == 0;
}

static void wait_supervisor(struct scenario *s, const struct run *run) {
        while (!has_cgroup(s, run->pid))
                if (process_ends_within(&run->process, LOOK_US))
                        fail_msg("the rehearsal ended before its supervisor was seen");
}

static void end(struct run *run, int wanted, const char *words) {
        int status = -1;
        assert_int_equal(process_wait(&run->process, TIMEOUT_US, &status), 0);
        _cleanup_free_ char *text = read_whole_fd(run->error_fd);
        if (status != wanted || !strstr(text, words))
                fail_msg("status %d: %s", status, text);
        close_fd(run->error_fd);
}

static void assert_runs_on(struct scenario *s) {
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "generation"), 1);
        scenario_wait_height(s, (uint64_t)scenario_number(status, "height") + 3, TIMEOUT_US);
        json_decref(status);
}

static void assert_none(const char *folder, const char *prefix) {
        DIR *directory = opendir(folder);
        assert_non_null(directory);
        for (const struct dirent *entry; (entry = readdir(directory));)
                if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
                        fail_msg("%s/%s is left", folder, entry->d_name);
        (void)closedir(directory);
}

static void assert_left_nothing(struct scenario *s, int pid) {
        char prefix[64];
        (void)snprintf(prefix, sizeof(prefix), "interrex-rehearsal.%d.", pid);
        assert_none("/tmp", prefix);
        assert_none(s->directory, ".data.interrex-");
        assert_false(has_cgroup(s, pid));
}

static void assert_next_leaves_nothing(struct scenario *s, int killed) {
        struct run run = rehearse(s, "2.0.0");
        end(&run, 0, "starts on this state");
        assert_left_nothing(s, killed);
        assert_left_nothing(s, run.pid);
}

SCENARIO(a_node_runs_on_when_its_rehearsal_is_killed_in_the_snapshot) {
        begin(s);
        make_state_large(s);
        struct run run = rehearse(s, "2.0.0");
        wait_frozen(s, &run);
        assert_int_equal(kill(run.pid, SIGKILL), 0);
        end(&run, 128 + SIGKILL, "");
        assert_runs_on(s);
        assert_next_leaves_nothing(s, run.pid);
}

/* As whatever kills a session or a unit does: all in the command's cgroup at once. */
SCENARIO(a_node_runs_on_when_all_of_its_rehearsal_is_killed_in_the_snapshot) {
        _cleanup_close_ int cgroup = -1;
        char name[32];
        begin(s);
        make_state_large(s);
        assert_int_equal(cgroup_make(s->cgroup_fd, "command", &cgroup), 0);
        struct run run = rehearse(s, "2.0.0");
        (void)snprintf(name, sizeof(name), "%d", run.pid);
        assert_int_equal(cgroup_write(cgroup, "cgroup.procs", name), 0);
        wait_frozen(s, &run);
        assert_int_equal(cgroup_kill_and_wait(cgroup, TIMEOUT_US), 0);
        end(&run, 128 + SIGKILL, "");
        assert_runs_on(s);
        assert_next_leaves_nothing(s, run.pid);
}

SCENARIO(what_is_killed_while_it_proves_the_release_is_cleaned_up_by_the_next) {
        begin(s);
        struct run run = rehearse(s, "3.0.0");
        wait_supervisor(s, &run);
        assert_int_equal(kill(run.pid, SIGKILL), 0);
        end(&run, 128 + SIGKILL, "");
        assert_next_leaves_nothing(s, run.pid);
        assert_runs_on(s);
}

SCENARIO(a_rehearsal_that_is_broken_off_cleans_up) {
        static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
        begin(s);
        make_state_large(s);
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                struct run run = rehearse(s, "3.0.0");
                wait_supervisor(s, &run);
                assert_int_equal(kill(run.pid, signals[i]), 0);
                end(&run, 1, "the rehearsal of release 3.0.0 is broken off");
                assert_left_nothing(s, run.pid);
        }
        struct run run = rehearse(s, "2.0.0");
        wait_frozen(s, &run);
        assert_int_equal(kill(run.pid, SIGINT), 0);
        end(&run, 1, "the rehearsal of release 2.0.0 is broken off");
        assert_left_nothing(s, run.pid);
        assert_runs_on(s);
}

SCENARIO(a_node_that_somebody_froze_is_told_of) {
        begin(s);
        _cleanup_close_ int cgroup = node_cgroup(s);
        assert_int_equal(cgroup_freeze_and_wait(cgroup, TIMEOUT_US), 0);
        json_decref(scenario_wait_status(s, scenario_is_degraded,
                        "generation 1 stands frozen, not by its supervisor", TIMEOUT_US));
        assert_int_equal(cgroup_write(cgroup, "cgroup.freeze", "0"), 0);
        assert_runs_on(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(a_node_runs_on_when_its_rehearsal_is_killed_in_the_snapshot),
                        SCENARIO_TEST(a_node_runs_on_when_all_of_its_rehearsal_is_killed_in_the_snapshot),
                        SCENARIO_TEST(what_is_killed_while_it_proves_the_release_is_cleaned_up_by_the_next),
                        SCENARIO_TEST(a_rehearsal_that_is_broken_off_cleans_up),
                        SCENARIO_TEST(a_node_that_somebody_froze_is_told_of),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("rehearsals that are broken off", tests, NULL, NULL);
}
