/* Gates that only tell: the old release has ended, and is not where it was said to be, or must not be started once more. */
#include "director/machine.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint64_t backoff[] = {1000};

struct life {
        struct machine machine;
        struct machine_settings settings;
        struct machine_actions actions;
};

static int feed(struct life *life, struct machine_event event) {
        life->actions.n = 0;
        return machine_step(&life->machine, &life->settings, &event, &life->actions);
}

static bool did(const struct life *life, enum machine_action_type type) {
        for (size_t i = 0; i < life->actions.n; i++)
                if (life->actions.items[i].type == type)
                        return true;
        return false;
}

/* The gate of 1.0.0 before the boundary at 100 has been hit, it has ended, and its state is being copied. */
static struct life snapshotting(bool gate_holds) {
        struct life life = {.machine = machine_initial(),
                        .settings = {.snapshot = true,
                                        .gate_holds = gate_holds,
                                        .gate_us = USEC_INFINITY,
                                        .backoff_us = backoff,
                                        .n_backoff = 1,
                                        .give_up_after = 2}};
        const struct machine_event events[] = {{.type = EVENT_START, .text = "1.0.0"},
                        {.type = EVENT_PROVED, .generation = 1},
                        {.type = EVENT_UPGRADE, .text = "2.0.0", .height = 100, .flag = true},
                        {.type = EVENT_GATE_HIT, .generation = 1, .height = 99}, {.type = EVENT_VERIFIED},
                        {.type = EVENT_AT_FENCE, .generation = 2}, {.type = EVENT_EXITED, .generation = 1},
                        {.type = EVENT_EMPTY, .generation = 1}};
        for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
                assert_int_equal(feed(&life, events[i]), 1);
        assert_int_equal(life.machine.phase, PHASE_SNAPSHOTTING);
        return life;
}

static struct life proving(void) {
        struct life life = snapshotting(false);
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_SNAPSHOT_TAKEN}), 1);
        assert_int_equal(life.machine.phase, PHASE_PROVING);
        return life;
}

static int stand(struct life *life, bool is_below) {
        return feed(life, (struct machine_event){.type = EVENT_GATE_HIT,
                                          .generation = 2,
                                          .height = 97,
                                          .flag = is_below});
}

static void I3_a_release_below_its_boundary_gives_the_state_back(void **state) {
        struct life life = proving();
        (void)state;
        assert_int_equal(stand(&life, true), 1);
        assert_int_equal(life.machine.phase, PHASE_RETURNING);
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_EMPTY, .generation = 2}), 1);
        assert_true(did(&life, ACTION_RESTORE));
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_RESTORED}), 1);
        assert_int_equal(life.machine.phase, PHASE_REVIVING); /* and the old one goes on from there */
        assert_false(life.machine.must_not_run);
}

static void I3_nor_does_it_pass_probation_there(void **state) {
        struct life life = proving();
        (void)state;
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_PROVED, .generation = 2}), 1);
        assert_int_equal(stand(&life, true), 1);
        assert_int_equal(life.machine.phase, PHASE_RETURNING);
}

static void I8_what_a_signer_did_below_its_boundary_is_not_put_back(void **state) {
        struct life life = proving();
        (void)state;
        life.settings.signer_inside = true;
        assert_int_equal(stand(&life, true), 1);
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_EMPTY, .generation = 2}), 1);
        assert_false(did(&life, ACTION_RESTORE));
        assert_int_equal(life.machine.phase, PHASE_HELD);
}

static void a_release_at_its_next_boundary_has_come_far_enough(void **state) {
        struct life life = proving();
        (void)state;
        assert_int_equal(stand(&life, false), 0);
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_PROVED, .generation = 2}), 1);
        assert_int_equal(stand(&life, false), 1);
        assert_int_equal(life.machine.outcome, OUTCOME_COMMITTED);
}

/* Started once more on the state of the last block, a node that halts behind a block would make one too many. */
static void I5_a_power_cut_after_the_last_block_does_not_start_the_old_release(void **state) {
        struct life life = snapshotting(false);
        (void)state;
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_START}), 1);
        assert_int_equal(life.machine.phase, PHASE_PREPARING);
        assert_false(did(&life, ACTION_SPAWN));
}

static void a_gate_that_holds_lets_the_old_release_serve_meanwhile(void **state) {
        struct life life = snapshotting(true);
        (void)state;
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_START}), 1);
        assert_int_equal(life.machine.phase, PHASE_STARTING);
}

static int start_on(struct life *life, const char *asked) {
        return feed(life, (struct machine_event){.type = EVENT_START, .text = asked, .flag = true});
}

/* The state was read, and it is the new release's turn: that is what the swap is for, with a snapshot and a way back. */
static void I6_a_state_that_asks_for_the_new_release_lets_the_swap_go_on(void **state) {
        (void)state;
        for (int holds = 0; holds < 2; holds++) {
                struct life life = snapshotting(holds);
                assert_int_equal(start_on(&life, "2.0.0"), 1);
                assert_int_equal(life.machine.phase, PHASE_PREPARING);
                assert_string_equal(life.machine.current_release, "1.0.0");
                assert_string_equal(life.machine.candidate_release, "2.0.0");
        }
}

static void a_state_that_asks_for_a_third_release_ends_the_swap(void **state) {
        struct life life = snapshotting(true);
        (void)state;
        assert_int_equal(start_on(&life, "3.0.0"), 1);
        assert_int_equal(life.machine.phase, PHASE_STARTING);
        assert_int_equal(life.machine.kind, SWAP_NONE);
        assert_int_equal(life.machine.boundary, MACHINE_NO_HEIGHT);
        assert_string_equal(life.machine.current_release, "3.0.0");
}

/* Started once more it would make a block too many. */
static void I3_what_has_come_to_its_end_on_probation_is_not_started_again(void **state) {
        struct life life = proving();
        (void)state;
        assert_int_equal(feed(&life, (struct machine_event){.type = EVENT_PROVED, .generation = 2}), 1);
        struct life same = life;
        assert_int_equal(start_on(&same, "2.0.0"), 1);
        assert_int_equal(same.machine.phase, PHASE_PROVING);
        assert_int_equal(start_on(&life, "3.0.0"), 1);
        assert_int_equal(life.machine.phase, PHASE_STARTING);
        assert_int_equal(life.machine.outcome, OUTCOME_COMMITTED);
        assert_string_equal(life.machine.previous_release, "1.0.0");
        assert_string_equal(life.machine.current_release, "3.0.0");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(I3_a_release_below_its_boundary_gives_the_state_back),
                        cmocka_unit_test(I3_nor_does_it_pass_probation_there),
                        cmocka_unit_test(I8_what_a_signer_did_below_its_boundary_is_not_put_back),
                        cmocka_unit_test(a_release_at_its_next_boundary_has_come_far_enough),
                        cmocka_unit_test(I5_a_power_cut_after_the_last_block_does_not_start_the_old_release),
                        cmocka_unit_test(a_gate_that_holds_lets_the_old_release_serve_meanwhile),
                        cmocka_unit_test(I6_a_state_that_asks_for_the_new_release_lets_the_swap_go_on),
                        cmocka_unit_test(a_state_that_asks_for_a_third_release_ends_the_swap),
                        cmocka_unit_test(I3_what_has_come_to_its_end_on_probation_is_not_started_again),
        };
        return cmocka_run_group_tests_name("gates that only tell", tests, NULL, NULL);
}
