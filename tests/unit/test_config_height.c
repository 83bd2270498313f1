/* `height` and the probes that go with it: what may stand together, and which line is wrong. */
#include "support/config_texts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD "node: a\nexec: {command: a}\n"

static void test_websockets_are_for_ethereum(void **state) {
        (void)state;
        struct config *config =
                        parse_config(HEAD "height: {source: ethereum, url: \"ws://127.0.0.1:8546/a\"}\n");
        assert_string_equal(config->height.url, "ws://127.0.0.1:8546/a");
        assert_int_equal(config->height.address.port, 8546);
        config_free(config);
        config = parse_config(HEAD "height: {source: ethereum, url: \"wss://[::1]/\"}\n");
        assert_int_equal(config->height.address.port, 443);
        config_free(config);
        config = parse_config(HEAD "height: {source: ethereum, url: \"ws://localhost\"}\n");
        assert_int_equal(config->height.address.port, 80);
        config_free(config);
        assert_config_mistake(HEAD "height:\n  source: cometbft\n  url: ws://127.0.0.1:1/\n", 5,
                        "only the source ethereum");
        assert_config_mistake(
                        HEAD "height:\n  source: ethereum\n  url: ws://u:p@127.0.0.1/\n", 5, "names a user");
        assert_config_mistake(
                        HEAD "height: {source: ethereum, url: \"wss://example.org/\"}\n", 3, "name server");
        assert_config_mistake(HEAD "probes: [{name: a, kind: http, url: \"ws://127.0.0.1/\"}]\n", 3,
                        "http:// or https://");
}

static void test_a_role_chooses_the_metric_of_a_flow_node(void **state) {
        static const char *const others[] = {"access", "collection", "consensus", "verification"};
        (void)state;
        struct config *config = parse_config(HEAD
                        "height: {source: flow, role: execution, url: \"http://127.0.0.1:8080/metrics\"}\n");
        assert_int_equal(config->height.role, FLOW_EXECUTION);
        assert_string_equal(config->height.metric, "execution_runtime_last_executed_block_height");
        config_free(config);
        for (size_t i = 0; i < ELEMENTS(others); i++) {
                char text[200];
                (void)snprintf(text, sizeof(text),
                                HEAD "height: {source: flow, role: %s, url: \"http://[::1]/metrics\"}\n",
                                others[i]);
                config = parse_config(text);
                assert_string_equal(config->height.metric, "consensus_compliance_finalized_height");
                config_free(config);
        }
        config = parse_config(HEAD "height: {source: flow, role: access, url: "
                                   "\"http://127.0.0.1:8070/v1/blocks?height=final\"}\n");
        assert_null(config->height.metric);
        config_free(config);
}

static void test_what_does_not_go_with_a_flow_node_is_told(void **state) {
        (void)state;
        assert_config_mistake(HEAD
                        "height:\n  source: flow\n  role: executor\n  url: http://127.0.0.1/metrics\n",
                        5, "none of: execution, access, collection, consensus, verification");
        assert_config_mistake(HEAD "height:\n  source: flow\n  url: http://127.0.0.1/metrics\n", 5,
                        "height.role is needed");
        assert_config_mistake(HEAD "height:\n  source: flow\n  role: execution\n  url: "
                                   "http://127.0.0.1/v1/blocks?height=final\n",
                        5, "only access nodes");
        assert_config_mistake(HEAD "height:\n  source: flow\n  role: access\n  url: http://127.0.0.1/x\n", 6,
                        "must be that of metrics");
        assert_config_mistake(HEAD "height:\n  source: flow\n  role: access\n  metric: x\n  url: "
                                   "http://127.0.0.1/metrics\n",
                        6, "chooses the metric");
        assert_config_mistake(HEAD "height:\n  source: cometbft\n  role: access\n  url: http://127.0.0.1/\n",
                        5, "is for the source flow");
        assert_config_mistake(HEAD "height:\n  source: flow\n  rol: access\n  url: http://127.0.0.1/\n", 5,
                        "did you mean \"height.role\"?");
}

static void test_a_flow_version_probe_is_read(void **state) {
        (void)state;
        struct config *config = parse_config(HEAD
                        "probes: [{name: range, kind: flow-version, url: \"http://127.0.0.1:8070\"}]\n");
        assert_int_equal(config->probes[0].kind, PROBE_FLOW_VERSION);
        assert_int_equal(config->probes[0].address.port, 8070);
        config_free(config);
        assert_config_mistake(HEAD "probes:\n  - {name: a, kind: flow-version}\n", 4, "needs `url`");
        assert_config_mistake(HEAD
                        "probes:\n  - {name: a, kind: flow-version, url: \"http://127.0.0.1\", status: "
                        "200}\n",
                        4, "are for probes of kind http");
}

