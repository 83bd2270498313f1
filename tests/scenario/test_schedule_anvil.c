/* A real node that cannot be stopped at a height follows its schedule all the same: held until the next release is added, none of its
 * clients refused. */
#include "support/scenario.h"

#define FOLDER "/var/cache/interrex-nodes/"
#define TIMEOUT_US (60 * USEC_PER_SEC)

static bool is_held(const json_t *status, const void *userdata) {
        (void)userdata;
        return strcmp(scenario_text(status, "phase"), "held") == 0;
}

SCENARIO(I3_anvil_goes_on_when_the_next_release_is_added) {
        if (access(FOLDER "anvil-1.7.0", X_OK) < 0 || access(FOLDER "anvil-1.7.1", X_OK) < 0) {
                print_message("anvil is not in " FOLDER ": ./setup demo fetches it\n");
                skip();
        }
        scenario_configure(s,
                        "node: %s\nrelease: \"1.7.0\"\n"
                        "exec:\n  command: anvil\n  args: [--host, \"127.0.0.1\", --port, '8545', "
                        "--block-time, '1', --state, "
                        "\"{state}/chain.json\"]\n  user: nobody\n  stop_timeout: 10s\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\n"
                        "height: {source: ethereum, url: \"http://127.0.0.1:8545\", every: 100ms}\n"
                        "gate: {kind: observe, overshoot: allow}\nprobes:\n  - {name: rpc, kind: "
                        "height}\nprobation: 2s\n",
                        s->node, s->data);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.0", FOLDER "anvil-1.7.0", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "4", ">=1.7.1", NULL);
        scenario_start(s);
        scenario_start_load(s, 100, 5);
        json_decref(scenario_wait_status(s, is_held, NULL, TIMEOUT_US));
        scenario_expect(s, 1, "plan", s->node, NULL);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.1", FOLDER "anvil-1.7.1", NULL);
        scenario_wait_height(s, 5, TIMEOUT_US);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_assert_release(s, "1.7.1");
        scenario_expect(s, 0, "plan", s->node, NULL);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {SCENARIO_TEST(I3_anvil_goes_on_when_the_next_release_is_added)};
        return cmocka_run_group_tests_name("anvil's schedule", tests, NULL, NULL);
}
