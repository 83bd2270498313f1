/* The journal is moved away, removed or replaced while the node runs. */
#include "support/scenario.h"

#include <signal.h>

#define TIMEOUT_US (10 * USEC_PER_SEC)

static void begin(struct scenario *s) {
        scenario_configure_testnode(s,
                        &(struct scenario_testnode){.release = "1.0.0",
                                        .more = "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n"});
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s);
}

static void journal_path(const struct scenario *s, const char *end, char *path, size_t size) {
        (void)snprintf(path, size, "%s/%s/journal.db%s", s->state_dir, s->node, end);
}

static void move_journal(const struct scenario *s, const char *from, const char *to) {
        static const char *const parts[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < ELEMENTS(parts); i++) {
                char end[32], before[256], after[256];
                (void)snprintf(end, sizeof(end), "%s%s", from, parts[i]);
                journal_path(s, end, before, sizeof(before));
                (void)snprintf(end, sizeof(end), "%s%s", to, parts[i]);
                journal_path(s, end, after, sizeof(after));
                assert_true(rename(before, after) == 0 || errno == ENOENT);
        }
}

static void remove_journal(const struct scenario *s) {
        static const char *const parts[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < ELEMENTS(parts); i++) {
                char path[256];
                journal_path(s, parts[i], path, sizeof(path));
                assert_true(unlink(path) == 0 || errno == ENOENT);
        }
}

static void replace_director(struct scenario *s) {
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
}

static void expect_refused(struct scenario *s, const char *first, const char *version, const char *why) {
        struct process_result result =
                        scenario_cli(s, first, s->node, version, version ? "--now" : NULL, NULL);
        assert_int_equal(result.status, 1);
        if (!strstr(result.error, why))
                print_message("%s\n", result.error);
        assert_non_null(strstr(result.error, why));
        process_result_done(&result);
}

static bool says_in_reason(const json_t *status, const void *userdata) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        return reason && strstr(reason, userdata);
}

SCENARIO(I6_a_journal_that_is_moved_away_is_noticed_and_may_come_back) {
        begin(s);
        move_journal(s, "", ".away");
        expect_refused(s, "upgrade", "2.0.0", "was moved away or removed");
        scenario_kill((int)scenario_role(s, "interrex-prober")); /* what is no swap goes on */
        move_journal(s, ".away", "");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(I6_a_node_whose_journal_was_removed_crashes_comes_back_and_is_stopped) {
        begin(s);
        remove_journal(s);
        json_t *status = scenario_status(s);
        int64_t height = scenario_number(status, "height");
        scenario_kill((int)scenario_number(status, "pid"));
        json_decref(status);
        scenario_wait_height(s, (uint64_t)height + 20, SCENARIO_START_TIMEOUT_US);
        scenario_stop(s);
        scenario_start(s);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
}

/* The gate was set by a schedule that nobody knows any more; it stays where it was. */
SCENARIO(I3_a_director_that_finds_another_journal_holds_what_runs) {
        begin(s);
        scenario_start_load(s, 100, 0);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "400", NULL);
        json_t *status = scenario_status(s);
        int64_t pid = scenario_number(status, "pid");
        json_decref(status);
        remove_journal(s);
        replace_director(s);
        status = scenario_wait_status(
                        s, says_in_reason, "is not the one under which the node was started", TIMEOUT_US);
        assert_string_equal(scenario_text(status, "phase"), "held");
        assert_string_equal(scenario_text(status, "release"), "1.0.0");
        assert_int_equal(scenario_number(status, "pid"), pid);
        json_decref(status);
        replace_director(s); /* it stays so */
        scenario_wait_height(s, 399, 2 * SCENARIO_START_TIMEOUT_US);
        assert_false(process_ends_within(&s->supervisor, process_patience(USEC_PER_SEC)));
        status = scenario_status(s);
        assert_int_equal(scenario_number(status, "height"), 399);
        json_decref(status);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_wait_height(s, 410, SCENARIO_START_TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 399, "1.0.0"}, {400, UINT64_MAX, "2.0.0"}}, 2);
}

SCENARIO(I6_what_is_held_for_a_lost_journal_can_be_restarted_and_stopped) {
        begin(s);
        scenario_start_load(s, 100, 0);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        remove_journal(s);
        replace_director(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        remove_journal(s);
        replace_director(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* No director can come up. The node goes on; what is told to systemd's SIGTERM is carried out by the keeper. */
SCENARIO(I6_without_its_state_directory_the_node_goes_on_and_is_stopped_by_a_signal) {
        char here[256], away[256];
        int status = -1;
        begin(s);
        scenario_start_load(s, 100, 0);
        (void)snprintf(here, sizeof(here), "%s/%s", s->state_dir, s->node);
        (void)snprintf(away, sizeof(away), "%s/away", s->directory);
        assert_int_equal(rename(here, away), 0);
        scenario_kill(scenario_role(s, "interrex-director"));
        assert_false(process_ends_within(&s->supervisor, process_patience(3 * USEC_PER_SEC)));
        scenario_end_load_unharmed(s);
        assert_int_equal(kill(s->supervisor.pid, SIGTERM), 0);
        assert_int_equal(process_wait(&s->supervisor, 2 * TIMEOUT_US, &status), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I6_a_journal_that_is_moved_away_is_noticed_and_may_come_back),
                        SCENARIO_TEST(I6_a_node_whose_journal_was_removed_crashes_comes_back_and_is_stopped),
                        SCENARIO_TEST(I3_a_director_that_finds_another_journal_holds_what_runs),
                        SCENARIO_TEST(I6_what_is_held_for_a_lost_journal_can_be_restarted_and_stopped),
                        SCENARIO_TEST(I6_without_its_state_directory_the_node_goes_on_and_is_stopped_by_a_signal),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("a lost journal", tests, NULL, NULL);
}
