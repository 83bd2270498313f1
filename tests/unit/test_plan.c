/* What the plan and the status say about what comes next, from what the director knows. */
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

static void an_epoch_is_promised_no_height(void **state) {
        static const uint32_t units[] = {UNIT_EPOCH, UNIT_VIEW, UNIT_TIME};
        for (size_t i = 0; i < ELEMENTS(units); i++)
                for (enum gate_kind kind = GATE_NONE; kind <= GATE_OBSERVE; kind++) {
                        struct plan_stage *stage = *state;
                        stage->config.gate.kind = kind;
                        plan_stage_schedule(stage, units[i], 2000000000, "2.0.0");
                        char *text = plan_text(&stage->director);
                        assert_null(strstr(text, "18446744073709551"));
                        json_t *plan = plan_stage_read(text);
                        if (kind == GATE_OBSERVE)
                                plan_stage_assert_says(plan_stage_first(plan), "gate_promise",
                                                "is that of the last block before it, and may overshoot");
                        json_decref(plan);
                        schedule_done(&stage->director.schedule);
                }
}

/* As at a height: the running release may not go on there. */
static void who_is_denied_from_an_epoch_on_does_not_go_on(void **state) {
        struct plan_stage *stage = *state;
        plan_stage_schedule(stage, UNIT_EPOCH, 2, "2.0.0");
        json_t *plan = plan_stage_read(plan_text(&stage->director));
        plan_stage_assert_says(plan_stage_first(plan), "on_failure", "the node is held");
        json_decref(plan);
        stage->config.gate.kind = GATE_UPROBE;
        plan = plan_stage_read(plan_text(&stage->director));
        plan_stage_assert_says(plan_stage_first(plan), "on_failure",
                        "1.7.1 is held behind the last block before it");
        json_decref(plan);
}

/* The schedule allows what runs, and the operator wants the older one. */
static void an_armed_downgrade_is_in_the_plan(void **state) {
        struct plan_stage *stage = *state;
        static const char *const ranges[] = {">=1.7.1", NULL};
        plan_stage_arm(stage, "3.0.1", "1.7.1");
        for (size_t i = 0; i < ELEMENTS(ranges); i++) {
                if (ranges[i])
                        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, ranges[i]);
                else
                        schedule_done(&stage->director.schedule);
                json_t *plan = plan_stage_read(plan_text(&stage->director));
                const json_t *boundary = plan_stage_first(plan);
                assert_int_equal(json_integer_value(json_object_get(boundary, "height")), BOUNDARY);
                assert_true(json_is_true(json_object_get(boundary, "is_swap")));
                assert_string_equal(plan_stage_text(boundary, "release"), "1.7.1");
                plan_stage_assert_says(boundary, "on_failure", "3.0.1 comes back and goes on");
                json_decref(plan);
        }
}

static void what_is_armed_for_now_is_none_of_an_epoch(void **state) {
        struct plan_stage *stage = *state;
        plan_stage_arm(stage, "1.7.1", "3.0.1");
        stage->director.record.machine.boundary = MACHINE_NO_HEIGHT;
        plan_stage_schedule(stage, UNIT_EPOCH, 2, "2.0.0");
        json_t *plan = plan_stage_read(plan_text(&stage->director));
        assert_string_equal(plan_stage_text(plan_stage_first(plan), "release"), "2.0.0");
        json_decref(plan);
}

/* There is nobody whom the gate is to stop there, nor who could come back. */
static void of_nobody_who_ran_nothing_is_said(void **state) {
        struct plan_stage *stage = *state;
        stage->director.record.machine.current_release[0] = '\0';
        stage->config.gate.kind = GATE_UPROBE;
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, "1.x");
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY + 10, "2.x");
        json_t *plan = plan_stage_read(plan_text(&stage->director));
        const json_t *second = json_array_get(json_object_get(plan, "boundaries"), 1);
        assert_null(plan_stage_text(plan_stage_first(plan), "on_failure"));
        assert_null(plan_stage_text(plan_stage_first(plan), "gate_promise"));
        plan_stage_assert_says(second, "on_failure", "1.7.1 is held behind block 681");
        json_decref(plan);
}

static void assert_no_number(const json_t *object, const char *key) {
        assert_true(json_is_null(json_object_get(object, key)));
}

/* By the rate of blocks that come no more; and a spread of nothing is none. */
static void a_chain_that_stands_still_comes_to_nothing(void **state) {
        struct plan_stage *stage = *state;
        struct rate *rate = &stage->director.rate;
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, "2.x");
        json_t *plan = plan_stage_read(plan_text(&stage->director));
        plan_stage_assert_about(plan, "block_s", 0, 1);
        plan_stage_assert_about(plan_stage_first(plan), "eta_s", 11, 12);
        assert_no_number(plan_stage_first(plan), "eta_error_s");
        json_decref(plan);
        rate->deviation = (double)USEC_PER_SEC;
        plan = plan_stage_read(plan_text(&stage->director));
        plan_stage_assert_about(plan_stage_first(plan), "eta_error_s", 2, 3);
        json_decref(plan);
        rate->at -= 21 * USEC_PER_SEC;
        plan = plan_stage_read(plan_text(&stage->director));
        json_t *next = outlook_next(&stage->director);
        assert_no_number(plan, "block_s");
        assert_no_number(plan_stage_first(plan), "eta_s");
        assert_no_number(plan_stage_first(plan), "eta_error_s");
        assert_no_number(next, "eta_s");
        json_decref(plan);
        json_decref(next);
        stage->config.height.every_us = 5 * USEC_PER_SEC; /* then it may be no more than unseen */
        plan = plan_stage_read(plan_text(&stage->director));
        plan_stage_assert_about(plan_stage_first(plan), "eta_s", 11, 12);
        json_decref(plan);
}

