/* From what a node answers to a height: right, malformed and hostile answers. */
#include "prober/answers.h"
#include "prober/judge.h"
#include "prober/printable.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define UNTOUCHED UINT64_C(77)

static struct prober_check check_of(uint32_t kind, uint32_t status, const char *argument) {
        struct prober_check check = {.kind = kind, .status = status};
        text_copy(check.argument, sizeof(check.argument), argument);
        return check;
}

static void expect_height(uint32_t kind, const char *argument, const char *body, uint64_t height) {
        struct prober_check check = check_of(kind, 0, argument);
        uint64_t found = UNTOUCHED;
        char why[400] = "";
        if (judge_answer(&check, 200, body, strlen(body), &found, why, sizeof(why)) < 0)
                fail_msg("`%s` was refused: %s", body, why);
        assert_int_equal(found, height);
}

static void expect_refusal_of(
                uint32_t kind, const char *argument, const char *body, size_t size, const char *sentence) {
        struct prober_check check = check_of(kind, 0, argument);
        uint64_t found = UNTOUCHED;
        char why[400] = "";
        assert_true(judge_answer(&check, 200, body, size, &found, why, sizeof(why)) < 0);
        assert_int_equal(found, UNTOUCHED);
        if (!strstr(why, sentence))
                fail_msg("`%s`: \"%s\" does not say \"%s\"", body, why, sentence);
}

static void expect_refusal(uint32_t kind, const char *argument, const char *body, const char *sentence) {
        expect_refusal_of(kind, argument, body, strlen(body), sentence);
}

static void ethereum_tells_hexadecimal_quantities(void **state) {
        (void)state;
        expect_height(CHECK_ETHEREUM, "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x10d4f\"}", 0x10d4f);
        expect_height(CHECK_ETHEREUM, "", "{\"result\":\"0x0\",\"error\":null}", 0);
        expect_height(CHECK_ETHEREUM, "", "{\"result\":\"0xAbC\"}", 0xabc);
        expect_height(CHECK_ETHEREUM, "", "{\"result\":\"0x00000000000000000000ff\"}", 255);
}

static void ethereum_refuses_all_else(void **state) {
        static const char none[] = "no height as result";
        (void)state;
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"16\"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":16}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0x\"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"-0x1\"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0x-1\"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0x1 \"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0xffffffffffffffff\"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0x10000000000000000\"}", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":{\"height\":1}}", none);
        expect_refusal(CHECK_ETHEREUM, "", "[\"0x1\"]", none);
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":null}", "null");
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0x1\",\"result\":\"0x2\"}", "not JSON");
        expect_refusal(CHECK_ETHEREUM, "", "{\"result\":\"0x1\"} and more", "not JSON");
        expect_refusal(CHECK_ETHEREUM, "", "<html>", "not JSON");
        expect_refusal(CHECK_ETHEREUM, "", "", "empty");
        expect_refusal_of(CHECK_ETHEREUM, "", "{\"result\":\"0x1\"\0}", 17, "not JSON");
}

static void the_nodes_own_error_is_told(void **state) {
        (void)state;
        expect_refusal(CHECK_BITCOIN, "",
                        "{\"result\":null,\"error\":{\"code\":-28,\"message\":\"Loading block "
                        "index\"},\"id\":1}",
                        "JSON-RPC error -28: Loading block index");
        expect_refusal(CHECK_ETHEREUM, "",
                        "{\"result\":\"0x5\",\"error\":{\"code\":1,\"message\":\"stale\"}}",
                        "JSON-RPC error 1: stale");
        expect_refusal(CHECK_ETHEREUM, "", "{\"error\":{}}", "it gives no message");
        expect_refusal(CHECK_ETHEREUM, "", "{\"error\":\"busy\"}", "JSON-RPC error: busy");
        expect_refusal(CHECK_COMETBFT, "",
                        "{\"error\":{\"code\":-32603,\"message\":\"node is catching up\"}}",
                        "JSON-RPC error -32603: node is catching up");
}

