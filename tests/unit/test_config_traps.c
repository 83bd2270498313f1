/* What reads well in a configuration, and would never work. */
#include "lib/config.h"
#include "support/config_texts.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD "node: a\nexec: {command: a}\n"

static void test_traps_are_mistakes(void **state) {
        static const struct config_mistake_case vectors[] = {
                        {HEAD "state:\n  overlap: false\n  fence: lock\n", 5,
                                        "fence: lock needs state.directory"},
                        {HEAD "state:\n  directory: /.\n", 4, "without . and .."},
                        {HEAD "state:\n  directory: /srv/../a\n", 4, "without . and .."},
                        {HEAD "state:\n  directory: /srv/a/..\n", 4, "without . and .."},
                        {HEAD "height: {source: exec, command: [\"\"]}\n", 3,
                                        "looked for in /usr/local/sbin"},
                        {HEAD "height: {source: exec, command: [./height]}\n", 3, "absolute path"},
                        {HEAD "height: {source: log, pattern: 'height=(\\d+)'}\n", 3, "no \\d: write [0-9]"},
                        {HEAD "height: {source: log, pattern: 'height=([\\d]+)'}\n", 3,
                                        "no \\d: write [0-9]"},
                        {HEAD "gate: {kind: log, pattern: '(\\D+)'}\n", 3, "no \\D: write [^0-9]"},
                        {HEAD "gate: {kind: log, pattern: 'h\\t([0-9]+)'}\n", 3,
                                        "no \\t: write the character"},
                        {HEAD "gate: {kind: uprobe, symbol_pattern: 'x\\d', argument: 1, abi: c}\n", 3,
                                        "no \\d"},
                        {"node: a\nexec:\n  command: a\n  stop_signal: SIGSTOP\n", 4, "without ending it"},
                        {"node: a\nexec:\n  command: a\n  stop_signal: TSTP\n", 4, "SIGTSTP stops"},
                        {"node: a\nexec:\n  command: a\n  stop_signal: SIGCONT\n", 4, "ends no process"},
                        {"node: a\nexec:\n  command: a\n  args: [\"a\\0b\"]\n", 4, "NUL"},
        };
        (void)state;
        assert_config_mistakes(vectors, ELEMENTS(vectors));
}

static void test_what_looks_like_them_is_right(void **state) {
        static const char *const texts[] = {
                        HEAD "state: {fence: exec}\n",
                        HEAD "state: {directory: /srv/.a/..b/c.d}\n",
                        HEAD "height: {source: exec, command: [node-cli, height]}\n",
                        HEAD "height: {source: log, pattern: '\\bheight\\\\d\\.\\s([0-9]+)\\W'}\n",
                        "node: a\nexec: {command: a, stop_signal: SIGKILL, args: [\"\"]}\n",
                        "node: a\nexec: {command: a, stop_signal: SIGWINCH}\n",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                config_free(parse_config(texts[i]));
        struct config *config = parse_config(HEAD "state: {directory: /srv/a//}\n");
        assert_string_equal(config->state.directory, "/srv/a");
        config_free(config);
}

static void test_the_state_lies_apart_from_what_is_interrexs(void **state) {
        (void)state;
        assert_true(config_place_is_taken("/var/lib/interrex/a", "/var/lib/interrex/a"));
        assert_true(config_place_is_taken("/var/lib/interrex", "/var/lib/interrex/a"));
        assert_true(config_place_is_taken("/var/lib/interrex/a/releases", "/var/lib/interrex/a"));
        assert_true(config_place_is_taken("/var/lib/interrex/a/releases/1.0.0", "/var/lib/interrex/a"));
        assert_false(config_place_is_taken("/var/lib/interrex/ab", "/var/lib/interrex/a"));
        assert_false(config_place_is_taken("/var/lib/interrex/a/data", "/var/lib/interrex/a"));
        assert_false(config_place_is_taken("/srv/a", "/var/lib/interrex/a"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_traps_are_mistakes),
                        cmocka_unit_test(test_what_looks_like_them_is_right),
                        cmocka_unit_test(test_the_state_lies_apart_from_what_is_interrexs),
        };
        return cmocka_run_group_tests_name("config traps", tests, NULL, NULL);
}
