/* The function of a uprobe gate is named in one of three ways, and a pattern must be one that is safe to search with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/lib/config.h"

#define HEAD "node: a\nexec: {command: a}\n"

static void test_a_pattern_is_read(void **state) {
        static const char text[] =
                        HEAD "gate: {kind: uprobe, symbol_pattern: '_ZN.*commit_block.*17h[0-9a-f]{16}E', "
                             "argument: 2, abi: c}\n";
        _cleanup_(config_free_at) struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        (void)state;
        assert_int_equal(config_parse(text, strlen(text), &config, &mistakes), 0);
        assert_string_equal(config->gate.symbol_pattern, "_ZN.*commit_block.*17h[0-9a-f]{16}E");
        assert_int_equal(config->gate.argument, 2);
        assert_null(config->gate.symbol);
        assert_null(config->gate.usdt);
}

static void test_a_wrong_gate_is_told_with_its_line(void **state) {
        static const struct {
                const char *gate, *says;
        } vectors[] = {
                        {"symbol_pattern: x, symbol: x, argument: 1, abi: c", "only one"},
                        {"symbol_pattern: x, usdt: \"a:b\", argument: 1, abi: c", "only one"},
                        {"symbol_pattern: x, symbol: x, usdt: \"a:b\", argument: 1, abi: c", "only one"},
                        {"argument: 1, abi: c", "gate.symbol_pattern, gate.symbol or gate.usdt"},
                        {"symbol_pattern: x, abi: c", "gate.symbol_pattern needs gate.argument"},
                        {"symbol_pattern: x, argument: 1", "gate.symbol_pattern needs gate.abi"},
                        {"symbol_pattern: \"\", argument: 1, abi: c", "must not be empty"},
                        {"symbol_pattern: 'x(', argument: 1, abi: c",
                                        "not a POSIX extended regular expression"},
                        {"symbol_pattern: '(x)\\1', argument: 1, abi: c", "refer back"},
                        {"symbol_pattern: '((x{99}){99}){99}', argument: 1, abi: c", "multiply too far"},
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                _cleanup_(config_free_at) struct config *config = NULL;
                _cleanup_(config_mistakes_done) struct config_mistakes mistakes = {0};
                char text[512];
                (void)snprintf(text, sizeof(text), HEAD "gate: {kind: uprobe, %s}\n", vectors[i].gate);
                assert_int_equal(config_parse(text, strlen(text), &config, &mistakes), -EINVAL);
                assert_int_equal(mistakes.n, 1);
                assert_int_equal(mistakes.items[0].line, 3);
                if (!strstr(mistakes.items[0].text, vectors[i].says))
                        fail_msg("\"%s\" does not say \"%s\"", mistakes.items[0].text, vectors[i].says);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_a_pattern_is_read),
                        cmocka_unit_test(test_a_wrong_gate_is_told_with_its_line),
        };
        return cmocka_run_group_tests_name("the gate's configuration", tests, NULL, NULL);
}
