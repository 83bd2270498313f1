/* Where heights come from, and what is believed of them: told over a WebSocket by a real anvil; lied about; not told any more. */
#include "support/scenario.h"

#include <poll.h>
#include <signal.h>

#define FOLDER "/var/cache/interrex-nodes/"
#define TIMEOUT_US (60 * USEC_PER_SEC)

static bool has_problem(const json_t *status, const void *userdata) {
        const char *problem = json_string_value(json_object_get(status, "height_problem"));
        return problem && strstr(problem, userdata);
}

static bool has_none(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_is_null(json_object_get(status, "height_problem"));
}

SCENARIO(follows_anvil_over_a_websocket_through_a_swap) {
        scenario_need(FOLDER "anvil-1.7.0"); /* `./setup demo` fetches them */
        scenario_need(FOLDER "anvil-1.7.1");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.7.0\"\n"
                        "exec:\n  command: anvil\n  args: [--host, \"127.0.0.1\", --port, '8545', "
                        "--block-time, '1', --state, \"{state}/chain.json\"]\n  user: nobody\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\n"
                        "height: {source: ethereum, url: \"ws://127.0.0.1:8545\", every: 100ms}\n"
                        "gate: {kind: observe, overshoot: allow}\nprobes:\n  - {name: rpc, kind: height}\n"
                        "progress: {blocks: 2, within: 10s}\nprobation: 2s\n",
                        s->node, s->data);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.0", FOLDER "anvil-1.7.0", NULL);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.1", FOLDER "anvil-1.7.1", NULL);
        scenario_start(s);
        scenario_wait_height(s, 1, TIMEOUT_US);
        scenario_start_load(s, 100, 5);
        scenario_expect(s, 0, "upgrade", s->node, "1.7.1", "--at", "6", "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_assert_release(s, "1.7.1");
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_int_equal(scenario_number(status, "last_swap.at_height"), 6);
        assert_string_equal(scenario_text(status, "last_swap.outcome"), "committed");
        int64_t height = scenario_number(status, "height");
        assert_true(height >= 7 &&
                        height < 60); /* it went on from 5, after the swap, from the new one's blocks */
        assert_true(has_none(status, NULL));
        json_decref(status);
        scenario_wait_height(s, (uint64_t)height + 2, TIMEOUT_US);
        /* Who asks a WebSocket is asked again by a new prober. */
        int prober = scenario_role(s, "interrex-prober");
        scenario_kill(prober);
        scenario_wait_role(s, "interrex-prober", prober, TIMEOUT_US);
        scenario_wait_height(s, (uint64_t)height + 5, TIMEOUT_US);
        scenario_stop(s);
}

static uint64_t wakeups_of(int pid) {
        char path[64], line[128];
        uint64_t wakeups = 0;
        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                (void)sscanf(line, "voluntary_ctxt_switches: %lu", &wakeups);
        return wakeups;
}

SCENARIO(nothing_is_asked_of_anvil_while_it_makes_no_blocks) {
        scenario_need(FOLDER "anvil-1.7.1");
        scenario_configure(s,
                        "node: %s\nexec:\n  command: anvil\n  args: [--port, '8545']\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\n"
                        "height: {source: ethereum, url: \"ws://127.0.0.1:8545\", every: 50ms}\n"
                        "probes:\n  - {name: rpc, kind: height}\n",
                        s->node);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.1", FOLDER "anvil-1.7.1", NULL);
        scenario_start(s);
        scenario_wait_height(s, 0, TIMEOUT_US);
        uint64_t before = wakeups_of(scenario_role(s, "interrex-prober"));
        (void)poll(NULL, 0, 5000);
        uint64_t wakeups = wakeups_of(scenario_role(s, "interrex-prober")) - before;
        print_message("the prober woke %lu times in 5 s\n", wakeups);
        assert_in_range(wakeups, 0, 8); /* beginning anew after the start; polled, it would be 200 */
        scenario_stop(s);
}

