/* The swap machine by table: from a situation, an event, to the phase and the actions that matter. */
#include "support/life.h"

static void a_swap_commits(void **state) {
        struct life life = proving(false);
        (void)state;
        assert_true(did(&life, ACTION_PASS, 2));
        assert_int_equal(feed(&life, EVENT_PROVED, 2, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_PROBATION);
        assert_true(place_of(&life, ACTION_FLIP) < place_of(&life, ACTION_RETIRE));
        assert_true(did(&life, ACTION_RETIRE, 1));
        assert_int_equal(feed(&life, EVENT_PROBATION_PASSED, 2, NULL), 1);
        assert_int_equal(life.machine.outcome, OUTCOME_COMMITTED);
        assert_string_equal(life.machine.current_release, "2.0.0");
        assert_string_equal(life.machine.previous_release, "1.0.0");
        assert_true(did(&life, ACTION_DROP_SNAPSHOT, 0));
}

/* Between the word to end and the flip nobody accepts, on the way there and on the way back. */
static void a_gap_lasts_while_nobody_serves(void **state) {
        struct life life = running();
        (void)state;
        assert_false(machine_is_in_gap(&life.machine));
        (void)feed(&life, EVENT_UPGRADE, 0, "2.0.0");
        assert_false(machine_is_in_gap(&life.machine));
        life = proving(false);
        assert_true(machine_is_in_gap(&life.machine));
        (void)feed(&life, EVENT_PROVED, 2, NULL);
        assert_false(machine_is_in_gap(&life.machine));
        (void)feed(&life, EVENT_UNHEALTHY, 2, "no progress");
        assert_int_equal(life.machine.phase, PHASE_RETURNING);
        assert_true(machine_is_in_gap(&life.machine));
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_REVIVING);
        assert_true(machine_is_in_gap(&life.machine));
        (void)feed(&life, EVENT_PROVED, life.machine.current, NULL);
        assert_false(machine_is_in_gap(&life.machine));
        /* From a hold in which the node is dead it has begun already. */
        life = running();
        life.machine.phase = PHASE_HELD;
        life.machine.current_is_gone = true;
        assert_true(machine_is_in_gap(&life.machine));
        (void)feed(&life, EVENT_UPGRADE, 0, "2.0.0");
        assert_true(machine_is_in_gap(&life.machine));
        /* A node that is held and lives answers. */
        life = running();
        life.machine.phase = PHASE_HELD;
        assert_false(machine_is_in_gap(&life.machine));
}

static void I2_the_fence_is_released_only_when_the_old_cgroup_is_empty(void **state) {
        struct life life = running();
        (void)state;
        (void)feed(&life, EVENT_UPGRADE, 0, "2.0.0");
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, 2, NULL);
        (void)feed(&life, EVENT_EXITED, 1, "");
        assert_false(did(&life, ACTION_PASS, 2));
        (void)feed(&life, EVENT_DEADLINE, 0, NULL);
        assert_true(did(&life, ACTION_KILL, 1));
        assert_false(did(&life, ACTION_PASS, 2));
}

