/* Gates that are not exact hear of a height only when it is committed. What the node tells late here is a block of seven, so that
 * 42 is the first height that is heard of from a boundary at 40 on. */
#include "support/scenario.h"

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define LATE ", --tell-every, '7'"

struct way {
        const char *arguments, *height, *gate; /* the gate without its closing brace */
};

static const struct way by_log = {.height = "height: {source: log, pattern: 'committed height=([0-9]+)'}",
                .arguments = "--notify",
                .gate = "gate: {kind: log, pattern: 'committed height=([0-9]+)'"};
static const struct way by_notification = {.height = "height: {source: notify}",
                .arguments = "--notify",
                .gate = "gate: {kind: notify"};

static void configure(struct scenario *s, const struct way *way, bool is_late, bool may_overshoot) {
        char more[512], arguments[64];
        (void)snprintf(more, sizeof(more),
                        "%s\n%s%s}\nprobation: 300ms\nprogress: {blocks: 1, within: 10s}\n", way->height,
                        way->gate, may_overshoot ? ", overshoot: allow" : "");
        (void)snprintf(arguments, sizeof(arguments), "%s%s", way->arguments, is_late ? LATE : "");
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){
                                           .release = "1.0.0", .arguments = arguments, .more = more});
}

static void begin(struct scenario *s, const struct way *way, bool is_late, bool may_overshoot) {
        configure(s, way, is_late, may_overshoot);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
}

static void expect(struct scenario *s, const char *what, struct process_result result, int status,
                const char *says) {
        (void)s;
        if (result.status != status || (!strstr(result.output, says) && !strstr(result.error, says)))
                fail_msg("%s: status %d: %s%s", what, result.status, result.output, result.error);
        process_result_done(&result);
}

static void wait_held(struct scenario *s, const char *reason) {
        json_decref(scenario_wait_status(s, scenario_is_held, reason, TIMEOUT_US));
}