/* Blocks 20 to 94 are told wrong: 10 million, then to and fro, then 3. */
SCENARIO(no_lie_about_the_height_begins_a_swap) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .block_ms = 100,
                                                       .more = "gate: {kind: observe, overshoot: allow}"});
        scenario_add_testnode(s, "1.0.0", "--lie-from 20 --lie-until 95");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "300", NULL);
        json_t *status = scenario_wait_status(
                        s, has_problem, "tells height 10000000, too far ahead of", TIMEOUT_US);
        assert_string_equal(scenario_text(status, "phase"), "armed");
        assert_in_range(scenario_number(status, "height"), 15, 20);
        json_decref(status);
        status = scenario_wait_status(s, has_problem, "too far behind", TIMEOUT_US);
        assert_string_equal(scenario_text(status, "phase"), "armed");
        json_decref(status);
        scenario_wait_height(s, 96, TIMEOUT_US);
        status = scenario_wait_status(s, has_none, NULL, TIMEOUT_US);
        assert_string_equal(scenario_text(status, "phase"), "armed");
        assert_in_range(scenario_number(status, "height"), 96, 130);
        json_decref(status);
        scenario_wait_height(s, 302, TIMEOUT_US);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
        struct ledger ledger;
        uint64_t first = 0;
        assert_int_equal(ledger_read(s->ledger, &ledger), 0);
        for (size_t i = 0; i < ledger.n && first == 0; i++)
                first = strcmp(ledger.entries[i].version, "2.0.0") == 0 ? ledger.entries[i].height : 0;
        ledger_done(&ledger);
        assert_in_range(first, 300, 305); /* polled, so it may overshoot */
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(the_last_good_height_stays_with_its_age) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
        json_t *status = scenario_status(s);
        assert_true(json_number_value(json_object_get(status, "height_age_s")) < 1.5);
        assert_true(has_none(status, NULL));
        int pid = (int)scenario_number(status, "pid");
        json_decref(status);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        status = scenario_wait_status(s, has_problem, "no answer from 127.0.0.1:8545", TIMEOUT_US);
        double age = json_number_value(json_object_get(status, "height_age_s"));
        int64_t height = scenario_number(status, "height");
        assert_true(height >= 3 && age >= 1.5);
        json_decref(status);
        struct process_result human = scenario_cli(s, "status", s->node, NULL);
        assert_non_null(strstr(human.output, " s ago)"));
        assert_non_null(strstr(human.output, "no answer from"));
        process_result_done(&human);
        assert_int_equal(kill(pid, SIGCONT), 0);
        scenario_wait_height(s, (uint64_t)height + 3, TIMEOUT_US);
        json_decref(scenario_wait_status(s, has_none, NULL, TIMEOUT_US));
        scenario_stop(s);
}

/* The test node answers in the place of a Flow node, which was not to be had. */
SCENARIO(a_flow_node_that_can_serve_less_than_the_schedule_asks_is_told) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .more = "height: {source: flow, url: \"http://127.0.0.1:8545\", "
                                                   "every: 50ms}\n"
                                                   "probes:\n  - {name: range, kind: flow-version, url: "
                                                   "\"http://127.0.0.1:8545\", every: 100ms}"});
        scenario_add_testnode(s, "1.0.0", "--compatible-until 80");
        scenario_add_testnode(s, "2.0.0", "--compatible-until 0");
        scenario_start(s);
        json_decref(scenario_wait_status(s, scenario_is_degraded,
                        "1.0.0 says that it can serve heights up to 80 only; the schedule has no boundary "
                        "there",
                        TIMEOUT_US));
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        json_decref(scenario_wait_status(
                        s, scenario_is_degraded, "by the schedule it runs up to 199", TIMEOUT_US));
        scenario_wait_height(s, 82, TIMEOUT_US);
        json_decref(scenario_wait_status(s, scenario_is_degraded,
                        "range: 1.0.0 says that it can serve heights up to 80 only, and it is at",
                        TIMEOUT_US));
        scenario_wait_height(s, 202, TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_false(scenario_is_degraded(status, "can serve"));
        json_decref(status);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 199, "1.0.0"}, {200, UINT64_MAX, "2.0.0"}}, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(follows_anvil_over_a_websocket_through_a_swap),
                        SCENARIO_TEST(nothing_is_asked_of_anvil_while_it_makes_no_blocks),
                        SCENARIO_TEST(no_lie_about_the_height_begins_a_swap),
                        SCENARIO_TEST(the_last_good_height_stays_with_its_age),
                        SCENARIO_TEST(a_flow_node_that_can_serve_less_than_the_schedule_asks_is_told),
        };
        return cmocka_run_group_tests_name("heights", tests, NULL, NULL);
}