static void others_tell_decimal_numbers(void **state) {
        (void)state;
        expect_height(CHECK_BITCOIN, "", "{\"result\":812345,\"error\":null,\"id\":1}", 812345);
        expect_height(CHECK_COMETBFT, "", "{\"result\":{\"sync_info\":{\"latest_block_height\":\"1299\"}}}",
                        1299);
        expect_height(CHECK_COMETBFT, "", "{\"sync_info\":{\"latest_block_height\":1299}}", 1299);
        expect_height(CHECK_FLOW, "", "[{\"header\":{\"height\":\"42\"}},{\"header\":{\"height\":\"43\"}}]",
                        42);
        expect_refusal(CHECK_BITCOIN, "", "{\"result\":\"0x10\"}", "no height");
        expect_refusal(CHECK_BITCOIN, "", "{\"result\":-1}", "no height");
        expect_refusal(CHECK_BITCOIN, "", "{\"result\":1.5}", "no height");
        expect_refusal(CHECK_BITCOIN, "", "{\"result\":9223372036854775807}", "no height");
        expect_refusal(CHECK_BITCOIN, "", "{\"result\":99999999999999999999}", "not JSON");
        expect_refusal(CHECK_COMETBFT, "", "{\"result\":{\"sync_info\":{\"latest_block_height\":\"-4\"}}}",
                        "latest_block_height");
        expect_refusal(CHECK_COMETBFT, "",
                        "{\"result\":{\"sync_info\":{\"latest_block_height\":\"18446744073709551616\"}}}",
                        "latest_block_height");
        expect_refusal(CHECK_COMETBFT, "", "{\"result\":[]}", "latest_block_height");
        expect_refusal(CHECK_FLOW, "", "[]", "[0].header.height");
        expect_refusal(CHECK_FLOW, "", "{\"header\":{\"height\":\"42\"}}", "[0].header.height");
}

static void nesting_has_an_end(void **state) {
        static char body[200000];
        (void)state;
        memset(body, '[', sizeof(body) - 1);
        expect_refusal(CHECK_FLOW, "", body, "not JSON");
}

static void metrics_are_found_by_name_and_labels(void **state) {
        static const char body[] = "# HELP height_total is not it\n# TYPE height gauge\n"
                                   "height_total 5\n"
                                   "height{chain=\"side,}\\\"chain\",kind=\"final\"} 7\n"
                                   "height{chain=\"main\",kind=\"final\"} 1.2e+03 1700000000000\n"
                                   "height{xkind=\"head\",chain=\"main\"}8\r\n"
                                   "height 9\n";
        (void)state;
        expect_height(CHECK_METRICS, "height_total", body, 5);
        expect_height(CHECK_METRICS, "height", body, 7);
        expect_height(CHECK_METRICS, "height{chain=\"main\"}", body, 1200);
        expect_height(CHECK_METRICS, "height{kind=\"final\",chain=\"main\"}", body, 1200);
        expect_height(CHECK_METRICS, "height{chain=\"side,}\\\"chain\"}", body, 7);
        expect_height(CHECK_METRICS, "height{xkind=\"head\"}", body, 8);
        expect_refusal(CHECK_METRICS, "height{kind=\"head\"}", body, "does not hold the metric");
        expect_refusal(CHECK_METRICS, "heigh", body, "does not hold the metric");
        expect_refusal(CHECK_METRICS, "height{kind=head}", body, "in the configuration");
        expect_refusal(CHECK_METRICS, "", body, "in the configuration");
}

static void metrics_without_a_height_are_refused(void **state) {
        static const char *const values[] = {"-1", "NaN", "+Inf", "1.5", "1e300", "0x10", "",
                        "9007199254740994", "5x", "\n12",
                        "00000000000000000000000000000000000000000000000000000000000000000000000001"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(values); i++) {
                char body[128];
                (void)snprintf(body, sizeof(body), "height %s\n", values[i]);
                expect_refusal(CHECK_METRICS, "height", body, "not a whole number");
        }
        expect_refusal(CHECK_METRICS, "height", "height{a=\"1", "does not hold");
        expect_refusal(CHECK_METRICS, "height", "height{a=\"1\\", "does not hold");
        expect_refusal(CHECK_METRICS, "height", "height{a=\"\n\"} 5", "does not hold");
        expect_refusal(CHECK_METRICS, "height", "", "does not hold");
}

