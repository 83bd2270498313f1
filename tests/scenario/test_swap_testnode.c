/* Whole swaps of the test node, as clients and operators see them. */
#include "support/scenario.h"
#include <signal.h>

#define HEIGHT_TIMEOUT_US (10 * USEC_PER_SEC)

static void begin(struct scenario *s, const struct scenario_testnode *testnode, const char *faults);
static void assert_swap(struct scenario *s, const char *release, const char *outcome);
static void survive(struct scenario *s, const char *faults, bool spoils);

SCENARIO(upgrades_now_without_refusing_anybody) {
        begin(s, &(struct scenario_testnode){.arguments = "--start-ms, '200'"}, "");
        scenario_start_load(s, 500, 50);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s), *status = scenario_status(s);

        scenario_assert_unharmed(load);
        assert_non_null(json_object_get(json_object_get(load, "versions"), "1.0.0"));
        assert_non_null(json_object_get(json_object_get(load, "versions"), "2.0.0"));
        assert_non_null(status);
        assert_int_equal(scenario_number(status, "generation"), 2);
        assert_true(scenario_number(status, "last_swap.gap_ms") >= 200);
        assert_true(scenario_number(status, "last_swap.total_ms") >=
                        scenario_number(status, "last_swap.gap_ms"));
        json_decref(load);
        json_decref(status);
        assert_swap(s, "2.0.0", "committed");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* I3, I4: to the block. */
static void upgrade_at_height(struct scenario *s) {
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "40", "--wait", NULL);
        scenario_end_load_unharmed(s);
        assert_swap(s, "2.0.0", "committed");
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 39, "1.0.0"}, {40, UINT64_MAX, "2.0.0"}}, 2);
}

SCENARIO(upgrades_exactly_at_the_height) {
        begin(s, &(struct scenario_testnode){0}, "");
        upgrade_at_height(s);
}

SCENARIO(upgrades_a_go_node_exactly_at_the_height) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .command = "testnode-go"});
        scenario_add_testnode_go(s, "1.0.0");
        scenario_add_testnode_go(s, "2.0.0");
        scenario_start(s);
        upgrade_at_height(s);
}

SCENARIO(does_not_slip_past_the_height_while_the_old_one_stops_slowly) {
        begin(s, &(struct scenario_testnode){.block_ms = 20, .arguments = "--stop-ms, '600'"}, "");
        upgrade_at_height(s);
}

static void upgrade_now(struct scenario *s, const char *state, const char *lock, const char *arguments) {
        begin(s, &(struct scenario_testnode){.state = state, .lock = lock, .arguments = arguments}, "");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_end_load_unharmed(s);
        assert_swap(s, "2.0.0", "committed");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(fences_a_posix_lock) {
        upgrade_now(s, "fence: lock", "posix", NULL);
}

SCENARIO(fences_an_ofd_lock) {
        upgrade_now(s, "fence: lock", "ofd", NULL);
}

SCENARIO(fences_a_node_without_lock_at_exec) {
        upgrade_now(s, "fence: exec", "none", NULL);
}

SCENARIO(fences_a_node_that_locks_at_every_block_at_exec) {
        upgrade_now(s, "fence: exec", "none", "--lock-every-block");
}

SCENARIO(upgrades_a_node_of_several_workers) {
        upgrade_now(s, NULL, NULL, "--workers, '3'");
}

SCENARIO(upgrades_a_node_whose_workers_have_sockets_of_their_own) {
        upgrade_now(s, NULL, NULL, "--reuseport-workers, '3'");
}

SCENARIO(upgrades_a_node_that_closes_and_reopens_its_listener) {
        upgrade_now(s, NULL, NULL, "--reopen-ms, '150'");
}

SCENARIO(kills_an_old_one_that_ignores_the_stop) {
        begin(s,
                        &(struct scenario_testnode){
                                        .more = "deadlines: {prepare: 5s}", .arguments = "--ignore-term"},
                        "");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s);
        assert_int_equal(scenario_number(load, "refused"), 0);
        assert_int_equal(scenario_number(load, "timed_out"), 0);
        json_decref(load);
        assert_swap(s, "2.0.0", "committed");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(survives_a_release_that_exits_at_once) {
        survive(s, "--exit-at-once 1", false);
}

SCENARIO(survives_a_release_that_never_listens) {
        survive(s, "--never-listen", false);
}

SCENARIO(survives_a_release_that_never_accepts) {
        survive(s, "--listen-never-accept", false);
}

SCENARIO(survives_a_release_that_never_answers) {
        survive(s, "--accept-never-answer", false);
}

SCENARIO(survives_a_release_that_answers_errors) {
        survive(s, "--answer-status 500", false);
}

SCENARIO(survives_a_release_that_spoils_the_state) {
        survive(s, "--spoil-state", true);
}

/* Fails in probation, after clients have met it: what they ask is answered all the same. */
SCENARIO(rolls_back_a_release_that_does_not_advance) {
        begin(s, &(struct scenario_testnode){.more = "progress: {blocks: 3, within: 2s}\nprobation: 4s"},
                        "--never-advance");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 3, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s);
        scenario_assert_unharmed(load);
        assert_non_null(json_object_get(json_object_get(load, "versions"), "2.0.0"));
        json_decref(load);
        assert_swap(s, "1.0.0", "rolled-back");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(rolls_back_a_release_that_crashes_in_probation) {
        begin(s, &(struct scenario_testnode){.more = "probation: 6s"}, "--exit-after-ms 1500");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 3, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s);
        assert_int_equal(scenario_number(load, "refused"), 0);
        assert_int_equal(scenario_number(load, "timed_out"), 0);
        json_decref(load);
        assert_swap(s, "1.0.0", "rolled-back");
        scenario_stop(s);
        scenario_assert_ranges(s, NULL, 0);
}