static void a_release_that_fails_before_the_flip_is_taken_back_with_the_state(void **state) {
        struct life life = proving(false);
        (void)state;
        assert_int_equal(feed(&life, EVENT_EXITED, 2, "it exited with status 2"), 1);
        assert_int_equal(life.machine.phase, PHASE_RETURNING);
        assert_int_equal(feed(&life, EVENT_EMPTY, 2, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_RESTORING);
        assert_int_equal(feed(&life, EVENT_RESTORED, 0, NULL), 1);
        assert_true(did(&life, ACTION_SPAWN, 3));
        assert_int_equal(feed(&life, EVENT_PROVED, 3, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_int_equal(life.machine.outcome, OUTCOME_ROLLED_BACK);
        assert_string_equal(life.machine.current_release, "1.0.0");
        assert_non_null(strstr(life.machine.reason, "status 2"));
}

/* It waits at its lock, where it hears no signal that it handles: the old one's users would wait for its end. */
static void who_has_not_met_the_state_is_not_asked_to_end(void **state) {
        struct life life = running();
        (void)state;
        (void)feed(&life, EVENT_UPGRADE, 0, "2.0.0");
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        assert_int_equal(feed(&life, EVENT_STOP, 0, NULL), 1);
        assert_true(did(&life, ACTION_KILL, 2));
        assert_false(did(&life, ACTION_TERMINATE, 2));
        assert_true(did(&life, ACTION_TERMINATE, 1));
        life = proving(false);
        (void)feed(&life, EVENT_PROVED, 2, NULL);
        assert_int_equal(feed(&life, EVENT_STOP, 0, NULL), 1);
        assert_true(did(&life, ACTION_TERMINATE, 2));
}

static void a_release_that_fails_before_the_fence_changes_nothing(void **state) {
        struct life life = running();
        (void)state;
        (void)feed(&life, EVENT_UPGRADE, 0, "2.0.0");
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        assert_int_equal(feed(&life, EVENT_EXITED, 2, "it exited with status 1"), 1);
        assert_int_equal(feed(&life, EVENT_EMPTY, 2, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_int_equal(life.machine.current, 1);
        assert_int_equal(life.machine.outcome, OUTCOME_ABORTED);
}

static void I3_at_a_breaking_boundary_the_old_release_does_not_come_back_without_an_exact_gate(
                void **state) {
        struct life life = proving(true);
        (void)state;
        (void)feed(&life, EVENT_EXITED, 2, "it exited with status 2");
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(feed(&life, EVENT_RESTORED, 0, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_int_equal(life.machine.outcome, OUTCOME_HELD);
        assert_false(did(&life, ACTION_SPAWN, 3));
        /* Not after a power cut either. */
        (void)feed(&life, EVENT_START, 0, NULL);
        assert_int_equal(life.machine.phase, PHASE_HELD);
}

static void I8_a_state_with_signing_memory_inside_is_never_restored(void **state) {
        struct life life = proving(false);
        (void)state;
        life.settings.signer_inside = true;
        (void)feed(&life, EVENT_EXITED, 2, "");
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_REVIVING);
        assert_false(did(&life, ACTION_RESTORE, 0));
}

/* Waiting for the node to run would be waiting for ever. */
static void I6_a_node_that_cannot_start_is_replaced_between_two_tries(void **state) {
        struct life life = running();
        (void)state;
        (void)feed(&life, EVENT_EXITED, life.machine.current, "it exited with status 1");
        assert_int_equal(life.machine.phase, PHASE_BACKOFF);
        assert_int_equal(feed(&life, EVENT_UPGRADE, 0, "2.0.0"), -EBUSY); /* something of it is left */
        (void)feed(&life, EVENT_EMPTY, life.machine.current, NULL);
        assert_int_equal(feed(&life, EVENT_UPGRADE, 0, "2.0.0"), 1);
        assert_int_equal(life.machine.phase, PHASE_PREPARING);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, life.machine.candidate, NULL);
        (void)feed(&life, EVENT_SNAPSHOT_TAKEN, 0, NULL);
        (void)feed(&life, EVENT_PROVED, life.machine.candidate, NULL);
        (void)feed(&life, EVENT_PROBATION_PASSED, life.machine.candidate, NULL);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_string_equal(life.machine.current_release, "2.0.0");
}

static void a_rollback_does_not_lead_forward_again(void **state) {
        struct life life = running();
        (void)state;
        text_copy(life.machine.previous_release, sizeof(life.machine.previous_release), "0.9.0");
        assert_int_equal(feed(&life, EVENT_ROLLBACK, 0, NULL), 1);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, 2, NULL);
        (void)feed(&life, EVENT_EXITED, 1, "");
        (void)feed(&life, EVENT_EMPTY, 1, NULL);
        (void)feed(&life, EVENT_SNAPSHOT_TAKEN, 0, NULL);
        (void)feed(&life, EVENT_PROVED, 2, NULL);
        (void)feed(&life, EVENT_PROBATION_PASSED, 2, NULL);
        assert_string_equal(life.machine.current_release, "0.9.0");
        assert_int_equal(feed(&life, EVENT_ROLLBACK, 0, NULL), -ENOENT);
}

static void I6_a_node_that_does_not_come_up_is_held_in_the_end(void **state) {
        struct life life = running();
        (void)state;
        for (unsigned i = 0; i < 3 && life.machine.phase != PHASE_HELD; i++) {
                assert_int_equal(feed(&life, EVENT_EXITED, life.machine.current, "it exited with status 1"),
                                1);
                (void)feed(&life, EVENT_EMPTY, life.machine.current, NULL);
                (void)feed(&life, EVENT_DEADLINE, 0, NULL);
        }
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_non_null(strstr(life.machine.reason, "gave up"));
        assert_int_equal(life.machine.serving, 1); /* whose queue still takes connections */
}

static void a_second_upgrade_is_busy(void **state) {
        struct life life = proving(false);
        struct machine before = life.machine;
        (void)state;
        assert_int_equal(feed(&life, EVENT_UPGRADE, 0, "3.0.0"), -EBUSY);
        assert_memory_equal(&before, &life.machine, sizeof(before));
}

static void overlap_goes_back_at_once(void **state) {
        struct life life = running();
        (void)state;
        life.settings.overlap = true;
        (void)feed(&life, EVENT_UPGRADE, 0, "2.0.0");
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        assert_int_equal(feed(&life, EVENT_PROVED, 2, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_DRAINING);
        assert_false(did(&life, ACTION_RETIRE, 1));
        (void)feed(&life, EVENT_DRAINED, 0, NULL);
        assert_true(did(&life, ACTION_FREEZE, 1));
        /* I3: the next boundary may come in probation, and there is one gate. */
        assert_true(did(&life, ACTION_ARM_GATE, 2));
        assert_true(place_of(&life, ACTION_FREEZE) < place_of(&life, ACTION_ARM_GATE));
        (void)feed(&life, EVENT_UNHEALTHY, 2, "status 500");
        assert_int_equal(life.machine.phase, PHASE_ABORTING);
        assert_true(place_of(&life, ACTION_THAW) < place_of(&life, ACTION_FLIP));
        assert_true(did(&life, ACTION_ARM_GATE, 1));
        assert_true(place_of(&life, ACTION_ARM_GATE) < place_of(&life, ACTION_THAW));
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_int_equal(life.machine.current, 1);
        assert_int_equal(life.machine.outcome, OUTCOME_ROLLED_BACK);
}

static void I5_entering_a_phase_again_asks_for_the_same(void **state) {
        struct life life = proving(false);
        struct machine before = life.machine;
        (void)state;
        struct machine_actions first = life.actions;
        assert_int_equal(feed(&life, EVENT_RESUME, 0, NULL), 1);
        assert_memory_equal(&before, &life.machine, sizeof(before));
        assert_int_equal(first.n, life.actions.n);
        assert_memory_equal(first.items, life.actions.items, first.n * sizeof(first.items[0]));
}

/* Held at a breaking boundary, the state of the height before restored; the old release is coming up as generation 3. */
static struct life held_cut_off(void) {
        struct life life = proving(true);
        life.settings.hold_serves = true;
        (void)feed(&life, EVENT_EXITED, 2, "it exited with status 2");
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(feed(&life, EVENT_RESTORED, 0, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_int_equal(life.machine.outcome, OUTCOME_HELD);
        return life;
}

static void assert_cut_off_first(const struct life *life, uint64_t generation) {
        assert_true(did(life, ACTION_CUT_OFF, generation));
        assert_true(did(life, ACTION_SPAWN, generation));
        assert_true(place_of(life, ACTION_CUT_OFF) < place_of(life, ACTION_SPAWN));
}

static void I6_held_the_old_release_serves_cut_off_from_its_peers(void **state) {
        struct life life = held_cut_off();
        (void)state;
        assert_cut_off_first(&life, 3);
        assert_false(did(&life, ACTION_FLIP, 3)); /* nobody is sent to it before it has proved itself */
        assert_non_null(strstr(life.machine.reason, "status 2"));
        assert_non_null(strstr(life.machine.reason, "cut off from its peers"));
        assert_int_equal(feed(&life, EVENT_PROVED, 3, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_true(place_of(&life, ACTION_FLIP) < place_of(&life, ACTION_RETIRE));
        assert_true(did(&life, ACTION_READY, 3));
        /* I5: a new director does the same again; a new keeper begins with the cut. */
        struct machine before = life.machine;
        assert_int_equal(feed(&life, EVENT_RESUME, 0, NULL), 1);
        assert_memory_equal(&before, &life.machine, sizeof(before));
        assert_cut_off_first(&life, 3);
        assert_int_equal(feed(&life, EVENT_START, 0, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_cut_off_first(&life, 4);
}

static void a_release_that_is_cut_off_is_replaced_and_never_runs_on(void **state) {
        struct life life = held_cut_off();
        (void)state;
        (void)feed(&life, EVENT_PROVED, 3, NULL);
        struct machine_event restart = {.type = EVENT_RESTART, .height = MACHINE_NO_HEIGHT, .flag = true};
        assert_int_equal(machine_step(&life.machine, &life.settings, &restart, &life.actions), -EPERM);
        assert_int_equal(feed_at(&life, "1.0.0", MACHINE_NO_HEIGHT, true), -EPERM);
        assert_int_equal(feed_at(&life, "2.0.1", 100, true), -EPERM);
        /* One that fails before it takes over changes nothing. */
        assert_int_equal(feed_at(&life, "2.0.1", MACHINE_NO_HEIGHT, true), 1);
        assert_int_equal(feed(&life, EVENT_VERIFY_FAILED, 0, "a digest differs"), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_int_equal(life.machine.current, 3);
        /* One that does takes its place. */
        assert_int_equal(feed_at(&life, "2.0.2", MACHINE_NO_HEIGHT, true), 1);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, 4, NULL);
        assert_int_equal(life.machine.phase, PHASE_QUIESCING);
        assert_true(did(&life, ACTION_TERMINATE, 3));
        (void)feed(&life, EVENT_EXITED, 3, "");
        (void)feed(&life, EVENT_EMPTY, 3, NULL);
        (void)feed(&life, EVENT_SNAPSHOT_TAKEN, 0, NULL);
        (void)feed(&life, EVENT_PROVED, 4, NULL);
        (void)feed(&life, EVENT_PROBATION_PASSED, 4, NULL);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_false(life.machine.must_not_run);
        assert_int_equal(life.machine.cut_off, 0);
        assert_string_equal(life.machine.current_release, "2.0.2");
}

static void I3_a_state_that_could_not_be_put_back_is_not_served(void **state) {
        struct life life = proving(true);
        (void)state;
        life.settings.hold_serves = true;
        (void)feed(&life, EVENT_EXITED, 2, "");
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        (void)feed(&life, EVENT_RESTORE_FAILED, 0, "No space left on device");
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_false(did(&life, ACTION_SPAWN, 3));
        (void)feed(&life, EVENT_START, 0, NULL);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_false(did(&life, ACTION_SPAWN, 3));
}

static void what_crashes_cut_off_is_started_again_and_given_up_in_the_end(void **state) {
        struct life life = held_cut_off();
        (void)state;
        for (int i = 0; i < 3; i++) {
                uint64_t generation = life.machine.current; /* a number whose slot is taken is left out */
                assert_cut_off_first(&life, generation);
                (void)feed(&life, EVENT_EXITED, generation, "it exited with status 9");
                (void)feed(&life, EVENT_EMPTY, generation, NULL);
                assert_int_equal(life.machine.phase, PHASE_HELD);
                (void)feed(&life, EVENT_DEADLINE, 0, NULL);
        }
        assert_true(life.machine.current_is_gone);
        assert_non_null(strstr(life.machine.reason, "status 2"));
        assert_non_null(strstr(life.machine.reason, "failed 3 times: it exited with status 9"));
        /* A release that is asked for may still come. */
        assert_int_equal(feed_at(&life, "2.0.1", MACHINE_NO_HEIGHT, true), 1);
        assert_int_equal(life.machine.phase, PHASE_PREPARING);
}

/* No kill reaches it, so there is nothing to wait for. */
static void I2_what_left_its_cgroup_holds_the_node_at_the_first_deadline(void **state) {
        struct life life = running();
        struct machine_event late = {.type = EVENT_DEADLINE, .flag = true, .text = "process 7 (d) left"};
        (void)state;
        assert_int_equal(feed_at(&life, "2.0.0", MACHINE_NO_HEIGHT, false), 1);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, 2, NULL);
        (void)feed(&life, EVENT_EXITED, 1, "");
        assert_int_equal(life.machine.phase, PHASE_QUIESCING);
        life.actions.n = 0;
        assert_int_equal(machine_step(&life.machine, &life.settings, &late, &life.actions), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_false(did(&life, ACTION_PASS, 2));
        assert_true(did(&life, ACTION_KILL, 2));
        assert_string_equal(life.machine.reason, "the old generation does not end: process 7 (d) left");
}

static void at_a_boundary_without_a_successor_the_old_one_ends_before_it_serves_cut_off(void **state) {
        struct life life = running();
        (void)state;
        life.settings.hold_serves = true;
        assert_int_equal(feed(&life, EVENT_GATE_HIT, 1, "no release is here"), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_true(did(&life, ACTION_TERMINATE, 1));
        assert_false(did(&life, ACTION_CUT_OFF, 1)); /* it has connections to its peers */
        (void)feed(&life, EVENT_EXITED, 1, "");
        (void)feed(&life, EVENT_EMPTY, 1, NULL);
        assert_cut_off_first(&life, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(a_swap_commits),
                        cmocka_unit_test(a_gap_lasts_while_nobody_serves),
                        cmocka_unit_test(I2_the_fence_is_released_only_when_the_old_cgroup_is_empty),
                        cmocka_unit_test(a_release_that_fails_before_the_flip_is_taken_back_with_the_state),
                        cmocka_unit_test(who_has_not_met_the_state_is_not_asked_to_end),
                        cmocka_unit_test(a_release_that_fails_before_the_fence_changes_nothing),
                        cmocka_unit_test(
                                        I3_at_a_breaking_boundary_the_old_release_does_not_come_back_without_an_exact_gate),
                        cmocka_unit_test(I8_a_state_with_signing_memory_inside_is_never_restored),
                        cmocka_unit_test(I6_a_node_that_cannot_start_is_replaced_between_two_tries),
                        cmocka_unit_test(a_rollback_does_not_lead_forward_again),
                        cmocka_unit_test(I6_a_node_that_does_not_come_up_is_held_in_the_end),
                        cmocka_unit_test(a_second_upgrade_is_busy),
                        cmocka_unit_test(overlap_goes_back_at_once),
                        cmocka_unit_test(I5_entering_a_phase_again_asks_for_the_same),
                        cmocka_unit_test(I6_held_the_old_release_serves_cut_off_from_its_peers),
                        cmocka_unit_test(a_release_that_is_cut_off_is_replaced_and_never_runs_on),
                        cmocka_unit_test(I3_a_state_that_could_not_be_put_back_is_not_served),
                        cmocka_unit_test(what_crashes_cut_off_is_started_again_and_given_up_in_the_end),
                        cmocka_unit_test(I2_what_left_its_cgroup_holds_the_node_at_the_first_deadline),
                        cmocka_unit_test(
                                        at_a_boundary_without_a_successor_the_old_one_ends_before_it_serves_cut_off),
        };
        return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