static void status_and_text_of_a_page(void **state) {
        struct prober_check check = check_of(CHECK_HTTP, 0, "ready");
        uint64_t height = UNTOUCHED;
        char why[400] = "";
        (void)state;
        assert_int_equal(judge_answer(&check, 204, "a\0 ready", 8, &height, why, sizeof(why)), 0);
        assert_int_equal(height, PROBER_HEIGHT_NONE);
        assert_true(judge_answer(&check, 200, "read", 4, &height, why, sizeof(why)) < 0);
        assert_string_equal(why, "its answer does not contain \"ready\"");
        assert_true(judge_answer(&check, 500, "ready", 5, &height, why, sizeof(why)) < 0);
        assert_string_equal(why, "status 500 instead of 200");
        check.status = 503;
        assert_int_equal(judge_answer(&check, 503, "ready", 5, &height, why, sizeof(why)), 0);
        assert_true(judge_answer(&check, 200, "ready", 5, &height, why, sizeof(why)) < 0);
        assert_string_equal(why, "status 200 instead of 503");
}

static void a_wrong_status_quotes_the_node(void **state) {
        static const char body[] = "{\"error\":{\"code\":-28,\"message\":\"Loading block index\"}}";
        struct prober_check check = check_of(CHECK_BITCOIN, 0, "");
        uint64_t height = UNTOUCHED;
        char why[400] = "";
        (void)state;
        assert_true(judge_answer(&check, 500, body, strlen(body), &height, why, sizeof(why)) < 0);
        assert_string_equal(why, "status 500 instead of 200: JSON-RPC error -28: Loading block index");
        assert_true(judge_answer(&check, 502, "<html>", 6, &height, why, sizeof(why)) < 0);
        assert_string_equal(why, "status 502 instead of 200");
        assert_true(judge_answer(&check, 404, "{\"result\":5}", 12, &height, why, sizeof(why)) < 0);
        assert_int_equal(height, UNTOUCHED);
}

static void numbers_in_texts(void **state) {
        uint64_t height = UNTOUCHED;
        (void)state;
        assert_int_equal(answer_number(" \t1300\r\n", &height), 0);
        assert_int_equal(height, 1300);
        assert_int_equal(answer_number("0x514\n", &height), 0);
        assert_int_equal(height, 1300);
        height = UNTOUCHED;
        assert_int_equal(answer_number("", &height), -EINVAL);
        assert_int_equal(answer_number("12 13", &height), -EINVAL);
        assert_int_equal(answer_number("-1", &height), -EINVAL);
        assert_int_equal(answer_number("12a", &height), -EINVAL);
        assert_int_equal(answer_number("18446744073709551615", &height), -ERANGE);
        assert_int_equal(answer_number("99999999999999999999", &height), -ERANGE);
        assert_int_equal(height, UNTOUCHED);
}

static void numbers_by_pattern(void **state) {
        uint64_t height = UNTOUCHED;
        regex_t pattern;
        (void)state;
        assert_int_equal(regcomp(&pattern, "committed .*height=([0-9a-z]*)", REG_EXTENDED), 0);
        assert_int_equal(answer_pattern("12 committed state height=1299 x", &pattern, &height), 0);
        assert_int_equal(height, 1299);
        height = UNTOUCHED;
        assert_int_equal(answer_pattern("proposed height=1300", &pattern, &height), -ENOENT);
        assert_int_equal(answer_pattern("committed height=", &pattern, &height), -EINVAL);
        assert_int_equal(
                        answer_pattern("committed height=111111111111111111111111111111", &pattern, &height),
                        -ERANGE);
        regfree(&pattern);
        assert_int_equal(regcomp(&pattern, "height", REG_EXTENDED), 0);
        assert_int_equal(answer_pattern("height", &pattern, &height), -ENOENT);
        regfree(&pattern);
        assert_int_equal(height, UNTOUCHED);
}

static void expect_clean(const char *text, const char *wanted) {
        char clean[256];
        printable_copy(clean, sizeof(clean), text);
        assert_string_equal(clean, wanted);
}

