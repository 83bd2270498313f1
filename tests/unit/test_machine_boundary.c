/* The swap machine at a boundary: gates that are in time, late or missing, and what is done where the node stands. */
#include "support/life.h"

static void an_armed_upgrade_waits_for_its_height(void **state) {
        struct life life = running();
        (void)state;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        assert_int_equal(life.machine.phase, PHASE_ARMED);
        assert_int_equal(feed(&life, EVENT_NEAR, 1, NULL), 1);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_GATING);
        assert_true(did(&life, ACTION_ARM_GATE, 1));
        (void)feed(&life, EVENT_GATE_HIT, 1, NULL);
        assert_int_equal(life.machine.phase, PHASE_QUIESCING);
}

/* I3: the new release must not start on what the old one made of the boundary. */
static void I3_a_gate_that_was_armed_too_late_starts_nothing(void **state) {
        struct life life = running();
        struct machine_event late = {.type = EVENT_GATE_HIT, .generation = 1, .height = 100};
        (void)state;
        life.settings.gate_holds = true;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        life.actions.n = 0;
        assert_int_equal(machine_step(&life.machine, &life.settings, &late, &life.actions), 1);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_int_equal(life.machine.outcome, OUTCOME_ABORTED);
        assert_true(did(&life, ACTION_DISARM_GATE, 1));
        assert_false(did(&life, ACTION_SPAWN, 2));
        assert_string_equal(life.machine.current_release, "1.0.0");
}

/* I3: it had both of them running, and only one may have gone on. */
static void I3_overlap_goes_back_behind_a_breaking_boundary_to_a_hold(void **state) {
        struct life life = running();
        (void)state;
        life.settings.overlap = true;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        assert_int_equal(feed(&life, EVENT_NEAR, 1, NULL), 1);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_PROVED, 2, NULL);
        (void)feed(&life, EVENT_GATE_HIT, 1, NULL);
        (void)feed(&life, EVENT_DRAINED, 0, NULL);
        assert_int_equal(life.machine.phase, PHASE_PROBATION);
        (void)feed(&life, EVENT_UNHEALTHY, 2, "it is not");
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_true(life.machine.must_not_run);
        assert_true(did(&life, ACTION_TERMINATE, 1));
}

static int accept_state(struct life *life, bool may_run_there) {
        struct machine_event event = {
                        .type = EVENT_STATE_ACCEPTED, .height = MACHINE_NO_HEIGHT, .flag = may_run_there};
        life->actions.n = 0;
        return machine_step(&life->machine, &life->settings, &event, &life->actions);
}

/* What another release has made of the state only an operator can judge, and only where the height is watched over. */
static void I3_a_state_is_accepted_where_the_release_may_run_or_is_gated(void **state) {
        struct life life = proving(true);
        (void)state;
        life.settings.signer_inside = life.settings.gate_holds = true;
        (void)feed(&life, EVENT_UNHEALTHY, 2, "it is not");
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_true(life.machine.must_not_run && !life.machine.may_serve);
        assert_int_equal(accept_state(&life, false), -EPERM);
        assert_int_equal(accept_state(&life, true), 1);
        assert_int_equal(life.machine.phase, PHASE_STARTING);
        assert_true(place_of(&life, ACTION_ARM_GATE) < place_of(&life, ACTION_SPAWN));
        assert_false(life.machine.must_not_run);
        assert_int_equal(accept_state(&life, true), 0); /* it is not held any more */
}