SCENARIO(goes_back_when_the_operator_says_so) {
        begin(s, &(struct scenario_testnode){0}, "");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_end_load_unharmed(s);
        assert_swap(s, "1.0.0", "committed");
        scenario_stop(s);
        scenario_assert_ranges(s, NULL, 0);
}

SCENARIO(upgrades_a_node_that_closes_its_listener_long_before_it_ends) {
        upgrade_now(s, NULL, NULL, "--close-first, --stop-ms, '500'");
}

SCENARIO(upgrades_a_node_that_shuts_its_listener_down) {
        upgrade_now(s, NULL, NULL, "--shutdown-listener, --stop-ms, '300', --start-ms, '200'");
}

SCENARIO(upgrades_a_node_that_dials_from_its_listening_port) {
        upgrade_now(s, NULL, NULL, "--dial, '127.0.0.1:7001'");
}

/* Both run at once, so the ledger, which is for one at a time, says nothing here. Old connections end with
 * the drain. */
SCENARIO(upgrades_with_overlap) {
        begin(s,
                        &(struct scenario_testnode){.state = "overlap: true",
                                        .lock = "none",
                                        .more = "deadlines: {drain: 1s}"},
                        "");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s);
        scenario_assert_unharmed(load);
        assert_true(scenario_number(load, "longest_silence_ms") < (int64_t)process_patience(200));
        json_decref(load);
        assert_swap(s, "2.0.0", "committed");
        scenario_stop(s);
}

