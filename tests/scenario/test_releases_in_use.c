/* What is executed is what was verified, at every start; and a release in use cannot be taken away. */
#include "support/scenario.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define TIMEOUT_US (20 * USEC_PER_SEC)

static void begin(struct scenario *s, const char *state, const char *arguments) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .state = state,
                                                       .arguments = arguments,
                                                       .lock = strstr(state, "exec") ? "none" : NULL,
                                                       .more = "probation: 200ms\nrestart: {backoff: "
                                                               "[50ms], give_up_after: 1}"});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
}

static const char *release_file(const struct scenario *s, const char *version, const char *name) {
        static char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s/releases/%s/%s", s->state_dir, s->node, version, name);
        return path;
}

static void put_version(char *text) {
        char *version = strstr(text, "--version ");
        assert_non_null(version);
        version[strlen("--version ")] = '6';
}

/* In place, and so that size, mode and time of content are as before: it calls itself 6.0.0 from now on. */
static void change(const struct scenario *s, const char *version) {
        const char *path = release_file(s, version, "testnode.args");
        char text[200] = "";
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(chmod(path, 0644), 0);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0);
        put_version(text);
        assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
        assert_int_equal(fchmod(fd, st.st_mode & 07777), 0);
        const struct timespec times[] = {st.st_atim, st.st_mtim};
        assert_int_equal(futimens(fd, times), 0);
}

static void run(const char *program, ...) {
        const char *arguments[8] = {program};
        struct process_result result;
        va_list more;
        va_start(more, program);
        for (size_t i = 1; i < ELEMENTS(arguments) - 1 && (arguments[i] = va_arg(more, const char *)); i++)
                ;
        va_end(more);
        const struct process_start start = {
                        .arguments = arguments, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_run(&start, TIMEOUT_US, &result), 0);
        if (result.status != 0)
                fail_msg("%s: %s%s", program, result.output, result.error);
        process_result_done(&result);
}

static bool is_held_for(const json_t *status, const void *words) {
        const char *const *word = words;
        if (strcmp(scenario_text(status, "phase"), "held") != 0)
                return false;
        for (; *word; word++)
                if (!strstr(scenario_text(status, "reason"), *word))
                        fail_msg("it is held, but for: %s", scenario_text(status, "reason"));
        return true;
}

static void wait_until_held(struct scenario *s, const char *word, const char *other) {
        const char *words[] = {word, other, NULL};
        json_decref(scenario_wait_status(s, is_held_for, words, TIMEOUT_US));
}

/* The command fails, with both words. */
static void assert_refused(const char *word, const char *other, struct process_result result) {
        if (result.status != 1 || !(strstr(result.error, word) || strstr(result.output, word)) ||
                        !(strstr(result.error, other) || strstr(result.output, other)))
                fail_msg("status %d, and it does not say \"%s\" and \"%s\": %s%s", result.status, word,
                                other, result.output, result.error);
        process_result_done(&result);
}

static void put_back(struct scenario *s, const char *version) {
        char source[200];
        (void)snprintf(source, sizeof(source), "%s/source-%s", s->directory, version);
        scenario_expect(s, 0, "release", "add", s->node, version, source, NULL);
}