/* A node that stops by itself must be told anew where; it is no crash, and an armed upgrade stays armed. */
static void an_armed_node_is_renewed(void **state) {
        struct life life = running();
        (void)state;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        assert_int_equal(feed(&life, EVENT_RENEW, 1, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_RENEWING);
        assert_true(did(&life, ACTION_TERMINATE, 1));
        (void)feed(&life, EVENT_EXITED, 1, NULL);
        (void)feed(&life, EVENT_EMPTY, 1, NULL);
        assert_int_equal(life.machine.phase, PHASE_STARTING);
        assert_true(place_of(&life, ACTION_ARM_GATE) < place_of(&life, ACTION_SPAWN));
        (void)feed(&life, EVENT_PROVED, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_ARMED);
        assert_int_equal(life.machine.crashes, 0);
        /* What must not run is not started anew either. */
        life.machine.must_not_run = true;
        assert_int_equal(feed(&life, EVENT_RENEW, 2, NULL), 0);
}

static struct life rehearsing(void) {
        struct life life = running();
        life.settings.rehearses_at_gate = life.settings.gate_holds = true;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        assert_int_equal(feed(&life, EVENT_NEAR, 1, NULL), 1);
        (void)feed(&life, EVENT_VERIFIED, 0, NULL);
        (void)feed(&life, EVENT_AT_FENCE, 2, NULL);
        (void)feed(&life, EVENT_GATE_HIT, 1, NULL);
        assert_int_equal(life.machine.phase, PHASE_REHEARSING);
        assert_true(did(&life, ACTION_REHEARSE, 0));
        assert_false(did(&life, ACTION_TERMINATE, 1));
        return life;
}

static void the_old_release_goes_when_the_new_one_is_rehearsed(void **state) {
        struct life life = rehearsing();
        (void)state;
        assert_int_equal(feed(&life, EVENT_REHEARSED, 0, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_QUIESCING);
        assert_true(did(&life, ACTION_TERMINATE, 1));
}

static void the_old_release_stays_where_the_new_one_fails_its_rehearsal(void **state) {
        struct life life = rehearsing(), late = rehearsing();
        (void)state;
        assert_int_equal(feed(&life, EVENT_REHEARSAL_FAILED, 0, "it spoiled the state"), 1);
        assert_int_equal(feed(&late, EVENT_DEADLINE, 0, NULL), 1);
        (void)feed(&life, EVENT_EMPTY, 2, NULL);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_int_equal(life.machine.current, 1);
        assert_false(life.machine.must_not_run || life.machine.current_is_gone);
        assert_non_null(strstr(life.machine.reason, "it spoiled the state"));
        assert_non_null(strstr(late.machine.reason, "deadlines.rehearse"));
}

/* I3: nor where the gate never promised to be in time, unless the configuration says that it does not matter. */
static void I3_a_gate_that_overshoots_starts_nothing(void **state) {
        struct machine_event late = {.type = EVENT_GATE_HIT, .generation = 1, .height = 101};
        struct machine_event in_time = {.type = EVENT_GATE_HIT, .generation = 1, .height = 99};
        struct life life = running(), allowed = running(), punctual = running();
        (void)state;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        life.actions.n = 0;
        assert_int_equal(machine_step(&life.machine, &life.settings, &late, &life.actions), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_int_equal(life.machine.outcome, OUTCOME_HELD);
        assert_true(life.machine.must_not_run);
        assert_true(did(&life, ACTION_TERMINATE, 1));
        assert_false(did(&life, ACTION_SPAWN, 2));
        assert_non_null(strstr(life.machine.reason, "height 101"));
        assert_non_null(strstr(life.machine.reason, "the boundary is 100"));
        allowed.settings.may_overshoot = true;
        assert_int_equal(feed_at(&allowed, "2.0.0", 100, true), 1);
        assert_int_equal(machine_step(&allowed.machine, &allowed.settings, &late, &allowed.actions), 1);
        assert_int_equal(allowed.machine.phase, PHASE_PREPARING);
        assert_int_equal(feed_at(&punctual, "2.0.0", 100, true), 1);
        assert_int_equal(
                        machine_step(&punctual.machine, &punctual.settings, &in_time, &punctual.actions), 1);
        assert_int_equal(punctual.machine.phase, PHASE_PREPARING);
}

/* I4: without its gate an upgrade would slip past its height. */
static void I4_a_gate_that_cannot_be_armed_gives_the_upgrade_up(void **state) {
        struct life life = running();
        (void)state;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        assert_int_equal(feed(&life, EVENT_GATE_FAILED, 1, "No such file or directory"), 1);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        assert_int_equal(life.machine.outcome, OUTCOME_ABORTED);
        assert_string_equal(life.machine.reason, "the gate could not be armed: No such file or directory");
        assert_true(did(&life, ACTION_DISARM_GATE, 1));
        assert_string_equal(life.machine.current_release, "1.0.0");
}

/* The gate has told of the height and cannot stop the node there; the release that was to take over then fails. */
static void I3_a_gate_that_only_tells_does_not_hold_the_old_release(void **state) {
        struct life life = running();
        (void)state;
        assert_int_equal(feed_at(&life, "2.0.0", 100, true), 1);
        assert_int_equal(feed(&life, EVENT_GATE_HIT, 1, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_PREPARING);
        assert_int_equal(feed(&life, EVENT_VERIFY_FAILED, 0, "a digest differs"), 1);
        assert_int_equal(life.machine.phase, PHASE_HELD);
        assert_true(life.machine.must_not_run);
        assert_true(did(&life, ACTION_TERMINATE, 1));
        /* Asked to end, it is not waited for without end, nor left to a director's death. */
        assert_int_equal(feed(&life, EVENT_RESUME, 0, NULL), 1);
        assert_true(did(&life, ACTION_TERMINATE, 1));
        assert_int_equal(feed(&life, EVENT_DEADLINE, 0, NULL), 1);
        assert_true(did(&life, ACTION_KILL, 1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(an_armed_upgrade_waits_for_its_height),
                        cmocka_unit_test(I3_a_gate_that_was_armed_too_late_starts_nothing),
                        cmocka_unit_test(I3_a_state_is_accepted_where_the_release_may_run_or_is_gated),
                        cmocka_unit_test(I3_overlap_goes_back_behind_a_breaking_boundary_to_a_hold),
                        cmocka_unit_test(an_armed_node_is_renewed),
                        cmocka_unit_test(the_old_release_goes_when_the_new_one_is_rehearsed),
                        cmocka_unit_test(the_old_release_stays_where_the_new_one_fails_its_rehearsal),
                        cmocka_unit_test(I3_a_gate_that_overshoots_starts_nothing),
                        cmocka_unit_test(I4_a_gate_that_cannot_be_armed_gives_the_upgrade_up),
                        cmocka_unit_test(I3_a_gate_that_only_tells_does_not_hold_the_old_release),

        };
        return cmocka_run_group_tests_name("the swap machine at a boundary", tests, NULL, NULL);
}
