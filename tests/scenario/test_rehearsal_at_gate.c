/* rehearse: at-gate. The old release stands at H-1 and answers while the new one is tried on a snapshot of just that state; only what
 * has done there gets the state itself. */
#include "support/scenario.h"

#include <dirent.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)

static const struct ledger_range upgraded[] = {{1, 199, "1.0.0"}, {200, UINT64_MAX, "2.0.0"}};

static void begin(struct scenario *s) {
        char more[160];
        (void)snprintf(more, sizeof(more),
                        "rehearse: at-gate\nprobation: 100ms\nprogress: {blocks: 1, within: %us}\n"
                        "deadlines: {prove: %us}\n",
                        10 * process_slowness(), 5 * process_slowness());
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .block_ms = 20, .more = more});
        scenario_add_testnode(s, "1.0.0", "");
}

/* The ledger is its state's: a release that is rehearsed writes into the snapshot's. */
static void end(struct scenario *s) {
        scenario_stop(s);
        scenario_assert_ranges(s, upgraded, ELEMENTS(upgraded));
        DIR *folder = opendir(s->directory);
        assert_non_null(folder);
        for (const struct dirent *entry; (entry = readdir(folder));)
                assert_null(strstr(entry->d_name, "interrex-"));
        (void)closedir(folder);
}

/* The release of these faults is being rehearsed when it returns, or is about to be. */
static void begin_rehearsal(struct scenario *s, const char *faults) {
        begin(s);
        scenario_add_testnode(s, "2.0.0", faults);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "200", NULL);
        scenario_wait_height(s, 199, TIMEOUT_US);
}

SCENARIO(I3_a_release_is_rehearsed_where_the_old_one_stands) {
        begin(s);
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_start_load(s, 200, 10);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "200", "--wait", NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        struct process_result result = scenario_cli(s, "release", "list", s->node, NULL);
        assert_non_null(strstr(result.output, "2.0.0"));
        process_result_done(&result);
        result = scenario_cli(s, "report", s->node, NULL);
        assert_non_null(strstr(result.output, "rehearsing"));
        process_result_done(&result);
        end(s);
}

/* It would have been found out with the old one gone, and only the snapshot to go back to. */
SCENARIO(I1_what_fails_its_rehearsal_never_gets_the_state) {
        begin(s);
        scenario_add_testnode(s, "2.0.0-bad", "--spoil-state");
        scenario_start(s);
        scenario_start_load(s, 200, 10);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0-bad", "--at", "200", NULL);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "failed its rehearsal at the gate", TIMEOUT_US));
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "generation"), 1); /* the same process serves still */
        assert_int_equal(scenario_number(status, "height"), 199);
        json_decref(status);
        /* A hotfix is rehearsed on the state as it stands as well. */
        scenario_add_testnode(s, "2.0.0", "");
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        end(s);
}

SCENARIO(I5_the_director_dies_while_it_is_rehearsed) {
        begin_rehearsal(s, "--start-ms 1000");
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s);
}

SCENARIO(a_rehearsal_ends_with_the_swap_that_wanted_it) {
        begin_rehearsal(s, "--never-listen");
        scenario_wait_phase(s, "gating", TIMEOUT_US);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, (const struct ledger_range[]){{1, UINT64_MAX, "1.0.0"}}, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_a_release_is_rehearsed_where_the_old_one_stands),
                        SCENARIO_TEST(I1_what_fails_its_rehearsal_never_gets_the_state),
                        SCENARIO_TEST(I5_the_director_dies_while_it_is_rehearsed),
                        SCENARIO_TEST(a_rehearsal_ends_with_the_swap_that_wanted_it),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("rehearsals at the gate", tests, NULL, NULL);
}