SCENARIO(I7_a_changed_file_is_not_executed_after_a_crash) {
        begin(s, "fence: lock", NULL);
        change(s, "1.0.0");
        scenario_kill(scenario_node_pid(s));
        wait_until_held(s, "release 1.0.0 is not what was added: testnode.args has another content",
                        "interrex release add");
        put_back(s, "1.0.0");
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(I7_a_changed_file_is_not_executed_by_restart_nor_by_rollback) {
        begin(s, "fence: lock", NULL);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        int pid = scenario_node_pid(s);
        change(s, "1.0.0");
        assert_refused("1.0.0", "testnode.args", scenario_cli(s, "rollback", s->node, "--wait", NULL));
        change(s, "2.0.0");
        assert_refused("2.0.0", "testnode.args", scenario_cli(s, "restart", s->node, "--wait", NULL));
        assert_int_equal(scenario_node_pid(s), pid);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

static bool waits_at_fence(const json_t *status, const void *userdata) {
        size_t i;
        json_t *generation;
        (void)userdata;
        json_array_foreach(json_object_get(status, "generations"), i,
                        generation) if (strcmp(scenario_text(generation, "state"), "at-fence") ==
                                        0) return true;
        return false;
}

/* It was verified when it was prepared, and executes when the old one has ended. */
SCENARIO(I7_what_waits_at_exec_is_looked_at_before_it_passes) {
        begin(s, "fence: exec", "--stop-ms, '2000'");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        json_decref(scenario_wait_status(s, waits_at_fence, NULL, TIMEOUT_US));
        change(s, "2.0.0");
        scenario_wait_phase(s, "running", TIMEOUT_US);
        json_t *status = scenario_status(s);
        assert_string_equal(scenario_text(status, "last_swap.outcome"), "rolled-back");
        assert_non_null(strstr(
                        scenario_text(status, "last_swap.reason"), "testnode.args has another content"));
        json_decref(status);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

/* A store through a mapping may leave no trace in the file's times. */
SCENARIO(I7_a_file_that_somebody_has_mapped_is_read_again) {
        begin(s, "fence: lock", NULL);
        scenario_stop(s);
        const char *path = release_file(s, "1.0.0", "testnode.args");
        assert_int_equal(chmod(path, 0644), 0);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fchmod(fd, 0444), 0);
        char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(text != MAP_FAILED);
        text[0] = '-'; /* the page is dirty, and writable without a fault from now on */
        scenario_start(s);
        put_version(text);
        scenario_kill(scenario_node_pid(s));
        wait_until_held(s, "release 1.0.0 is not what was added", "testnode.args");
        assert_int_equal(munmap(text, 4096), 0);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

/* The same bytes in another file: they are executed, and the gate is set in that file. */
SCENARIO(I7_a_command_that_was_put_back_runs_and_is_gated) {
        char copy[600];
        begin(s, "fence: lock", NULL);
        /* So the gate was set in the file of before. */
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        const char *path = release_file(s, "1.0.0", "testnode");
        (void)snprintf(copy, sizeof(copy), "%s/copy", s->state_dir);
        run("cp", "-p", path, copy, NULL);
        run("mv", "-f", copy, path, NULL);
        assert_refused("replaced by another file", "1.0.0",
                        scenario_cli(s, "restart", s->node, "--wait", NULL));
        int pid = scenario_node_pid(s);
        scenario_kill(pid);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_assert_release(s, "1.0.0");
        json_t *status = scenario_status(s);
        uint64_t height = (uint64_t)scenario_number(status, "height") + 40;
        json_decref(status);
        char at[32];
        (void)snprintf(at, sizeof(at), "%lu", height);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", at, "--wait", NULL);
        scenario_stop(s);
        scenario_assert_ranges(s,
                        (const struct ledger_range[]){
                                        {1, height - 1, "1.0.0"}, {height, UINT64_MAX, "2.0.0"}},
                        2);
}

SCENARIO(I7_a_release_whose_files_are_gone_is_missed_by_a_new_director) {
        begin(s, "fence: lock", NULL);
        int pid = scenario_node_pid(s), director = scenario_role(s, "interrex-director");
        run("rm", "-rf", release_file(s, "1.0.0", ""), NULL);
        scenario_kill(director);
        director = scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        json_decref(scenario_wait_status(
                        s, scenario_is_degraded, "the command testnode of release 1.0.0", TIMEOUT_US));
        assert_int_equal(scenario_node_pid(s), pid);
        assert_refused("the command testnode of release 1.0.0", "put it back",
                        scenario_cli(s, "restart", s->node, "--wait", NULL));
        assert_int_equal(scenario_node_pid(s), pid);
        scenario_kill(pid);
        wait_until_held(s, "the command testnode of release 1.0.0", "put it back");
        assert_int_equal(scenario_role(s, "interrex-director"), director);
        put_back(s, "1.0.0");
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        scenario_stop(s);
}

static bool is_startable(const json_t *status, const void *nothing) {
        (void)nothing;
        return !scenario_is_degraded(status, "could not be started") &&
               !scenario_is_degraded(status, "read through again");
}

static void wait_until_told(struct scenario *s, const char *words) {
        json_decref(scenario_wait_status(s, scenario_is_degraded, words, TIMEOUT_US));
}

static void put_back_and_wait(struct scenario *s, const char *version) {
        put_back(s, version);
        json_decref(scenario_wait_status(s, is_startable, NULL, TIMEOUT_US));
}

/* Without a start that would miss it, and nothing of it needs the node to be touched. */
SCENARIO(what_is_removed_or_changed_by_hand_is_told_and_can_be_put_back) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .more = "gate: {kind: observe, overshoot: allow}"});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        int pid = scenario_node_pid(s);
        json_decref(scenario_wait_status(s, is_startable, NULL, TIMEOUT_US));
        run("rm", "-rf", release_file(s, "1.0.0", ""), NULL);
        wait_until_told(s, "the release that runs could not be started again: the command testnode of "
                           "release 1.0.0");
        scenario_expect(s, 1, "plan", s->node, NULL);
        put_back_and_wait(s, "1.0.0");
        scenario_expect(s, 0, "plan", s->node, NULL);
        run("rm", release_file(s, "1.0.0", "testnode.args"), NULL);
        wait_until_told(s, "put it back with `interrex release add`");
        put_back_and_wait(s, "1.0.0");
        change(s, "1.0.0");
        wait_until_told(s, "testnode.args has another content");
        put_back_and_wait(s, "1.0.0");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL);
        run("rm", "-rf", release_file(s, "2.0.0", ""), NULL);
        wait_until_told(s, "the release that comes next could not be started: the command testnode of "
                           "release 2.0.0");
        put_back_and_wait(s, "2.0.0");
        assert_int_equal(scenario_node_pid(s), pid);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        scenario_stop(s);
}

