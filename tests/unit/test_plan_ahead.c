/* In which order the plan tells what lies ahead, and what it says of windows and of what failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/outlook.h"
#include "director/plan.h"
#include "support/plan_stage.h"

#define HEIGHT PLAN_STAGE_HEIGHT
#define BOUNDARY PLAN_STAGE_BOUNDARY

/* What is planned at each point, one a line: "672 -> 2.0.0". */
static void assert_order(struct plan_stage *stage, const char *expected) {
        char said[512] = "";
        json_t *plan = plan_stage_read(plan_text(&stage->director)), *item;
        size_t i;
        json_array_foreach(json_object_get(plan, "boundaries"), i, item) {
                size_t length = strlen(said);
                (void)snprintf(said + length, sizeof(said) - length, "%s %s %s\n",
                                plan_stage_text(item, "point"),
                                json_is_true(json_object_get(item, "is_swap")) ? "->" : "stays",
                                plan_stage_text(item, "release"));
        }
        json_decref(plan);
        assert_string_equal(said, expected);
}

/* A moment and a view that come before a height, and one that comes behind it. */
static void what_comes_first_is_planned_first(void **state) {
        struct plan_stage *stage = *state;
        uint64_t now = now_realtime() / USEC_PER_SEC;
        char expected[256], soon[64], late[64];
        stage->director.counters[UNIT_VIEW].known =
                        (struct plausible){.height = 1000, .at = 1, .usec_per_block = USEC_PER_SEC};
        plan_stage_schedule(stage, UNIT_HEIGHT, HEIGHT + 60, "3.x");
        plan_stage_schedule(stage, UNIT_EPOCH, 7, "3.x");
        plan_stage_schedule(stage, UNIT_TIME, now + 90, ">=3.0.0");
        plan_stage_schedule(stage, UNIT_TIME, now + 20, "2.x");
        plan_stage_schedule(stage, UNIT_VIEW, 1030, ">=2.0.0");
        boundary_format_point(UNIT_TIME, now + 20, soon, sizeof(soon));
        boundary_format_point(UNIT_TIME, now + 90, late, sizeof(late));
        (void)snprintf(expected, sizeof(expected),
                        "%s -> 2.0.0\nview:1030 stays 2.0.0\n720 -> 3.0.1\n%s stays 3.0.1\nepoch:7 stays "
                        "3.0.1\n",
                        soon, late);
        assert_order(stage, expected);
        /* It begins to go to the height before the moment has come. */
        plan_stage_arm(stage, "1.7.1", "3.0.1");
        stage->director.record.machine.boundary = HEIGHT + 60;
        assert_order(stage, expected);
        /* The next block is made before a moment that comes sooner is given its height. */
        plan_stage_schedule(stage, UNIT_HEIGHT, HEIGHT + 22, "1.x");
        (void)snprintf(expected, sizeof(expected),
                        "682 stays 1.7.1\n%s -> 2.0.0\nview:1030 stays 2.0.0\n720 -> 3.0.1\n%s stays 3.0.1\n"
                        "epoch:7 stays 3.0.1\n",
                        soon, late);
        assert_order(stage, expected);
}

/* Versions go back only at a height: see schedule_place(). */
static void what_was_overtaken_takes_nobody_back(void **state) {
        struct plan_stage *stage = *state;
        char expected[128], first[64], second[64];
        uint64_t at = now_realtime() / USEC_PER_SEC + 90;
        plan_stage_schedule(stage, UNIT_HEIGHT, HEIGHT + 10, "3.x");
        plan_stage_schedule(stage, UNIT_TIME, at, "2.x");
        plan_stage_schedule(stage, UNIT_TIME, at + 1, "1.x");
        boundary_format_point(UNIT_TIME, at, first, sizeof(first));
        boundary_format_point(UNIT_TIME, at + 1, second, sizeof(second));
        (void)snprintf(expected, sizeof(expected), "670 -> 3.0.1\n%s stays 3.0.1\n%s stays 3.0.1\n", first,
                        second);
        assert_order(stage, expected);
        schedule_done(&stage->director.schedule);
        plan_stage_schedule(stage, UNIT_EPOCH, 6, "2.x");
        plan_stage_schedule(stage, UNIT_EPOCH, 7, "1.x"); /* of one unit the order is known, and meant */
        assert_order(stage, "epoch:6 -> 2.0.0\nepoch:7 -> 1.7.1\n");
}

/* Nothing tells how far the height is: the others are behind it. */
static void without_a_rate_heights_come_first(void **state) {
        struct plan_stage *stage = *state;
        char expected[128], soon[64];
        uint64_t soon_at = now_realtime() / USEC_PER_SEC + 20;
        stage->director.rate.usec_per_block = 0;
        plan_stage_schedule(stage, UNIT_VIEW, 1030, "3.x");
        plan_stage_schedule(stage, UNIT_TIME, soon_at, "2.x");
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, "1.x");
        boundary_format_point(UNIT_TIME, soon_at, soon, sizeof(soon));
        (void)snprintf(expected, sizeof(expected), "672 stays 1.7.1\n%s -> 2.0.0\nview:1030 -> 3.0.1\n",
                        soon);
        assert_order(stage, expected);
}