/* It hangs, so all who connect wait in its queue. They are not kept waiting for the end of probation, and it can take over again. */
SCENARIO(I1_who_waits_for_a_frozen_release_is_served_by_the_next) {
        begin(s,
                        &(struct scenario_testnode){.state = "overlap: true",
                                        .lock = "none",
                                        .more = "deadlines: {drain: 500ms}\nprobation: 300s"},
                        "");
        int old = scenario_node_pid(s);
        assert_int_equal(kill(old, SIGSTOP), 0);
        scenario_start_load(s, 100, 0);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        scenario_wait_phase(s, "probation", HEIGHT_TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_wait_phase(s, "probation", 0);
        assert_int_equal(kill(old, SIGCONT), 0);
        scenario_start_load(s, 100, 0);
        scenario_expect(s, 3, "rollback", s->node, "--wait", NULL);
        scenario_wait_height(s, 5, HEIGHT_TIMEOUT_US);
        json_t *load = scenario_stop_load(s);
        scenario_assert_unharmed(load);
        assert_non_null(json_object_get(json_object_get(load, "versions"), "1.0.0"));
        json_decref(load);
        scenario_stop(s);
}

/* Nobody meets the gap of a crash: connections wait until the node is there again. */
SCENARIO(starts_a_crashed_node_again_without_refusing_anybody) {
        begin(s,
                        &(struct scenario_testnode){.arguments = "--start-ms, '300'",
                                        .more = "restart: {backoff: [100ms]}"},
                        "");
        scenario_start_load(s, 300, 20);
        json_t *status = scenario_status(s);
        assert_non_null(status);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        scenario_kill((int)scenario_number(status, "pid"));
        json_decref(status);
        scenario_wait_height(s, height + 5, HEIGHT_TIMEOUT_US);
        json_t *load = scenario_stop_load(s);
        assert_int_equal(scenario_number(load, "refused"), 0);
        assert_int_equal(scenario_number(load, "timed_out"), 0);
        json_decref(load);
        status = scenario_status(s);
        assert_non_null(status);
        assert_int_equal(scenario_number(status, "restarts"), 1);
        json_decref(status);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(upgrades_after_director_and_prober_were_killed) {
        begin(s, &(struct scenario_testnode){0}, "");
        scenario_start_load(s, 300, 20);
        int director = scenario_role(s, "interrex-director"), prober = scenario_role(s, "interrex-prober");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, HEIGHT_TIMEOUT_US);
        prober = scenario_wait_role(
                        s, "interrex-prober", prober, HEIGHT_TIMEOUT_US); /* ends with the director's link */
        scenario_kill(prober);
        (void)scenario_wait_role(s, "interrex-prober", prober, HEIGHT_TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

static void assert_tells_of_kill(struct process_result result) {
        char told[80];
        (void)snprintf(told, sizeof(told), "did not end within exec.stop_timeout (%lu s) and was killed",
                        process_patience(5 * USEC_PER_SEC) / USEC_PER_SEC);
        if (result.status != 0 || !strstr(result.error, told))
                fail_msg("status %d: %s%s", result.status, result.output, result.error);
        process_result_done(&result);
}

SCENARIO(tells_what_it_had_to_kill) {
        int status = -1;
        begin(s, &(struct scenario_testnode){.arguments = "--stop-ms, '60000'"}, "");
        assert_tells_of_kill(scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL));
        json_t *told = scenario_status(s);
        assert_string_equal(scenario_text(told, "last_swap.outcome"), "committed");
        assert_non_null(strstr(scenario_text(told, "last_swap.reason"), "1.0.0 did not end within"));
        json_decref(told);
        assert_tells_of_kill(scenario_cli(s, "stop", s->node, NULL));
        assert_int_equal(process_wait(&s->supervisor, 30 * USEC_PER_SEC, &status), 0);
}

static bool waits_for_its_next_try(const json_t *status, const void *said) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        return reason && strstr(reason, said);
}

/* The one that has failed would be tried again in ten minutes. */
SCENARIO(I6_a_release_that_cannot_start_is_left_at_once) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .more = "restart: {backoff: [10m]}"});
        scenario_add_testnode(s, "1.0.0", "--exit-at-once 3");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(
                        s, waits_for_its_next_try, "exited with status 3", HEIGHT_TIMEOUT_US));
        scenario_expect(s, 1, "upgrade", s->node, "2.0.0", "--at", "100", NULL);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_swap(s, "2.0.0", "committed");
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(upgrades_now_without_refusing_anybody),
                        SCENARIO_TEST(tells_what_it_had_to_kill),
                        SCENARIO_TEST(I6_a_release_that_cannot_start_is_left_at_once),
                        SCENARIO_TEST(upgrades_exactly_at_the_height),
                        SCENARIO_TEST(upgrades_a_go_node_exactly_at_the_height),
                        SCENARIO_TEST(does_not_slip_past_the_height_while_the_old_one_stops_slowly),
                        SCENARIO_TEST(fences_a_posix_lock),
                        SCENARIO_TEST(fences_an_ofd_lock),
                        SCENARIO_TEST(fences_a_node_without_lock_at_exec),
                        SCENARIO_TEST(fences_a_node_that_locks_at_every_block_at_exec),
                        SCENARIO_TEST(upgrades_a_node_of_several_workers),
                        SCENARIO_TEST(upgrades_a_node_whose_workers_have_sockets_of_their_own),
                        SCENARIO_TEST(upgrades_a_node_that_closes_and_reopens_its_listener),
                        SCENARIO_TEST(kills_an_old_one_that_ignores_the_stop),
                        SCENARIO_TEST(survives_a_release_that_exits_at_once),
                        SCENARIO_TEST(survives_a_release_that_never_listens),
                        SCENARIO_TEST(survives_a_release_that_never_accepts),
                        SCENARIO_TEST(survives_a_release_that_never_answers),
                        SCENARIO_TEST(survives_a_release_that_answers_errors),
                        SCENARIO_TEST(survives_a_release_that_spoils_the_state),
                        SCENARIO_TEST(rolls_back_a_release_that_does_not_advance),
                        SCENARIO_TEST(rolls_back_a_release_that_crashes_in_probation),
                        SCENARIO_TEST(upgrades_a_node_that_closes_its_listener_long_before_it_ends),
                        SCENARIO_TEST(upgrades_a_node_that_shuts_its_listener_down),
                        SCENARIO_TEST(upgrades_a_node_that_dials_from_its_listening_port),
                        SCENARIO_TEST(upgrades_with_overlap),
                        SCENARIO_TEST(I1_who_waits_for_a_frozen_release_is_served_by_the_next),
                        SCENARIO_TEST(starts_a_crashed_node_again_without_refusing_anybody),
                        SCENARIO_TEST(upgrades_after_director_and_prober_were_killed),
                        SCENARIO_TEST(goes_back_when_the_operator_says_so),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("swaps of the test node", tests, NULL, NULL);
}