/* Its gate is set in the file that it runs from. */
SCENARIO(what_was_put_back_under_a_gate_is_read_when_the_node_has_ended) {
        begin(s, "fence: lock", NULL);
        int pid = scenario_node_pid(s);
        run("rm", "-rf", release_file(s, "1.0.0", ""), NULL);
        wait_until_told(s, "the release that runs could not be started again");
        put_back_and_wait(s, "1.0.0");
        wait_until_told(s, "the release can be started again when that one has ended");
        scenario_expect(s, 0, "plan", s->node, NULL);
        assert_int_equal(scenario_node_pid(s), pid);
        scenario_kill(pid);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        json_t *status = scenario_wait_status(s, is_startable, NULL, TIMEOUT_US);
        assert_false(scenario_is_degraded(status, "started again"));
        json_decref(status);
        scenario_stop(s);
}

static void assert_kept(struct scenario *s, const char *version, const char *why) {
        assert_refused("is not removed", why, scenario_cli(s, "release", "remove", s->node, version, NULL));
        assert_int_equal(access(release_file(s, version + (*version == 'v'), "testnode"), F_OK), 0);
}

SCENARIO(I7_a_release_in_use_is_not_removed) {
        begin(s, "fence: lock", NULL);
        assert_kept(s, "1.0.0", "it runs");
        assert_kept(s, "v1.0.0", "it runs");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL);
        assert_kept(s, "2.0.0", "is armed");
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_expect(s, 0, "release", "remove", s->node, "2.0.0", NULL);
        put_back(s, "2.0.0");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_kept(s, "2.0.0", "it runs");
        assert_kept(s, "1.0.0", "the configuration names it");
        scenario_stop(s);
        assert_kept(s, "2.0.0", "it ran when the node was stopped");
        assert_kept(s, "1.0.0", "the configuration names it");
}

SCENARIO(I7_what_probation_may_return_to_is_not_removed) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .more = "probation: 60s"});
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        scenario_wait_phase(s, "probation", TIMEOUT_US);
        assert_kept(s, "1.0.0", "returns to it");
        assert_kept(s, "2.0.0", "under way");
        scenario_expect(s, 0, "release", "remove", s->node, "3.0.0", NULL);
        scenario_expect(s, 3, "rollback", s->node, "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
}

/* Reading it through takes a second or two, in which there is no process that could be told to end. */
SCENARIO(I7_a_stop_while_a_release_is_verified_starts_nothing) {
        char padding[200];
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_expect(s, 0, "release", "remove", s->node, "1.0.0", NULL);
        (void)snprintf(padding, sizeof(padding), "%s/source-1.0.0/padding", s->directory);
        run("truncate", "-s", "512M", padding, NULL);
        put_back(s, "1.0.0");
        scenario_start_supervisor(s);
        scenario_wait_phase(s, "starting", TIMEOUT_US);
        scenario_stop(s);
        assert_int_equal(access(s->ledger, F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I7_a_changed_file_is_not_executed_after_a_crash),
                        SCENARIO_TEST(I7_a_changed_file_is_not_executed_by_restart_nor_by_rollback),
                        SCENARIO_TEST(I7_what_waits_at_exec_is_looked_at_before_it_passes),
                        SCENARIO_TEST(I7_a_file_that_somebody_has_mapped_is_read_again),
                        SCENARIO_TEST(I7_a_command_that_was_put_back_runs_and_is_gated),
                        SCENARIO_TEST(I7_a_release_whose_files_are_gone_is_missed_by_a_new_director),
                        SCENARIO_TEST(what_is_removed_or_changed_by_hand_is_told_and_can_be_put_back),
                        SCENARIO_TEST(what_was_put_back_under_a_gate_is_read_when_the_node_has_ended),
                        SCENARIO_TEST(I7_a_stop_while_a_release_is_verified_starts_nothing),
                        SCENARIO_TEST(I7_a_release_in_use_is_not_removed),
                        SCENARIO_TEST(I7_what_probation_may_return_to_is_not_removed),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("releases in use", tests, NULL, NULL);
}
