/* What the gate remembers of an earlier swap means nothing for the next one. */
#include "support/scenario.h"

#include <signal.h>

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

static bool is_stopped(int pid) {
        char path[64], state = 0;
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        return file && fscanf(file, "%*d %*s %c", &state) == 1 && state == 'T';
}

/* While there is no director to have it parked, the node stands by a stop that anybody could take back. */
SCENARIO(I4_a_SIGCONT_does_not_let_the_node_pass) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .block_ms = 20});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_expect(s, 0, "schedule", "set", s->node, "60", "2.x", NULL);
        scenario_start(s);
        json_t *status = scenario_status(s);
        bool has_no_keeping = scenario_is_degraded(status, "keeps a stopped thread from SIGCONT");
        json_decref(status);
        if (has_no_keeping) {
                print_message("skipped: this kernel cannot keep a stopped thread from SIGCONT\n");
                skip();
        }
        scenario_wait_height(s, 40, TIMEOUT_US);
        int node = scenario_node_pid(s), director = scenario_role(s, "interrex-director");
        assert_int_equal(kill(director, SIGSTOP), 0);
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        while (!is_stopped(node))
                assert_false(now_monotonic() > deadline ||
                                process_ends_within(&s->supervisor, USEC_PER_MSEC));
        assert_int_equal(kill(node, SIGCONT), 0);
        assert_false(process_ends_within(&s->supervisor, 300 * USEC_PER_MSEC)); /* for fifteen blocks */
        assert_int_equal(kill(director, SIGCONT), 0);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, (const struct ledger_range[]){{1, 59, "1.0.0"}}, 1);
}

static bool answers(const json_t *status, const void *userdata) {
        (void)userdata;
        return !scenario_is_degraded(status, "no answer");
}

/* While somebody else traces the thread it cannot be parked, and the whole process stands. */
SCENARIO(I6_reads_are_served_when_a_debugger_has_gone) {
        char pid[16];
        struct process debugger;
        scenario_need("/usr/bin/strace");
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .block_ms = 20});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_expect(s, 0, "schedule", "set", s->node, "100", "2.x", NULL);
        scenario_start(s);
        scenario_wait_height(s, 10, TIMEOUT_US);
        (void)snprintf(pid, sizeof(pid), "%d", scenario_node_pid(s));
        const char *command[] = {
                        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=none", "-p", pid, NULL};
        const struct process_start start = {
                        .arguments = command, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_start(&start, &debugger), 0);
        scenario_wait_phase(s, "held", 6 * TIMEOUT_US);
        json_decref(scenario_wait_status(s, scenario_is_degraded, "no answer", TIMEOUT_US));
        process_kill(&debugger);
        json_decref(scenario_wait_status(s, answers, NULL, 3 * TIMEOUT_US));
        scenario_stop(s);
        scenario_assert_ranges(s, (const struct ledger_range[]){{1, 99, "1.0.0"}}, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {SCENARIO_TEST(I4_a_director_that_comes_back_waits_for_the_height),
                        SCENARIO_TEST(I4_a_SIGCONT_does_not_let_the_node_pass),
                        SCENARIO_TEST(I6_reads_are_served_when_a_debugger_has_gone)};
        return cmocka_run_group_tests_name("the gate after a director's death", tests, NULL, NULL);
}
