/* What a step of the machine means for the schedule that is followed. */
#include "director/failures.h"
#include "director/following.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BOUNDARY 40

static struct machine armed(void) {
        struct machine machine = machine_initial();
        machine.phase = PHASE_ARMED;
        machine.kind = SWAP_UPGRADE;
        machine.boundary = BOUNDARY;
        machine.breaking = true;
        text_copy(machine.candidate_release, sizeof(machine.candidate_release), "2.0.0");
        return machine;
}

static uint64_t held_at_after(const struct machine *before, enum machine_event_type type, uint64_t height) {
        struct follow follow = {.held_at = MACHINE_NO_HEIGHT};
        struct machine after = *before;
        struct machine_event event = {.type = type, .height = height};
        after.phase = PHASE_HELD;
        after.kind = SWAP_NONE;
        after.outcome = OUTCOME_HELD;
        after.must_not_run = true;
        following_note(&follow, before, &after, &event);
        return follow.held_at;
}

/* I3: else the next release would be started on the very state that the hold is about. */
static void I3_nothing_follows_on_a_state_past_the_boundary(void **state) {
        struct machine before = armed();
        (void)state;
        assert_true(held_at_after(&before, EVENT_GATE_HIT, BOUNDARY) == MACHINE_NO_HEIGHT);
        assert_true(held_at_after(&before, EVENT_GATE_HIT, BOUNDARY + 2) == MACHINE_NO_HEIGHT);
        before.phase = PHASE_ABORTING;
        before.must_not_run = true;
        assert_true(held_at_after(&before, EVENT_EMPTY, 0) == MACHINE_NO_HEIGHT);
}

static void another_release_follows_on_a_state_from_before_it(void **state) {
        struct machine before = armed();
        (void)state;
        before.phase = PHASE_RESTORING;
        assert_int_equal(held_at_after(&before, EVENT_RESTORED, MACHINE_NO_HEIGHT), BOUNDARY);
        before.phase = PHASE_RUNNING;
        before.kind = SWAP_NONE;
        assert_int_equal(held_at_after(&before, EVENT_GATE_HIT, BOUNDARY - 1), BOUNDARY);
}

/* Until the old release runs again, and tells by itself. */
static void where_a_new_release_finds_the_state_counts(void **state) {
        struct follow follow = {.held_at = BOUNDARY, .found_at = MACHINE_NO_HEIGHT};
        struct machine before = armed(), returning, running;
        struct machine_event hit = {.type = EVENT_GATE_HIT,
                                             .generation = 2,
                                             .height = BOUNDARY - 3,
                                             .flag = true},
                             proved = {.type = EVENT_PROVED, .generation = 3};
        (void)state;
        before.phase = PHASE_PROVING;
        before.candidate = 2;
        returning = running = before;
        returning.phase = PHASE_RETURNING;
        running.phase = PHASE_RUNNING;
        following_note(&follow, &before, &returning, &hit);
        assert_int_equal(follow.found_at, BOUNDARY - 3);
        following_note(&follow, &returning, &running, &proved);
        assert_true(follow.found_at == MACHINE_NO_HEIGHT);
}

/* The candidate of an overlap ends some time after the swap was given up. */
static uint32_t tries_after_cancel(const char *why) {
        struct follow follow = {.held_at = MACHINE_NO_HEIGHT, .is_ours = true};
        struct machine before = armed(), aborting = before, after = before;
        struct machine_event cancel = {.type = EVENT_CANCEL, .text = why}, empty = {.type = EVENT_EMPTY};
        aborting.phase = PHASE_ABORTING;
        aborting.outcome = after.outcome = OUTCOME_CANCELLED;
        after.phase = PHASE_RUNNING;
        after.kind = SWAP_NONE;
        following_note(&follow, &before, &aborting, &cancel);
        following_note(&follow, &aborting, &after, &empty);
        assert_int_equal(follow.n_failed, 1);
        return follow.failed[0].tries;
}

static void what_an_operator_cancels_is_his_to_try_again(void **state) {
        (void)state;
        assert_int_equal(tries_after_cancel(NULL), FOLLOW_TRIES_MAX);
        assert_int_equal(tries_after_cancel("it may sign"), 1);
}

/* A swap that ends before anything was started. */
static void end_in_vain(struct follow *follow, enum machine_event_type type, bool is_ours) {
        struct machine before = armed(), after = before;
        struct machine_event event = {.type = type};
        after.kind = SWAP_NONE;
        after.phase = PHASE_HELD;
        after.outcome = OUTCOME_HELD;
        follow->is_ours = is_ours;
        following_note(follow, &before, &after, &event);
}

static void what_was_refused_for_its_signature_is_tried_again_with_another(void **state) {
        struct follow follow = {.held_at = MACHINE_NO_HEIGHT};
        (void)state;
        for (int i = 0; i < FOLLOW_TRIES_MAX; i++)
                end_in_vain(&follow, EVENT_VERIFY_FAILED, true);
        assert_int_equal(failures_of(&follow, "2.0.0"), FOLLOW_TRIES_MAX);
        assert_false(failures_forgive(&follow, "2.0.0.rehearsed"));
        assert_false(failures_forgive(&follow, "2.0.01.minisig"));
        assert_true(failures_forgive(&follow, "2.0.0.minisig"));
        assert_int_equal(follow.n_failed, 0);
        assert_false(failures_forgive(&follow, "2.0.0.minisig"));
        end_in_vain(&follow, EVENT_VERIFY_FAILED, false); /* by an operator's word */
        assert_int_equal(failures_of(&follow, "2.0.0"), FOLLOW_TRIES_MAX);
        assert_true(failures_forgive(&follow, "2.0.0"));
        assert_int_equal(failures_of(&follow, "2.0.0"), 0);
}

static void what_failed_when_it_ran_is_not_forgiven_for_a_signature(void **state) {
        struct follow follow = {.held_at = MACHINE_NO_HEIGHT};
        (void)state;
        end_in_vain(&follow, EVENT_EMPTY, true);
        end_in_vain(&follow, EVENT_VERIFY_FAILED, true);
        assert_int_equal(failures_of(&follow, "2.0.0"), 2);
        assert_true(failures_forgive(&follow, "2.0.0.minisig"));
        assert_int_equal(failures_of(&follow, "2.0.0"), 1);
        assert_false(failures_forgive(&follow, "2.0.0.minisig"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(I3_nothing_follows_on_a_state_past_the_boundary),
                        cmocka_unit_test(where_a_new_release_finds_the_state_counts),
                        cmocka_unit_test(another_release_follows_on_a_state_from_before_it),
                        cmocka_unit_test(what_an_operator_cancels_is_his_to_try_again),
                        cmocka_unit_test(what_was_refused_for_its_signature_is_tried_again_with_another),
                        cmocka_unit_test(what_failed_when_it_ran_is_not_forgiven_for_a_signature),
        };
        return cmocka_run_group_tests_name("following", tests, NULL, NULL);
}