static void start_timer(const struct plan_stage *stage, sd_event_source **timer, uint64_t usec) {
        assert_true(sd_event_add_time_relative(stage->director.event, timer, CLOCK_MONOTONIC, usec, 0, NULL,
                                    NULL) >= 0);
}

/* Behind a boundary whose release failed by chance, and is here. */
static void a_hold_is_told_with_its_next_try(void **state) {
        struct plan_stage *stage = *state;
        struct director *director = &stage->director;
        director->record.machine.phase = PHASE_HELD;
        director->record.follow.held_at = BOUNDARY;
        text_copy(director->record.machine.reason, MACHINE_REASON_MAX, "2.0.0 crashed");
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, "2.0.0");
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY + 100, "3.x");
        plan_stage_schedule(stage, UNIT_VIEW, BOUNDARY + 100, "3.x");
        director->counters[UNIT_VIEW].known = (struct plausible){.height = 1, .at = 1, .usec_per_block = 1};
        start_timer(stage, &director->retry_timer, 30 * USEC_PER_SEC);
        json_t *plan = plan_stage_read(plan_text(director)), *item;
        size_t n;
        assert_string_equal(plan_stage_text(plan, "phase"), "held");
        assert_string_equal(plan_stage_text(plan, "reason"), "2.0.0 crashed");
        plan_stage_assert_about(plan, "next_try_s", 0, 30);
        assert_int_equal(json_array_size(json_object_get(plan, "boundaries")), 3);
        json_array_foreach(json_object_get(plan, "boundaries"), n, item)
                        assert_true(json_is_null(json_object_get(item, "eta_s")));
        json_decref(plan);
}

static void a_hold_is_told_with_its_way_out(void **state) {
        struct plan_stage *stage = *state;
        struct director *director = &stage->director;
        director->record.machine.phase = PHASE_HELD;
        director->record.follow.held_at = BOUNDARY;
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, "4.x");
        json_t *plan = plan_stage_read(plan_text(director));
        plan_stage_assert_says(plan, "way_out", "interrex release add anvil");
        assert_true(json_is_null(json_object_get(plan, "next_try_s")));
        json_decref(plan);
        json_t *next = outlook_next(director);
        assert_null(plan_stage_text(next, "tried_in_vain"));
        json_decref(next);
        schedule_done(&director->schedule);
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, "2.x");
        plan_stage_note_failures(stage, "2.0.0", FOLLOW_TRIES_MAX);
        next = outlook_next(director);
        assert_null(plan_stage_text(next, "release"));
        plan_stage_assert_says(next, "tried_in_vain", "2.0.0");
        json_decref(next);
}

static json_t *outlook(struct director *director) {
        json_t *object = json_object();
        outlook_put(director, object);
        return object;
}

static void backoff_is_told_with_its_end(void **state) {
        struct plan_stage *stage = *state;
        struct director *director = &stage->director;
        start_timer(stage, &director->phase_timer, 30 * USEC_PER_SEC);
        json_t *said = outlook(director);
        assert_true(json_is_null(json_object_get(said, "next_try_s")));
        json_decref(said);
        director->record.machine.phase = PHASE_BACKOFF;
        director->record.machine.current_is_gone = true;
        said = outlook(director);
        assert_string_equal(plan_stage_text(said, "phase"), "starting");
        plan_stage_assert_about(said, "next_try_s", 0, 30);
        json_decref(said);
}

/* 2.0.0 is in force, and the boundary that it came for does not come any more. */
static void probation_is_told_with_its_end_and_what_comes_then(void **state) {
        struct plan_stage *stage = *state;
        struct director *director = &stage->director;
        plan_stage_arm(stage, "1.7.1", "2.0.0");
        director->record.machine.phase = PHASE_PROBATION;
        director->watch.is_probation = true;
        director->watch.probation_ends_at = now_monotonic() + 30 * USEC_PER_SEC;
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY, ">=2.0.0");
        json_t *said = outlook(director);
        plan_stage_assert_about(said, "probation_s", 0, 30);
        assert_true(json_is_null(json_object_get(said, "progress_s")));
        assert_true(json_is_null(outlook_next(director)));
        json_decref(said);
        plan_stage_schedule(stage, UNIT_HEIGHT, BOUNDARY + 100, "3.x");
        json_t *next = outlook_next(director);
        assert_string_equal(plan_stage_text(next, "release"), "3.0.1");
        assert_int_equal(json_integer_value(json_object_get(next, "height")), BOUNDARY + 100);
        plan_stage_assert_says(next, "on_failure", "the node is held");
        json_decref(next);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        an_epoch_is_promised_no_height, plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(who_is_denied_from_an_epoch_on_does_not_go_on,
                                        plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(an_armed_downgrade_is_in_the_plan, plan_stage_make,
                                        plan_stage_remove),
                        cmocka_unit_test_setup_teardown(what_is_armed_for_now_is_none_of_an_epoch,
                                        plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(of_nobody_who_ran_nothing_is_said, plan_stage_make,
                                        plan_stage_remove),
                        cmocka_unit_test_setup_teardown(a_chain_that_stands_still_comes_to_nothing,
                                        plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(a_hold_is_told_with_its_next_try, plan_stage_make,
                                        plan_stage_remove),
                        cmocka_unit_test_setup_teardown(
                                        a_hold_is_told_with_its_way_out, plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(
                                        backoff_is_told_with_its_end, plan_stage_make, plan_stage_remove),
                        cmocka_unit_test_setup_teardown(probation_is_told_with_its_end_and_what_comes_then,
                                        plan_stage_make, plan_stage_remove),
        };
        return cmocka_run_group_tests_name("the plan", tests, NULL, NULL);
}
