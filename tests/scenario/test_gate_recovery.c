/* What the gate remembers of an earlier swap means nothing for the next one. */
#include "support/scenario.h"

#define TIMEOUT_US (10 * USEC_PER_SEC)

SCENARIO(I4_a_director_that_comes_back_waits_for_the_height) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_add_testnode(s, "3.0.0", "");
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "40", "--wait", NULL);
        scenario_expect(s, 0, "upgrade", s->node, "3.0.0", "--at", "1000000", NULL);
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 41, TIMEOUT_US); /* the new director does not know it at once */
        json_t *status = scenario_status(s);
        assert_non_null(status);
        scenario_wait_height(s, (uint64_t)scenario_number(status, "height") + 20, TIMEOUT_US);
        json_decref(status);
        status = scenario_status(s);
        assert_string_equal(scenario_text(status, "phase"), "armed");
        assert_string_equal(scenario_text(status, "release"), "2.0.0");
        json_decref(status);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 39, "1.0.0"}, {40, UINT64_MAX, "2.0.0"}}, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I4_a_director_that_comes_back_waits_for_the_height)};
        return cmocka_run_group_tests_name("the gate after a director's death", tests, NULL, NULL);
}