static void refuses_to_arm(struct scenario *s, const struct way *way) {
        begin(s, way, false, false);
        scenario_start(s);
        expect(s, "upgrade", scenario_cli(s, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL), 1,
                        "overshoot: allow");
        json_t *status = scenario_status(s);
        assert_string_equal(scenario_text(status, "phase"), "running");
        assert_true(json_is_null(json_object_get(status, "next"))); /* no boundary was left behind */
        json_decref(status);
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=2.0.0", NULL);
        expect(s, "plan", scenario_cli(s, "plan", s->node, NULL), 1, "overshoot: allow");
        /* Where the old release might go on, nothing is lost. */
        scenario_expect(s, 0, "schedule", "remove", s->node, "1000000", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=1.0.0", NULL);
        expect(s, "upgrade", scenario_cli(s, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL), 0,
                        "the gate is not exact");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(a_breaking_upgrade_is_not_armed_with_a_log_gate) {
        refuses_to_arm(s, &by_log);
}

SCENARIO(a_breaking_upgrade_is_not_armed_with_a_notify_gate) {
        refuses_to_arm(s, &by_notification);
}

static void schedule_holds(struct scenario *s, const struct way *way, bool is_late, const char *reason) {
        begin(s, way, is_late, false);
        scenario_expect(s, 0, "schedule", "set", s->node, "40", ">=2.0.0", NULL);
        scenario_start(s);
        wait_held(s, reason);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
        /* An operator has looked. */
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(I3_a_boundary_of_the_schedule_holds_with_a_log_gate) {
        schedule_holds(s, &by_log, false, "must not begin 40, but the gate `log` is not exact");
}

SCENARIO(I3_a_boundary_of_the_schedule_holds_with_a_notify_gate) {
        schedule_holds(s, &by_notification, false, "must not begin 40, but the gate `notify` is not exact");
}

SCENARIO(I3_a_line_that_comes_late_holds_and_tells_the_height) {
        schedule_holds(s, &by_log, true,
                        "1.0.0 has committed height 42, for which the schedule asks for \">=2.0.0\"");
}

SCENARIO(I3_a_notification_that_comes_late_holds_and_tells_the_height) {
        schedule_holds(s, &by_notification, true, "1.0.0 has committed height 42, for which");
}

/* Where the state's height is read before the start, the schedule would ask for 2.0.0 there; but not on what 1.0.0 made of it. */
SCENARIO(I3_a_state_that_was_overshot_is_not_gone_on_from_after_a_restart) {
        static const struct way by_file = {.height = "height: {source: file, path: '{state}/height'}",
                        .arguments = "--notify",
                        .gate = "gate: {kind: log, pattern: 'committed height=([0-9]+)'"};
        begin(s, &by_log, true, false);
        scenario_expect(s, 0, "schedule", "set", s->node, "40", ">=2.0.0", NULL);
        scenario_start(s);
        wait_held(s, "1.0.0 has committed height 42");
        scenario_stop(s);
        configure(s, &by_file, false, false);
        scenario_start_supervisor(s);
        wait_held(s, "1.0.0 has committed height 42");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

/* Armed while it was allowed: the leave was taken back meanwhile. */
static void overshot_swap_holds(struct scenario *s, const struct way *way) {
        begin(s, way, true, true);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "84", NULL);
        scenario_stop(s);
        configure(s, way, true, false);
        scenario_start_supervisor(s);
        wait_held(s, "the gate overshot: the old release had committed height 84, and the boundary is 84");
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(I3_a_swap_whose_log_gate_overshoots_starts_nothing) {
        overshot_swap_holds(s, &by_log);
}

SCENARIO(I3_a_swap_whose_notify_gate_overshoots_starts_nothing) {
        overshot_swap_holds(s, &by_notification);
}

/* The chain switches its rules by itself. */
SCENARIO(what_may_overshoot_goes_on) {
        begin(s, &by_log, true, true);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "40", "--wait", NULL);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

static bool has_gone_on(const json_t *status, const void *userdata) {
        (void)userdata;
        return strcmp(scenario_text(status, "phase"), "running") == 0 &&
               scenario_number(status, "height") > 60;
}

/* The boundary was the mistake: taken out, the old release goes on from its own state, whose snapshot had come back. */
SCENARIO(what_held_the_node_can_be_taken_out_of_the_schedule) {
        configure(s, &by_log, false, true);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "--exit-at-once 3");
        scenario_start(s);
        scenario_expect(s, 0, "schedule", "set", s->node, "40", ">=2.0.0", NULL);
        wait_held(s, "2.0.0");
        expect(s, "restart", scenario_cli(s, "restart", s->node, NULL), 1, "does not allow 1.0.0");
        scenario_expect(s, 0, "schedule", "remove", s->node, "40", NULL);
        json_decref(scenario_wait_status(s, has_gone_on, NULL, TIMEOUT_US));
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

/* It would be armed again, or the node held there. */
SCENARIO(what_the_schedule_asks_for_is_not_cancelled) {
        begin(s, &by_log, false, true);
        scenario_start(s);
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=2.0.0", NULL);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL);
        expect(s, "cancel", scenario_cli(s, "cancel", s->node, NULL), 1, "schedule remove");
        scenario_expect(s, 0, "schedule", "remove", s->node, "1000000", NULL);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(what_held_the_node_can_be_taken_out_of_the_schedule),
                        SCENARIO_TEST(what_the_schedule_asks_for_is_not_cancelled),
                        SCENARIO_TEST(I3_a_state_that_was_overshot_is_not_gone_on_from_after_a_restart),
                        SCENARIO_TEST(a_breaking_upgrade_is_not_armed_with_a_log_gate),
                        SCENARIO_TEST(a_breaking_upgrade_is_not_armed_with_a_notify_gate),
                        SCENARIO_TEST(I3_a_boundary_of_the_schedule_holds_with_a_log_gate),
                        SCENARIO_TEST(I3_a_boundary_of_the_schedule_holds_with_a_notify_gate),
                        SCENARIO_TEST(I3_a_line_that_comes_late_holds_and_tells_the_height),
                        SCENARIO_TEST(I3_a_notification_that_comes_late_holds_and_tells_the_height),
                        SCENARIO_TEST(I3_a_swap_whose_log_gate_overshoots_starts_nothing),
                        SCENARIO_TEST(I3_a_swap_whose_notify_gate_overshoots_starts_nothing),
                        SCENARIO_TEST(what_may_overshoot_goes_on),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("gates that overshoot", tests, NULL, NULL);
}
