/* Somebody does not let go, or does not answer. */
#include "support/scenario.h"
#include <fcntl.h>
#include <signal.h>

#define GENERATIONS 10 /* more than the director keeps count of */

static void begin(struct scenario *s, const char *more) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = more});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, SCENARIO_START_TIMEOUT_US);
}

static int open_output_of_node(struct scenario *s) {
        char path[64];
        json_t *status = scenario_status(s);
        assert_non_null(status);
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/1", (int)scenario_number(status, "pid"));
        json_decref(status);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static bool has_one_generation(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_array_size(json_object_get(status, "generations")) == 1;
}

/* As a daemon does that the node started and that left its cgroup. */
SCENARIO(I6_a_generation_is_forgotten_though_its_output_is_held_elsewhere) {
        int held[GENERATIONS];
        begin(s, "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n");
        int director = scenario_role(s, "interrex-director");
        for (size_t i = 0; i < GENERATIONS; i++) {
                held[i] = open_output_of_node(s);
                scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        }
        json_decref(scenario_wait_status(s, has_one_generation, NULL, SCENARIO_START_TIMEOUT_US));
        assert_int_equal(scenario_role(s, "interrex-director"), director);
        scenario_stop(s);
        for (size_t i = 0; i < GENERATIONS; i++)
                close_fd(held[i]);
}

/* The keeper asks each 30 s, and gives it 40 s. */
#define NOTICED_WITHIN_US (75 * USEC_PER_SEC)
#define CLI_PATIENCE_US (27 * USEC_PER_SEC)

static void stop_process(int pid) {
        assert_true(pid > 0);
        assert_int_equal(kill(pid, SIGSTOP), 0);
}

static void expect_told_that_the_director_hangs(struct scenario *s, const char *first, const char *version) {
        uint64_t before = now_monotonic();
        struct process_result result =
                        scenario_cli(s, first, s->node, version, version ? "--now" : NULL, NULL);
        assert_true(now_monotonic() - before < process_patience(CLI_PATIENCE_US));
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "its director (interrex-director) does not answer"));
        assert_non_null(strstr(result.error, "killed and started again"));
        process_result_done(&result);
}

/* Nobody who decides: the node stands before the height for as long as that takes, and reads go on. */
SCENARIO(I4_a_director_that_hangs_at_the_boundary_is_replaced) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "60", NULL);
        int director = scenario_role(s, "interrex-director");
        stop_process(director);
        expect_told_that_the_director_hangs(s, "status", NULL);
        assert_int_equal(scenario_role(s, "interrex-director"), director);
        (void)scenario_wait_role(s, "interrex-director", director, NOTICED_WITHIN_US);
        scenario_wait_height(s, 70, SCENARIO_START_TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 59, "1.0.0"}, {60, UINT64_MAX, "2.0.0"}}, 2);
}

/* `stop` waits by design, and outlives the director that it asked. */
SCENARIO(I6_a_stop_that_a_hung_director_was_asked_for_is_carried_out_by_the_next) {
        begin(s, "probation: 100ms\n");
        scenario_start_load(s, 100, 0);
        stop_process(scenario_role(s, "interrex-director"));
        expect_told_that_the_director_hangs(s, "upgrade", "2.0.0");
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(I6_a_prober_that_hangs_is_replaced) {
        begin(s, "probation: 100ms\n");
        int director = scenario_role(s, "interrex-director"), prober = scenario_role(s, "interrex-prober");
        json_t *status = scenario_status(s);
        int64_t height = scenario_number(status, "height");
        json_decref(status);
        stop_process(prober);
        (void)scenario_wait_role(s, "interrex-prober", prober, NOTICED_WITHIN_US);
        scenario_wait_height(s, (uint64_t)height + 40, SCENARIO_START_TIMEOUT_US);
        assert_int_equal(scenario_role(s, "interrex-director"), director);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I6_a_generation_is_forgotten_though_its_output_is_held_elsewhere),
                        SCENARIO_TEST(I4_a_director_that_hangs_at_the_boundary_is_replaced),
                        SCENARIO_TEST(I6_a_stop_that_a_hung_director_was_asked_for_is_carried_out_by_the_next),
                        SCENARIO_TEST(I6_a_prober_that_hangs_is_replaced),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("hangs", tests, NULL, NULL);
}