static void nothing_steers_the_terminal(void **state) {
        char bytes[] = "a\0b\nc";
        (void)state;
        expect_clean("\x1b[1;32mINFO\x1b[0m height=\x1b[36m5\x1b[0m\tok\r", "INFO height=5\tok");
        expect_clean("\x1b]0;title\x07more\x1b]8;;http://x\x1b\\link", "morelink");
        expect_clean("\x1b]0;never ends", "");
        expect_clean("\x1b(Bx\x1b", "x");
        expect_clean("\x1b[12", "");
        expect_clean("bell\x07 back\b del\x7f", "bell back del");
        expect_clean("Gr\xc3\xbc\xc3\x9f"
                     "e \xe2\x82\xac \xf0\x9f\x98\x80",
                        "Gr\xc3\xbc\xc3\x9f"
                        "e \xe2\x82\xac \xf0\x9f\x98\x80");
        expect_clean("\xc2\x9b"
                     "31m csi",
                        "31m csi");
        expect_clean("\xe2\x80\xae"
                     "reversed",
                        "reversed");
        expect_clean("\xff\xc3 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80", "?? ?? ??? ????");
        assert_int_equal(printable_clean(bytes, 5), 3);
        assert_string_equal(bytes, "abc");
}

static void texts_are_cut_between_characters(void **state) {
        char clean[5];
        (void)state;
        printable_copy(clean, sizeof(clean), "abc\xe2\x82\xac");
        assert_string_equal(clean, "abc");
        printable_copy(clean, sizeof(clean),
                        "a\xe2\x82\xac"
                        "b");
        assert_string_equal(clean, "a\xe2\x82\xac");
        printable_copy(clean, sizeof(clean), "abcd");
        assert_string_equal(clean, "abcd");
        printable_copy(clean, 1, "\xe2\x82\xac");
        assert_string_equal(clean, "");
}

/* Written by hand as flow-go's documentation and tests have them; not recorded from a node. */
#define FLOW_VERSION(range)                                                                            \
        "{\"semver\":\"v0.37.11\",\"commit\":\"4a6d52b1\",\"spork_id\":\"00ab\",\"protocol_version\":" \
        "\"30\",\"protocol_state_version\":\"2\","                                                     \
        "\"spork_root_block_height\":\"65264619\",\"node_root_block_height\":\"65264619\"" range "}"

static void flow_tells_heights_and_ranges(void **state) {
        static const char block[] = "[{\"header\":{\"id\":\"6f00\",\"parent_id\":\"6e00\",\"height\":"
                                    "\"65264630\",\"timestamp\":"
                                    "\"2024-09-05T14:00:00.1Z\",\"parent_voter_signature\":\"+A==\"},\"_"
                                    "expandable\":{\"payload\":"
                                    "\"/v1/blocks/6f00/payload\"},\"_links\":{\"_self\":\"/v1/blocks/"
                                    "6f00\"},\"block_status\":"
                                    "\"BLOCK_SEALED\"}]";
        static const char metrics[] =
                        "# HELP consensus_compliance_finalized_height the last finalized height\n"
                        "# TYPE consensus_compliance_finalized_height gauge\n"
                        "consensus_compliance_finalized_height 6.5264635e+07\n"
                        "consensus_compliance_sealed_height 6.526463e+07\n"
                        "execution_runtime_last_executed_block_height 6.5264631e+07\n"
                        "execution_runtime_last_finalized_executed_block_height 6.526463e+07\n";
        (void)state;
        expect_height(CHECK_FLOW, "", block, 65264630);
        expect_height(CHECK_METRICS, "execution_runtime_last_executed_block_height", metrics, 65264631);
        expect_height(CHECK_METRICS, "consensus_compliance_finalized_height", metrics, 65264635);
        expect_height(CHECK_FLOW_VERSION, "",
                        FLOW_VERSION(",\"compatible_range\":{\"start_height\":\"1\",\"end_height\":"
                                     "\"88226266\"}"),
                        88226266);
        expect_height(CHECK_FLOW_VERSION, "",
                        FLOW_VERSION(",\"compatible_range\":{\"start_height\":\"1\",\"end_height\":\"0\"}"),
                        PROBER_HEIGHT_NONE);
        expect_height(CHECK_FLOW_VERSION, "", FLOW_VERSION(",\"compatible_range\":{\"start_height\":\"1\"}"),
                        PROBER_HEIGHT_NONE);
        expect_height(CHECK_FLOW_VERSION, "", FLOW_VERSION(""), PROBER_HEIGHT_NONE);
        expect_refusal(CHECK_FLOW_VERSION, "", FLOW_VERSION(",\"compatible_range\":{\"end_height\":\"-1\"}"),
                        "end_height is no height");
        expect_refusal(CHECK_FLOW_VERSION, "", FLOW_VERSION(",\"compatible_range\":{\"end_height\":true}"),
                        "end_height is no height");
        expect_refusal(CHECK_FLOW_VERSION, "", "{\"code\":404}", "no semver");
        expect_refusal(CHECK_FLOW_VERSION, "", "<html>", "not JSON");
}

