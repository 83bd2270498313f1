/* Whole swaps of the test node, as clients and operators see them. */
#include "support/scenario.h"

SCENARIO(upgrades_now_without_refusing_anybody) {
        scenario_configure_testnode(s,
                        &(struct scenario_testnode){.release = "1.0.0", .arguments = "--start-ms, '200'"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 5, 10 * USEC_PER_SEC);

        scenario_start_load(s, 500, 50);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        json_t *load = scenario_stop_load(s), *status = scenario_status(s);

        scenario_assert_unharmed(load);
        assert_non_null(json_object_get(json_object_get(load, "versions"), "1.0.0"));
        assert_non_null(json_object_get(json_object_get(load, "versions"), "2.0.0"));
        assert_non_null(status);
        assert_string_equal(scenario_text(status, "phase"), "running");
        assert_string_equal(scenario_text(status, "release"), "2.0.0");
        assert_int_equal(scenario_number(status, "generation"), 2);
        assert_string_equal(scenario_text(status, "last_swap.outcome"), "committed");
        assert_string_equal(scenario_text(status, "last_swap.from"), "1.0.0");
        assert_string_equal(scenario_text(status, "last_swap.to"), "2.0.0");
        assert_true(scenario_number(status, "last_swap.total_ms") >=
                        scenario_number(status, "last_swap.gap_ms"));
        json_decref(load);
        json_decref(status);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(upgrades_now_without_refusing_anybody),
        };
        return cmocka_run_group_tests_name("swaps of the test node", tests, NULL, NULL);
}
