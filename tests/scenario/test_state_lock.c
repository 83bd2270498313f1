/* Whether a node takes a lock below its state directory decides where the next release is parked. With a schedule and an exact gate
 * nobody is asked when the first generation takes it. */
#include "support/scenario.h"

#define NOT_SEEN "was not seen to take a lock"

static bool is_said(struct scenario *s, const char *words) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        bool is_said = scenario_is_degraded(status, words);
        json_decref(status);
        return is_said;
}

static void begin(struct scenario *s, const char *lock) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){
                                           .release = "1.0.0", .state = "fence: lock", .lock = lock});
        scenario_add_testnodes(s, 1, 2);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "60", "2.x", NULL);
        scenario_start(s);
}

static void go_over(struct scenario *s) {
        scenario_start_load(s, 300, 20);
        scenario_wait_height(s, 65, 60 * USEC_PER_SEC);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 59, "1.0.0"}, {60, UINT64_MAX, "2.0.0"}}, 2);
}

static void see_lock(struct scenario *s, const char *lock) {
        begin(s, lock);
        assert_false(is_said(s, NOT_SEEN));
        go_over(s);
}

SCENARIO(I2_a_flock_that_was_not_asked_about_is_seen) {
        see_lock(s, "flock");
}

SCENARIO(I2_a_posix_lock_that_was_not_asked_about_is_seen) {
        see_lock(s, "posix");
}

SCENARIO(I2_an_ofd_lock_that_was_not_asked_about_is_seen) {
        see_lock(s, "ofd");
}

SCENARIO(I2_a_node_without_a_lock_is_parked_at_exec_and_that_is_said) {
        begin(s, "none");
        assert_true(is_said(s, NOT_SEEN));
        go_over(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I2_a_flock_that_was_not_asked_about_is_seen),
                        SCENARIO_TEST(I2_a_posix_lock_that_was_not_asked_about_is_seen),
                        SCENARIO_TEST(I2_an_ofd_lock_that_was_not_asked_about_is_seen),
                        SCENARIO_TEST(I2_a_node_without_a_lock_is_parked_at_exec_and_that_is_said),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("locks of the state", tests, NULL, NULL);
}
