/* The function that the exact gate stops at is looked for when an upgrade is armed, in both releases, and not at the height. */
#include "support/scenario.h"

#define TIMEOUT_US (60 * USEC_PER_SEC)

static const char pattern[] =
                "gate: {kind: uprobe, symbol_pattern: '^commit_bl[a-z]{3}$', argument: 1, abi: c}\n"
                "probation: 300ms\nprogress: {blocks: 1, within: 10s}\n";

/* A release in which the function has another name. */
static void add_renamed(struct scenario *s, const char *version, const char *name) {
        char command[1024], folder[160];
        (void)snprintf(folder, sizeof(folder), "%s/source-%s", s->directory, version);
        (void)snprintf(command, sizeof(command),
                        "mkdir %s && sed 's/commit_block/%s/g' %s/testnode >%s/testnode && chmod 755 "
                        "%s/testnode && "
                        "echo '--version %s' >%s/testnode.args",
                        folder, name, s->nodes, folder, folder, version, folder);
        assert_int_equal(system(command), 0);
        scenario_expect(s, 0, "release", "add", s->node, version, folder, NULL);
}

static void says(struct process_result *result, int status, const char *const *words) {
        if (result->status != status)
                fail_msg("status %d instead of %d: %s%s", result->status, status, result->output,
                                result->error);
        for (; *words; words++)
                if (!strstr(result->output, *words) && !strstr(result->error, *words))
                        fail_msg("\"%s\" is not in: %s%s", *words, result->output, result->error);
        process_result_done(result);
}

#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TELLS(s, status, words, ...)                                              \
        do {                                                                      \
                struct process_result told_ = scenario_cli(s, __VA_ARGS__, NULL); \
                says(&told_, status, words);                                      \
        } while (0)

/* Nothing is armed, and no boundary was left in the schedule. */
static void assert_untouched(struct scenario *s, const char *release) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_string_equal(scenario_text(status, "phase"), "running");
        assert_string_equal(scenario_text(status, "release"), release);
        assert_true(json_is_null(json_object_get(status, "next")));
        json_decref(status);
}

SCENARIO(I4_a_pattern_stops_exactly_and_the_arming_says_so) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = pattern});
        scenario_add_testnode(s, "1.0.0", "");
        add_renamed(s, "2.0.0", "commit_blxyz");
        scenario_start(s);
        TELLS(s, 0,
                        SAYS("armed for height 1000000",
                                        "the gate is exact: stops before block 1000000 begins",
                                        "if the new release fails, 1.0.0 is held behind block 999999 and "
                                        "serves reads"),
                        "upgrade", s->node, "2.0.0", "--at", "1000000");
        TELLS(s, 0, SAYS("exact: stops before block 1000000 begins"), "status", s->node);
        TELLS(s, 0, SAYS("gate uprobe (exact) at commit_block", "stops before block 1000000 begins"), "plan",
                        s->node);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "60", "--wait", NULL);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 59, "1.0.0"}, {60, UINT64_MAX, "2.0.0"}}, 2);
}

SCENARIO(a_function_that_is_missing_in_either_release_is_told_when_it_is_armed) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = pattern});
        scenario_add_testnode(s, "1.0.0", "");
        add_renamed(s, "2.0.0", "kommit_bloxx");
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
        TELLS(s, 1, SAYS("release 2.0.0, the new one", "nearest are: kommit_bloxx"), "upgrade", s->node,
                        "2.0.0", "--at", "1000000");
        assert_untouched(s, "1.0.0");
        /* Nothing stops it there, so nothing has to be found in it. */
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_add_testnode(s, "3.0.0", "");
        TELLS(s, 1, SAYS("release 2.0.0, the one in force", "nearest are: kommit_bloxx"), "upgrade", s->node,
                        "3.0.0", "--at", "1000000");
        assert_untouched(s, "2.0.0");
        TELLS(s, 1,
                        SAYS("release 2.0.0, which runs and would pass the boundary",
                                        "nearest are: kommit_bloxx"),
                        "schedule", "set", s->node, "1000000", ">=3.0.0");
        assert_untouched(s, "2.0.0");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* The highest in the range is passed over; where none is left, the node stands before the height until one comes. */
SCENARIO(I3_the_schedule_goes_on_only_with_what_can_be_gated) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = pattern});
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "40", "2.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "80", "3.x", NULL);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        add_renamed(s, "2.1.0", "kommit_bloxx");
        add_renamed(s, "3.0.0", "kommit_bloxx");
        scenario_start(s);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "the gate cannot be set in release 3.0.0", TIMEOUT_US));
        TELLS(s, 1, SAYS("NOT READY  height 80", "set in release 3.0.0: the binary has no"), "plan",
                        s->node);
        scenario_assert_release(s, "2.0.0");
        scenario_add_testnode(s, "3.0.1", "");
        scenario_wait_height(s, 100, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s,
                        (const struct ledger_range[]){
                                        {1, 39, "1.0.0"}, {40, 79, "2.0.0"}, {80, UINT64_MAX, "3.0.1"}},
                        3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I4_a_pattern_stops_exactly_and_the_arming_says_so),
                        SCENARIO_TEST(a_function_that_is_missing_in_either_release_is_told_when_it_is_armed),
                        SCENARIO_TEST(I3_the_schedule_goes_on_only_with_what_can_be_gated),
        };
        return cmocka_run_group_tests_name("the gate's function", tests, NULL, NULL);
}