static void assert_window(struct plan_stage *stage, const char *on_failure, uint64_t rolls_at) {
        json_t *plan = plan_stage_read(plan_text(&stage->director)), *next = outlook_next(&stage->director);
        const json_t *boundary = plan_stage_first(plan);
        plan_stage_assert_says(boundary, "on_failure", on_failure);
        plan_stage_assert_says(next, "on_failure", on_failure);
        assert_int_equal(json_integer_value(json_object_get(boundary, "from")), HEIGHT - 10);
        assert_int_equal(json_integer_value(json_object_get(boundary, "rolls_at")), rolls_at);
        json_decref(plan);
        json_decref(next);
}

/* As README says: what fails in a window is rolled back and goes on. */
static void who_fails_in_a_window_is_rolled_back(void **state) {
        struct plan_stage *stage = *state;
        struct director *director = &stage->director;
        plan_stage_rule(stage, (struct boundary_rule){.at = BOUNDARY, .from = HEIGHT - 10}, "2.x");
        director->rolling_seed = 14;
        assert_window(stage, "1.7.1 comes back and goes on, to block 671 at most", HEIGHT + 4);
        director->rolling_seed = 0; /* it should have gone over already, and does so with the next block */
        assert_window(stage, "1.7.1 comes back and goes on, to block 671 at most", HEIGHT + 1);
        director->record.follow.went_back = true;
        assert_window(stage, "the node is held", BOUNDARY);
        director->record.follow.went_back = false;
        plan_stage_arm(stage, "1.7.1", "2.0.0");
        assert_window(stage, "the node is held", BOUNDARY);
}

/* At the window's end what fails there is held. */
static void at_its_end_a_window_is_none(void **state) {
        struct plan_stage *stage = *state;
        plan_stage_rule(stage, (struct boundary_rule){.at = HEIGHT + 1, .from = HEIGHT - 10}, "2.x");
        assert_window(stage, "the node is held", HEIGHT + 1);
}

static void a_pending_boundary_that_is_open_has_a_window(void **state) {
        struct plan_stage *stage = *state;
        const struct boundary_rule rule = {
                        .unit = UNIT_EPOCH, .mode = MODE_BEFORE, .at = 7, .from = BOUNDARY_NO_WINDOW};
        plan_stage_rule(stage, rule, "2.x");
        json_t *plan = plan_stage_read(plan_text(&stage->director));
        plan_stage_assert_says(plan_stage_first(plan), "on_failure",
                        "1.7.1 comes back and goes on, to the last block before it");
        json_decref(plan);
}

static void assert_problem(struct plan_stage *stage, const char *expected) {
        json_t *plan = plan_stage_read(plan_text(&stage->director));
        const json_t *boundary = plan_stage_first(plan),
                     *said = json_array_get(json_object_get(boundary, "problems"), 0);
        const char *text = said ? json_string_value(said) : "";
        assert_int_equal(json_is_true(json_object_get(boundary, "ok")), !said);
        if (expected ? !strstr(text, expected) : *text)
                fail_msg("\"%s\", not \"%s\"", text, expected ? expected : "");
        json_decref(plan);
}

static void a_release_that_failed_is_not_ready(void **state) {
        struct plan_stage *stage = *state;
        plan_stage_rule(stage, (struct boundary_rule){.at = BOUNDARY, .from = HEIGHT - 10}, "2.x");
        assert_problem(stage, NULL);
        plan_stage_note_failures(stage, "2.0.0", 1);
        assert_problem(stage, "2.0.0 has failed 1 time already, and is tried 2 times more by itself");
        plan_stage_note_failures(stage, "2.0.0", 2);
        assert_problem(stage, "2.0.0 has failed 2 times already, and is tried 1 time more by itself");
        plan_stage_note_failures(stage, "2.0.0", FOLLOW_TRIES_MAX);
        assert_problem(stage, "2.0.0, which has been tried in vain");
        plan_stage_arm(stage, "1.7.1", "2.0.0"); /* by an operator, who knows */
        assert_problem(stage, NULL);
        stage->director.record.machine.kind = SWAP_NONE;
        schedule_done(&stage->director.schedule);
        plan_stage_schedule(stage, UNIT_TIME, 2000000000, "2.x");
        assert_problem(stage, "2.0.0 has been tried in vain, and is not tried again by itself");
        plan_stage_note_failures(stage, "3.0.1", 1);
        assert_problem(stage, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(what_comes_first_is_planned_first, plan_stage_make,
                                        plan_stage_remove),
                        cmocka_unit_test_setup_teardown(what_was_overtaken_takes_nobody_back,
                                        plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(without_a_rate_heights_come_first, plan_stage_make,
                                        plan_stage_remove),
                        cmocka_unit_test_setup_teardown(who_fails_in_a_window_is_rolled_back,
                                        plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(
                                        at_its_end_a_window_is_none, plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(a_pending_boundary_that_is_open_has_a_window,
                                        plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(a_release_that_failed_is_not_ready, plan_stage_make,
                                        plan_stage_remove),
        };
        return cmocka_run_group_tests_name("what lies ahead", tests, NULL, NULL);
}