#define UNITS HEAD "height:\n  source: flow\n  url: http://127.0.0.1:8070\n"

static void test_other_units_have_sources_of_their_own(void **state) {
        (void)state;
        struct config *config = parse_config(
                        UNITS "  units:\n"
                              "    - {unit: view, source: metrics, url: \"http://127.0.0.1:8080/metrics\", "
                              "metric: consensus_hotstuff_cur_view}\n"
                              "    - {unit: epoch, source: exec, command: [\"/usr/local/bin/epoch\"], "
                              "every: 10s}\n");
        const struct counter_config *view = &config->height.units[UNIT_VIEW],
                                    *epoch = &config->height.units[UNIT_EPOCH];
        assert_int_equal(view->source, HEIGHT_METRICS);
        assert_string_equal(view->url, "http://127.0.0.1:8080/metrics");
        assert_int_equal(view->address.port, 8080);
        assert_string_equal(view->metric, "consensus_hotstuff_cur_view");
        assert_int_equal(view->every_us, USEC_PER_SEC);
        assert_int_equal(epoch->source, HEIGHT_EXEC);
        assert_string_equal(epoch->command[0], "/usr/local/bin/epoch");
        assert_int_equal(epoch->every_us, 10 * USEC_PER_SEC);
        assert_int_equal(config->height.units[UNIT_HEIGHT].source, HEIGHT_NONE);
        assert_int_equal(config->height.units[UNIT_TIME].source, HEIGHT_NONE);
        config_free(config);
}

static void test_what_cannot_tell_a_unit_is_a_mistake(void **state) {
        static const struct config_mistake_case cases[] = {
                        {UNITS "  units: view\n", 6, "height.units: this must be a list"},
                        {UNITS "  units: [view]\n", 6, "height.units: this must be keys with values"},
                        {UNITS "  units:\n    - {source: exec, command: [a]}\n", 7,
                                        "needs `unit`: view or epoch"},
                        {UNITS "  units:\n    - {unit: view}\n", 7, "needs `source`: metrics or exec"},
                        {UNITS "  units:\n    - unit: height\n      source: exec\n      command: [a]\n", 7,
                                        "\"height\" is none of: view, epoch"},
                        {UNITS "  units:\n    - unit: view\n      source: ethereum\n", 8,
                                        "\"ethereum\" is none of: metrics, exec"},
                        {UNITS "  units:\n    - {unit: view, source: metrics, metric: v}\n", 7,
                                        "the source metrics needs `url`"},
                        {UNITS "  units:\n    - {unit: view, source: metrics, url: \"http://[::1]/\"}\n", 7,
                                        "the source metrics needs `metric`"},
                        {UNITS "  units:\n    - {unit: view, source: exec}\n", 7,
                                        "the source exec needs `command`"},
                        {UNITS "  units:\n    - unit: view\n      url: ws://[::1]/\n      source: metrics\n "
                               "     "
                               "metric: v\n",
                                        8, "http:// or https://"},
                        {UNITS "  units:\n    - unit: view\n      command: [bin/x]\n      source: exec\n", 8,
                                        "a command is a list"},
                        {UNITS "  units:\n    - unit: view\n      every: 1ms\n      source: exec\n      "
                               "command: "
                               "[a]\n",
                                        8, "must be from 10ms to 1h"},
                        {UNITS "  units:\n    - unit: view\n      source: exec\n      command: [a]\n      "
                               "metrik: "
                               "v\n",
                                        10, "did you mean \"height.units.metric\"?"},
                        {UNITS "  units:\n    - {unit: epoch, source: exec, command: [a]}\n"
                               "    - {unit: epoch, source: exec, command: [a]}\n",
                                        8, "two sources for epochs"},
                        {UNITS "  units:\n    - {unit: view, source: exec, command: [a]}\n  unit: view\n", 7,
                                        "the height itself is in views"}};
        (void)state;
        assert_config_mistakes(cases, ELEMENTS(cases));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_websockets_are_for_ethereum),
                        cmocka_unit_test(test_a_role_chooses_the_metric_of_a_flow_node),
                        cmocka_unit_test(test_what_does_not_go_with_a_flow_node_is_told),
                        cmocka_unit_test(test_a_flow_version_probe_is_read),
                        cmocka_unit_test(test_other_units_have_sources_of_their_own),
                        cmocka_unit_test(test_what_cannot_tell_a_unit_is_a_mistake),
        };
        return cmocka_run_group_tests_name("configured heights", tests, NULL, NULL);
}
