/* A real node that cannot be stopped at a height follows its schedule all the same: held until the next release is added, none of its
 * clients refused. */
#include "support/scenario.h"

#define FOLDER "/var/cache/interrex-nodes/"
#define TIMEOUT_US (60 * USEC_PER_SEC)

SCENARIO(I3_anvil_goes_on_when_the_next_release_is_added) {
        scenario_need(FOLDER "anvil-1.7.0"); /* `./setup demo` fetches them */
        scenario_need(FOLDER "anvil-1.7.1");
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
        scenario_wait_phase(s, "held", TIMEOUT_US);
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
