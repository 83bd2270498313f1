/* `hold` in the configuration: what may be served while the peers are cut off, and for whom it is not. */
#include "support/config_texts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Lines 1 to 3. */
#define HEAD                            \
        "node: a\nexec: {command: a}\n" \
        "listen: [\"tcp:127.0.0.1:8545\", \"tcp:0.0.0.0:30303\", \"udp:0.0.0.0:30303\"]\n"

static void what_is_served_is_read(void **state) {
        static const char text[] = "hold: {serve: [\"tcp:127.0.0.1:8545\"]}\n" HEAD
                                   "gate: {kind: log, pattern: 'h=([0-9]+)'}\n";
        _cleanup_(config_free_at) struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        (void)state;
        assert_int_equal(config_parse(text, strlen(text), &config, &mistakes), 0);
        assert_int_equal(config->n_hold_serve, 1);
        assert_true(address_equal(&config->hold_serve[0], &config->listen[0]));
}

static void nothing_is_served_unless_it_is_said(void **state) {
        _cleanup_(config_free_at) struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        (void)state;
        assert_int_equal(config_parse(HEAD, strlen(HEAD), &config, &mistakes), 0);
        assert_int_equal(config->n_hold_serve, 0);
}

static void every_mistake_is_told_with_its_line(void **state) {
        static const struct config_mistake_case cases[] = {
                        {HEAD "hold: {}\n", 4, "hold needs `serve`"},
                        {HEAD "hold: {serve: []}\n", 4, "at least one address"},
                        {HEAD "hold:\n  serve:\n    - tcp:127.0.0.1:8545\n    - tcp:127.0.0.1:8546\n", 7,
                                        "none of `listen`"},
                        {HEAD "hold:\n  serve:\n    - udp:0.0.0.0:30303\n", 6, "no tcp: address"},
                        {HEAD "hold:\n  serve:\n    - nonsense\n", 6, "nonsense"},
                        {HEAD "hold:\n  serve:\n    - tcp:127.0.0.1:8545\n    - tcp:127.0.0.1:8545\n", 7,
                                        "stands here twice"},
                        {HEAD "hold: {serve: [\"tcp:127.0.0.1:8545\"]}\nstate: {directory: /a, signer: "
                              "inside}\n",
                                        4, "would still sign"},
                        {HEAD "gate: {kind: uprobe, symbol: c, argument: 1, abi: c}\nhold: {serve: "
                              "[\"tcp:127.0.0.1:8545\"]}\n",
                                        5, "serves all its addresses"},
                        {"node: a\nexec: {command: a, listen_fds: true}\n"
                         "listen: [\"tcp:127.0.0.1:8545\", \"tcp:0.0.0.0:30303\"]\n"
                         "hold: {serve: [\"tcp:127.0.0.1:8545\"]}\n",
                                        4, "tcp:0.0.0.0:30303 is handed to the node"},
        };
        (void)state;
        assert_config_mistakes(cases, ELEMENTS(cases));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(what_is_served_is_read),
                        cmocka_unit_test(nothing_is_served_unless_it_is_said),
                        cmocka_unit_test(every_mistake_is_told_with_its_line),
        };
        return cmocka_run_group_tests_name("hold in the configuration", tests, NULL, NULL);
}