/* 1.0.0 runs and has committed blocks; 2.0.0 has these faults. */
static void begin(struct scenario *s, const struct scenario_testnode *testnode, const char *faults) {
        struct scenario_testnode configured = *testnode;
        configured.release = "1.0.0";
        scenario_configure_testnode(s, &configured);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", faults);
        scenario_start(s);
        scenario_wait_height(s, 5, HEIGHT_TIMEOUT_US);
}

static void assert_swap(struct scenario *s, const char *release, const char *outcome) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_string_equal(scenario_text(status, "phase"), "running");
        assert_string_equal(scenario_text(status, "release"), release);
        assert_string_equal(scenario_text(status, "last_swap.outcome"), outcome);
        /* Who was not taken over from never stopped; who had to come back did. */
        const json_t *gap = json_object_get(json_object_get(status, "last_swap"), "gap_ms");
        assert_int_equal(json_is_null(gap), strcmp(outcome, "aborted") == 0);
        assert_true(json_is_null(gap) || strcmp(outcome, "rolled-back") != 0 || json_number_value(gap) > 1);
        json_decref(status);
}

/* A bad release that shows before the flip: no client meets it, the old one goes on, and the chain has no
 * gap. */
static void survive(struct scenario *s, const char *faults, bool spoils) {
        begin(s, &(struct scenario_testnode){.more = "deadlines: {prepare: 3s, prove: 2s}"}, faults);
        scenario_start_load(s, 300, 20);
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        if (result.status != 1 && result.status != 3)
                fail_msg("the upgrade ended with status %d: %s%s", result.status, result.output,
                                result.error);
        bool was_rolled_back = result.status == 3;
        process_result_done(&result);
        json_t *status = scenario_status(s);
        assert_non_null(status);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        json_decref(status);
        scenario_wait_height(s, height + 3, HEIGHT_TIMEOUT_US);

        json_t *load = scenario_stop_load(s);
        scenario_assert_unharmed(load);
        assert_null(json_object_get(json_object_get(load, "versions"), "2.0.0"));
        json_decref(load);
        assert_swap(s, "1.0.0", was_rolled_back ? "rolled-back" : "aborted");
        scenario_stop(s);
        if (spoils)
                scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
        else
                scenario_assert_ranges(s, NULL, 0);
}