static void expect_head(const char *body, int wanted, uint64_t height) {
        uint64_t found = UNTOUCHED;
        char why[400] = "";
        int r = answer_head(body, strlen(body), &found, why, sizeof(why));
        if (r != wanted)
                fail_msg("`%s` is %d: %s", body, r, why);
        assert_int_equal(found, height);
        assert_true(r >= 0 || *why);
}

static void messages_of_a_subscription_are_told_apart(void **state) {
        (void)state;
        /* As anvil 1.7.1 sends it, shortened. */
        expect_head("{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":{\"result\":{\"hash\":"
                    "\"0x2c\","
                    "\"number\":\"0x514\",\"timestamp\":\"0x69\"},\"subscription\":\"0x4d\"}}",
                        HEAD_HEIGHT, 1300);
        expect_head("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x4d\"}", HEAD_SUBSCRIBED, UNTOUCHED);
        expect_head("{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no\"}}", HEAD_NO_SUBSCRIPTION,
                        UNTOUCHED);
        expect_head("{\"id\":2,\"result\":\"0x10\"}", HEAD_HEIGHT, 16);
        expect_head("{\"id\":2,\"error\":{\"code\":-32000,\"message\":\"no\"}}", -EREMOTEIO, UNTOUCHED);
        expect_head("{\"id\":2,\"result\":null}", -EBADMSG, UNTOUCHED);
        expect_head("{\"id\":1,\"result\":true}", -EBADMSG, UNTOUCHED);
        expect_head("{\"id\":3,\"result\":\"0x10\"}", HEAD_ELSE, UNTOUCHED);
        expect_head("{\"method\":\"eth_subscription\",\"params\":{\"result\":{\"number\":5}}}", -EBADMSG,
                        UNTOUCHED);
        expect_head("{\"method\":\"eth_subscription\"}", -EBADMSG, UNTOUCHED);
        expect_head("{\"method\":\"x\"}", HEAD_ELSE, UNTOUCHED);
        expect_head("[]", HEAD_ELSE, UNTOUCHED);
        expect_head("", -EBADMSG, UNTOUCHED);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                        cmocka_unit_test(ethereum_tells_hexadecimal_quantities),
                        cmocka_unit_test(ethereum_refuses_all_else),
                        cmocka_unit_test(the_nodes_own_error_is_told),
                        cmocka_unit_test(others_tell_decimal_numbers),
                        cmocka_unit_test(flow_tells_heights_and_ranges),
                        cmocka_unit_test(messages_of_a_subscription_are_told_apart),
                        cmocka_unit_test(nesting_has_an_end),
                        cmocka_unit_test(metrics_are_found_by_name_and_labels),
                        cmocka_unit_test(metrics_without_a_height_are_refused),
                        cmocka_unit_test(status_and_text_of_a_page),
                        cmocka_unit_test(a_wrong_status_quotes_the_node),
                        cmocka_unit_test(numbers_in_texts),
                        cmocka_unit_test(numbers_by_pattern),
                        cmocka_unit_test(nothing_steers_the_terminal),
                        cmocka_unit_test(texts_are_cut_between_characters),
        };
        return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
