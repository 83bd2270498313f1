/* What an operator is told whose command comes at the wrong time: never a command that would be refused as well. */
#include "director/busy.h"
#include "lib/control_protocol.h"
#include "support/life.h"

static struct machine armed_in(enum machine_phase phase) {
        struct machine machine = machine_initial();
        machine.phase = phase;
        machine.kind = SWAP_UPGRADE;
        machine.boundary = 100;
        text_copy(machine.candidate_release, sizeof(machine.candidate_release), "2.0.0");
        return machine;
}

static void assert_told(const struct machine *machine, const char *sentence) {
        struct refusal refusal = {0};
        assert_int_equal(busy_refuse(machine, "acme", 5, &refusal), -1);
        assert_string_equal(refusal.name, CONTROL_ERROR_BUSY);
        assert_string_equal(refusal.text, sentence);
}

static void who_cancels_while_the_node_is_renewed_is_told_when_to(void **state) {
        struct machine machine = armed_in(PHASE_RENEWING);
        (void)state;
        assert_told(&machine, "the node is being started anew, because it must stop by itself at another "
                              "height, and an upgrade to 2.0.0 at "
                              "height 100 stays armed meanwhile: try again in some seconds, when `interrex "
                              "status acme` says \"armed\"; "
                              "`interrex cancel acme` works from then on");
        machine.kind = SWAP_NONE;
        assert_told(&machine, "the node is being started anew, because it must stop by itself at another "
                              "height; try again when it runs");
}

static bool takes(struct machine machine, enum machine_event_type command) {
        static const uint64_t backoff_us[] = {1};
        const struct machine_settings settings = {
                        .backoff_us = backoff_us, .n_backoff = 1, .give_up_after = 5};
        const struct machine_event event = {.type = command};
        struct machine_actions actions;
        return machine_step(&machine, &settings, &event, &actions) == 1;
}

static void what_is_proposed_is_taken(void **state) {
        (void)state;
        for (enum machine_phase phase = 0; phase < PHASES; phase++) {
                struct machine machine = armed_in(phase);
                struct refusal refusal = {0};
                if (phase == PHASE_RUNNING || phase == PHASE_HELD) /* where nothing is armed or under way */
                        continue;
                (void)busy_refuse(&machine, "acme", 5, &refusal);
                assert_int_equal(strstr(refusal.text, "or `interrex cancel acme`") != NULL,
                                takes(machine, EVENT_CANCEL));
                assert_int_equal(strstr(refusal.text, "or `interrex rollback acme`") != NULL,
                                takes(machine, EVENT_ROLLBACK));
        }
}

static void a_node_that_keeps_failing_is_told_so(void **state) {
        struct machine machine = machine_initial();
        struct refusal refusal = {0};
        (void)state;
        machine.phase = PHASE_BACKOFF;
        machine.crashes = 3;
        (void)busy_refuse(&machine, "acme", 5, &refusal);
        assert_non_null(strstr(refusal.text, "failed 3 times in a row"));
        assert_non_null(strstr(refusal.text, "after 5 restarts it is held"));
        assert_non_null(strstr(refusal.text, "`interrex restart acme` tries it at once"));
        machine.phase = PHASE_STARTING;
        (void)busy_refuse(&machine, "acme", 5, &refusal);
        assert_null(strstr(refusal.text, "interrex restart"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(who_cancels_while_the_node_is_renewed_is_told_when_to),
                        cmocka_unit_test(what_is_proposed_is_taken),
                        cmocka_unit_test(a_node_that_keeps_failing_is_told_so),
        };
        return cmocka_run_group_tests_name("busy", tests, NULL, NULL);
}
