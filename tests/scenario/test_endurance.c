/* Many swaps in a row, as the issue asks for them: under 500 new connections a second and 50 keep-alive clients. */
#include "support/scenario.h"

#define SWAPS 20
#define GATED_SWAPS 100

static void swap_back_and_forth(struct scenario *s, const char *state, unsigned stop_ms, unsigned start_ms) {
        char arguments[96];
        (void)snprintf(arguments, sizeof(arguments), "--stop-ms, '%u', --start-ms, '%u'", stop_ms, start_ms);
        struct scenario_testnode testnode = {.release = "1.0.0",
                        .arguments = arguments,
                        .state = state,
                        .lock = strstr(state, "overlap") ? "none" : NULL,
                        .more = "probation: 200ms\ndeadlines: {prepare: 10s, prove: 10s, drain: 1s}"};
        scenario_configure_testnode(s, &testnode);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_start_load(s, 500, 50);
        for (unsigned i = 0; i < SWAPS; i++)
                if (i % 2)
                        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
                else
                        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s);
        char *text = json_dumps(load, JSON_COMPACT);
        print_message("%u swaps (%s): %s\n", SWAPS, state, text);
        free(text);
        scenario_assert_unharmed(load);
        json_decref(load);
        scenario_stop(s);
}

SCENARIO(I1_twenty_swaps_in_exclusive_mode) {
        swap_back_and_forth(s, "fence: lock", 1000, 1000);
}

SCENARIO(I1_twenty_swaps_in_overlap_mode) {
        swap_back_and_forth(s, "overlap: true", 1000, 1000);
}

/* At a height so near that the test does not take long; on a busy machine it may have passed before it is asked for, and is
 * refused. Returns the height. */
static uint64_t upgrade_soon(struct scenario *s, const char *version) {
        for (uint64_t lead = 15; lead < 1000; lead *= 2) {
                char at[24];
                json_t *status = scenario_status(s);
                assert_non_null(status);
                uint64_t height = (uint64_t)scenario_number(status, "height") + lead;
                json_decref(status);
                (void)snprintf(at, sizeof(at), "%lu", height);
                struct process_result result =
                                scenario_cli(s, "upgrade", s->node, version, "--at", at, "--wait", NULL);
                bool was_too_late = result.status == 1 && strstr(result.error, "is not ahead");
                bool was_too_near = result.status == 1 && strstr(result.error, "is too near");
                bool armed_too_late = result.status == 1 && strstr(result.error, "armed too late");
                if (result.status != 0 && !was_too_late && !was_too_near && !armed_too_late)
                        fail_msg("%s", result.error);
                bool worked = result.status == 0;
                process_result_done(&result);
                if (worked)
                        return height;
        }
        fail_msg("%s", "every height had passed before it was asked for");
        return 0;
}

/* Each upgrade is to a version of its own, so that the ledger says who committed what. */
SCENARIO(I4_a_hundred_upgrades_are_exact_with_the_uprobe_gate) {
        struct ledger_range ranges[GATED_SWAPS + 1];
        static char versions[GATED_SWAPS + 1][16];
        uint64_t boundary = 0;
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){
                                           .release = "1.0.0", .block_ms = 20, .more = "probation: 10ms"});
        for (unsigned i = 0; i <= GATED_SWAPS; i++) {
                (void)snprintf(versions[i], sizeof(versions[i]), "1.%u.0", i);
                scenario_add_testnode(s, versions[i], "");
        }
        scenario_start(s);
        for (unsigned i = 1; i <= GATED_SWAPS; i++) {
                uint64_t next = upgrade_soon(s, versions[i]);
                ranges[i - 1] = (struct ledger_range){boundary ? boundary : 1, next - 1, versions[i - 1]};
                boundary = next;
        }
        ranges[GATED_SWAPS] = (struct ledger_range){boundary, UINT64_MAX, versions[GATED_SWAPS]};
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, GATED_SWAPS + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I1_twenty_swaps_in_exclusive_mode),
                        SCENARIO_TEST(I1_twenty_swaps_in_overlap_mode),
                        SCENARIO_TEST(I4_a_hundred_upgrades_are_exact_with_the_uprobe_gate),
        };
        cmocka_set_test_filter(getenv("TEST")); /* TEST=name runs one of them */
        return cmocka_run_group_tests_name("endurance", tests, NULL, NULL);
}
