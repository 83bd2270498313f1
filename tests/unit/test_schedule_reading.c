/* What is made of bytes that anybody may have written, and what a reader that was taken over cannot get through. */
#include "lib/schedule_reading.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A minisign key pair of the test's own. */
struct signer {
        uint8_t id[8], public_key[32], secret_key[64];
        char line[128];
};

static struct schedule_reading *reading; /* large */

static void make_signer(struct signer *signer) {
        uint8_t bytes[42] = "Ed";
        randombytes_buf(signer->id, sizeof(signer->id));
        assert_int_equal(crypto_sign_keypair(signer->public_key, signer->secret_key), 0);
        memcpy(bytes + 2, signer->id, 8);
        memcpy(bytes + 10, signer->public_key, 32);
        assert_non_null(sodium_bin2base64(signer->line, sizeof(signer->line), bytes, sizeof(bytes),
                        sodium_base64_VARIANT_ORIGINAL));
}

static void sign(const struct signer *signer, const char *text, const char *comment, char *signature,
                size_t size) {
        uint8_t bytes[74] = "ED", hash[64], both[64 + 256], over[64];
        char first[128], second[128];
        (void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)text, strlen(text), NULL, 0);
        memcpy(bytes + 2, signer->id, 8);
        (void)crypto_sign_detached(bytes + 10, NULL, hash, sizeof(hash), signer->secret_key);
        memcpy(both, bytes + 10, 64);
        memcpy(both + 64, comment, strlen(comment));
        (void)crypto_sign_detached(over, NULL, both, 64 + strlen(comment), signer->secret_key);
        (void)sodium_bin2base64(first, sizeof(first), bytes, sizeof(bytes), sodium_base64_VARIANT_ORIGINAL);
        (void)sodium_bin2base64(second, sizeof(second), over, sizeof(over), sodium_base64_VARIANT_ORIGINAL);
        (void)snprintf(signature, size, "untrusted comment: x\n%s\ntrusted comment: %s\n%s\n", first,
                        comment, second);
}

static void make(const struct reading_order *order, const char *text, const char *signature) {
        struct reading_order complete = *order;
        complete.node = "anvil";
        schedule_reading_make(&complete, text, strlen(text), signature, reading);
        assert_int_equal(schedule_reading_check(reading), 0);
}

static void assert_refused(const struct reading_order *order, const char *text, const char *signature,
                const char *word) {
        make(order, text, signature);
        assert_true(reading->error < 0);
        assert_int_equal(reading->n_rules, 0);
        if (!strstr(reading->text, word))
                fail_msg("%s\nis refused with \"%s\", without \"%s\"", text, reading->text, word);
}

static void a_signature_of_one_of_the_keys_is_asked_for(void **state) {
        struct signer ours, theirs;
        char signature[1024], other[1024];
        (void)state;
        make_signer(&ours);
        make_signer(&theirs);
        char *keys[] = {theirs.line, ours.line, NULL}, *only_theirs[] = {theirs.line, NULL};
        const struct reading_order order = {.keys = keys}, wrong_keys = {.keys = only_theirs};
        sign(&ours, "5 1.x\n", "timestamp:1\tfile:x\thashed", signature, sizeof(signature));
        make(&order, "5 1.x\n", signature);
        assert_int_equal(reading->error, 0);
        assert_int_equal(reading->n_rules, 1);
        assert_refused(&order, "5 1.x\n", NULL, "not signed");
        assert_refused(&order, "5 2.x\n", signature, "not what was signed");
        assert_refused(&order, "5 1.x", signature, "not what was signed");
        assert_refused(&wrong_keys, "5 1.x\n", signature, "not among trust.keys");
        assert_refused(&order, "5 1.x\n", "5 1.x\n", "not one that minisign made");
        sign(&ours, "6 1.x\n", "none", other, sizeof(other));
        assert_refused(&order, "5 1.x\n", other, "not what was signed");
        /* Another comment under the same signature. */
        char *comment = strstr(signature, "timestamp:1");
        comment[strlen("timestamp:")] = '2';
        assert_refused(&order, "5 1.x\n", signature, "not what was signed");
}

static void a_signature_binds_to_a_node_and_a_number(void **state) {
        struct signer ours;
        char signature[1024];
        (void)state;
        make_signer(&ours);
        char *keys[] = {ours.line, NULL};
        const struct reading_order order = {.keys = keys}, numbered = {.keys = keys, .needs_sequence = true};
        sign(&ours, "5 1.x\n", "x node:anvil sequence:7", signature, sizeof(signature));
        make(&numbered, "5 1.x\n", signature);
        assert_int_equal(reading->error, 0);
        assert_int_equal(reading->sequence, 7);
        sign(&ours, "5 1.x\n", "node:geth", signature, sizeof(signature));
        assert_refused(&order, "5 1.x\n", signature, "of node geth");
        sign(&ours, "5 1.x\n", "node:", signature, sizeof(signature));
        assert_refused(&order, "5 1.x\n", signature, "names no node");
        sign(&ours, "sequence 6\n5 1.x\n", "sequence:7", signature, sizeof(signature));
        assert_refused(&order, "sequence 6\n5 1.x\n", signature, "for sequence 7");
        sign(&ours, "5 1.x\n", "sequence:-7", signature, sizeof(signature));
        assert_refused(&order, "5 1.x\n", signature, "no sequence number");
        sign(&ours, "5 1.x\n", "none", signature, sizeof(signature));
        assert_refused(&numbered, "5 1.x\n", signature, "no sequence number");
        sign(&ours, "node geth\n5 1.x\n", "node:anvil", signature, sizeof(signature));
        assert_refused(&order, "node geth\n5 1.x\n", signature, "of node geth");
}

static void what_is_quoted_is_printable(void **state) {
        const struct reading_order order = {0};
        (void)state;
        assert_refused(&order, "\033[2Jsoon \xff 1.x\n7 ???\n", NULL, "line 1: ?[2Jsoon");
        assert_int_equal(reading->n_mistakes, 2);
        assert_int_equal(reading->mistakes[1].line, 2);
        schedule_reading_make(
                        &(struct reading_order){.node = "anvil"}, "5 1.x\n\0006 1.x\n", 13, NULL, reading);
        assert_true(reading->error < 0);
        assert_non_null(strstr(reading->text, "not a text file"));
}

static void an_upgrade_is_a_boundary(void **state) {
        char *names[] = {(char *)"acme=3.1.0", (char *)"v9=>=9.1.0 <9.2.0", (char *)"odd=none", NULL};
        const struct reading_order order = {.kind = READING_COSMOVISOR, .names = names};
        static const struct {
                const char *text, *range;
        } cases[] = {{"{\"name\": \"v2\", \"height\": 12, \"info\": \"\"}", "^2.0.0"},
                        {"{\"name\": \"V2.1\", \"height\": 12}", "^2.1.0"},
                        {"{\"name\": \"v2.0.0-rc1\", \"height\": 12}", "^2.0.0-rc1"},
                        {"{\"name\": \"acme\", \"height\": 12}", "^3.1.0"},
                        {"{\"name\": \"v9\", \"height\": 12}", ">=9.1.0 <9.2.0"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                make(&order, cases[i].text, NULL);
                assert_int_equal(reading->error, 0);
                assert_int_equal(reading->rules[0].at, 12);
                assert_string_equal(reading->rules[0].range, cases[i].range);
                assert_int_equal(reading->sequence, SCHEDULE_NO_SEQUENCE);
        }
        assert_refused(&order, "{\"name\": \"acm\", \"height\": 12}", NULL,
                        "which release is the upgrade \"acm\"");
        assert_refused(&order, "{\"name\": \"acmes\", \"height\": 12}", NULL, "which release");
        assert_refused(&order, "{\"name\": \"odd\", \"height\": 12}", NULL, "which release");
}

static void hostile_upgrades_are_refused(void **state) {
        static const char *const texts[] = {"", "[]", "{}", "{\"name\": \"v2\", \"height\": -1}",
                        "{\"name\": \"v2\", \"height\": 0}", "{\"name\": \"v2\", \"height\": 1.5}",
                        "{\"name\": \"v2\", \"height\": 1e5}",
                        "{\"name\": \"v2\", \"height\": 9223372036854775808}",
                        "{\"name\": \"v2\", \"height\": \"5\"}",
                        "{\"name\": \"v2\", \"height\": 5, \"height\": 5}",
                        "{\"name\": \"v2\", \"height\": 5} {}"};
        const struct reading_order order = {.kind = READING_COSMOVISOR};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_refused(&order, texts[i], NULL, "not an upgrade-info.json");
}

#define BEACON(entries) "{\"VersionBoundaries\": [" entries "], \"Sequence\": 3}"

static void assert_range(size_t i, uint64_t at, const char *range) {
        assert_int_equal(reading->rules[i].at, at);
        assert_string_equal(reading->rules[i].range, range);
}

static void a_beacon_tells_the_least_and_what_breaks(void **state) {
        static const char beacon[] = BEACON("{\"BlockHeight\": 0, \"Version\": \"0.0.0\"}, "
                                            "{\"BlockHeight\": 10, \"Version\": \"v0.37.1\"},"
                                            "{\"BlockHeight\": 20, \"Version\": \"v0.37.2+build\"}, "
                                            "{\"BlockHeight\": 30, \"Version\": \"v0.37.2\"},"
                                            "{\"BlockHeight\": 40, \"Version\": \"0.38.0-rc.1\"}");
        char *compatible[] = {(char *)"v0.37.2", NULL};
        struct reading_order order = {.kind = READING_FLOW};
        (void)state;
        make(&order, beacon, NULL);
        assert_int_equal(reading->error, 0);
        assert_int_equal(reading->n_rules, 5);
        assert_int_equal(reading->sequence, 3);
        assert_range(0, 0, ">=0.0.0 <0.37.1");
        assert_range(1, 10, ">=0.37.1 <0.37.2");
        assert_range(2, 20, ">=0.37.2 <0.38.0-rc.1");
        assert_range(3, 30, ">=0.37.2 <0.38.0-rc.1");
        assert_range(4, 40, ">=0.38.0-rc.1 <0.39.0-0");
        order.compatible = compatible;
        make(&order, beacon, NULL);
        assert_range(0, 0, ">=0.0.0 <0.37.1");
        assert_range(1, 10, ">=0.37.1 <0.38.0-rc.1");
}

/* Written after JSON-Cadence's rules, not recorded from a network. */
#define CADENCE_BOUNDARY(height, minor, prerelease)                                                  \
        "{\"type\": \"Struct\", \"value\": {\"id\": \"A.0.NodeVersionBeacon.VersionBoundary\", "     \
        "\"fields\": ["                                                                              \
        "{\"name\": \"blockHeight\", \"value\": {\"type\": \"UInt64\", \"value\": \"" height "\"}}," \
        "{\"name\": \"version\", \"value\": {\"type\": \"Struct\", \"value\": {\"id\": "             \
        "\"A.0.NodeVersionBeacon.Semver\", \"fields\": ["                                            \
        "{\"name\": \"major\", \"value\": {\"type\": \"UInt8\", \"value\": \"0\"}},"                 \
        "{\"name\": \"minor\", \"value\": {\"type\": \"UInt8\", \"value\": \"" minor "\"}},"         \
        "{\"name\": \"patch\", \"value\": {\"type\": \"UInt8\", \"value\": \"0\"}},"                 \
        "{\"name\": \"preRelease\", \"value\": {\"type\": \"Optional\", \"value\": " prerelease "}}]}}}]}}"
#define CADENCE_EVENT                                                                                       \
        "{\"type\": \"Event\", \"value\": {\"id\": \"A.0.NodeVersionBeacon.VersionBeacon\", \"fields\": ["  \
        "{\"name\": \"versionBoundaries\", \"value\": {\"type\": \"Array\", \"value\": [" CADENCE_BOUNDARY( \
                        "7", "37", "null") "," CADENCE_BOUNDARY("9", "38",                                  \
                        "{\"type\": \"String\", \"value\": \"rc.1\"}") "]}},"                               \
                                                                       "{\"name\": \"sequence\", "          \
                                                                       "\"value\": {\"type\": \"UInt64\", " \
                                                                       "\"value\": \"12\"}}]}}"

static void assert_is_the_event(void) {
        if (reading->error)
                fail_msg("%s", reading->text);
        assert_int_equal(reading->sequence, 12);
        assert_int_equal(reading->n_rules, 2);
        assert_range(0, 7, ">=0.37.0 <0.38.0-rc.1");
        assert_range(1, 9, ">=0.38.0-rc.1 <0.39.0-0");
}

/* A release for a boundary that no beacon tells of yet may be at hand already. */
static void the_last_entry_of_a_beacon_ends_before_what_breaks(void **state) {
        static const struct {
                const char *version, *compatible, *range;
        } cases[] = {{"0.37.2", NULL, ">=0.37.2 <0.38.0-0"}, {"v1.2.3", NULL, ">=1.2.3 <2.0.0-0"},
                        {"0.0.7", NULL, ">=0.0.7 <0.0.8-0"}, {"2.0.0-rc.1", NULL, ">=2.0.0-rc.1 <3.0.0-0"},
                        {"0.0.0", NULL, ">=0.0.0"}, {"0.0.0", "0.37.2", ">=0.0.0"},
                        {"0.37.2", "0.36.9", ">=0.37.2 <0.38.0-0"},
                        {"0.37.2", "0.38.4", ">=0.37.2 <0.39.0-0"}, {"1.2.3", "v3.0.0", ">=1.2.3 <4.0.0-0"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char text[256];
                char *compatible[] = {(char *)cases[i].compatible, NULL};
                const struct reading_order order = {.kind = READING_FLOW, .compatible = compatible};
                (void)snprintf(text, sizeof(text), BEACON("{\"BlockHeight\": 5, \"Version\": \"%s\"}"),
                                cases[i].version);
                make(&order, text, NULL);
                assert_int_equal(reading->error, 0);
                assert_range(0, 5, cases[i].range);
        }
}

static void a_beacon_may_be_an_event_or_an_answer_about_events(void **state) {
        const struct reading_order order = {.kind = READING_FLOW};
        char payload[8192], answer[10000];
        (void)state;
        make(&order, CADENCE_EVENT, NULL);
        assert_is_the_event();
        (void)sodium_bin2base64(payload, sizeof(payload), (const uint8_t *)CADENCE_EVENT,
                        strlen(CADENCE_EVENT), sodium_base64_VARIANT_ORIGINAL);
        (void)snprintf(answer, sizeof(answer),
                        "[{\"block_height\": \"1\", \"events\": [{\"type\": \"old\", \"payload\": "
                        "\"AAAA\"}]},"
                        "{\"block_height\": \"2\", \"events\": [{\"type\": \"new\", \"payload\": \"%s\"}]}, "
                        "{\"events\": []}]",
                        payload);
        make(&order, answer, NULL);
        assert_is_the_event();
}

static void hostile_beacons_are_refused(void **state) {
        static const struct {
                const char *text, *word;
        } cases[] = {{"", "not JSON"}, {"{}", "not a Version Beacon"}, {"[]", "without a whole one"},
                        {"7", "not JSON"}, {BEACON(""), "1 to 1024 entries"},
                        {BEACON("{\"BlockHeight\": -1, \"Version\": \"1.0.0\"}"), "BlockHeight"},
                        {BEACON("{\"BlockHeight\": 1.5, \"Version\": \"1.0.0\"}"), "BlockHeight"},
                        {BEACON("{\"BlockHeight\": 1e3, \"Version\": \"1.0.0\"}"), "BlockHeight"},
                        {BEACON("{\"BlockHeight\": \"-1\", \"Version\": \"1.0.0\"}"), "BlockHeight"},
                        {BEACON("{\"BlockHeight\": \"9223372036854775808\", \"Version\": \"1.0.0\"}"),
                                        "BlockHeight"},
                        {BEACON("{\"BlockHeight\": 9223372036854775808, \"Version\": \"1.0.0\"}"),
                                        "not JSON"},
                        {BEACON("{\"BlockHeight\": 5, \"Version\": \"new\"}"), "Version"},
                        {BEACON("{\"BlockHeight\": 5, \"Version\": {\"major\": 1}}"), "Version"},
                        {BEACON("{\"BlockHeight\": 5, \"BlockHeight\": 5, \"Version\": \"1.0.0\"}"),
                                        "duplicate"},
                        {BEACON("{\"BlockHeight\": 5, \"Version\": \"1.0.0\"}, {\"BlockHeight\": 5, "
                                "\"Version\": \"1.0.0\"}"),
                                        "do not grow"},
                        {BEACON("{\"BlockHeight\": 5, \"Version\": \"1.0.0\"}, {\"BlockHeight\": 6, "
                                "\"Version\": \"0.9.0\"}"),
                                        "falls"},
                        {"{\"VersionBoundaries\": [{\"BlockHeight\": 5, \"Version\": \"1.0.0\"}]}",
                                        "Sequence"},
                        {"{\"VersionBoundaries\": [{\"BlockHeight\": 5, \"Version\": \"1.0.0\"}], "
                         "\"Sequence\": -1}",
                                        "Sequence"},
                        {"{\"VersionBoundaries\": 5, \"Sequence\": 1}", "not a Version Beacon"},
                        {"{\"VersionBoundaries\": [{\"BlockHeight\": 5, \"Version\": \"1.0.0\"}], "
                         "\"sequence\": 1, \"Sequence\": 5}",
                                        "Sequence stands there twice"},
                        {BEACON("{\"BlockHeight\": 5, \"blockHeight\": 9, \"Version\": \"1.0.0\"}"),
                                        "BlockHeight stands there twice"},
                        {BEACON("{\"BlockHeight\": 5, \"Version\": {\"major\": 1, \"minor\": 0, "
                                "\"patch\": 0, \"preRelease\": \"a\", \"prerelease\": \"b\"}}"),
                                        "preRelease stands there twice"},
                        {BEACON("{\"fields\": [{\"name\": \"blockHeight\", \"value\": 5}, {\"name\": "
                                "\"blockHeight\", \"value\": 9}], \"Version\": \"1.0.0\"}"),
                                        "BlockHeight stands there twice"},
                        {BEACON("{\"fields\": [{\"name\": \"version\", \"value\": \"1.0.0\"}], "
                                "\"BlockHeight\": 5, \"Version\": \"2.0.0\"}"),
                                        "Version stands there twice"},
                        {"[{\"events\": [{\"payload\": \"!\"}]}]", "without a whole one"}};
        const struct reading_order order = {.kind = READING_FLOW};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_refused(&order, cases[i].text, NULL, cases[i].word);
}

static void what_is_deep_or_huge_is_refused(void **state) {
        size_t size = SCHEDULE_DOCUMENT_SIZE_MAX;
        char *text = malloc(size + 1);
        (void)state;
        assert_non_null(text);
        for (int kind = 0; kind < READING_KINDS; kind++)
                for (const char *c = "[{9\n"; *c; c++) {
                        const struct reading_order order = {
                                        .kind = (enum reading_kind)kind, .node = "anvil"};
                        memset(text, *c, size);
                        text[size] = '\0';
                        schedule_reading_make(&order, text, size, NULL, reading);
                        assert_true(reading->error < 0);
                        assert_int_equal(schedule_reading_check(reading), 0);
                }
        free(text);
}

static void a_reader_that_was_taken_over_gets_nothing_through(void **state) {
        const struct reading_order order = {0};
        struct schedule_reading *good = malloc(sizeof(*good));
        (void)state;
        assert_non_null(good);
        make(&order, "sequence 4\n5 1.x\n9 2.x protocol=two\n", NULL);
        *good = *reading;
#define BROKEN(change)                                            \
        do {                                                      \
                *reading = *good;                                 \
                change;                                           \
                if (schedule_reading_check(reading) != -EBADMSG)  \
                        fail_msg("it is taken with %s", #change); \
        } while (0)
        BROKEN(reading->magic++);
        BROKEN(reading->error = 1);
        BROKEN(reading->error = -5000);
        BROKEN(reading->error = -EINVAL);
        BROKEN(reading->n_rules = 0);
        BROKEN(reading->n_rules = BOUNDARIES_MAX + 1);
        BROKEN(reading->n_rules = 3);
        BROKEN(reading->n_mistakes = 1);
        BROKEN(reading->n_mistakes = SCHEDULE_MISTAKES_MAX + 1);
        BROKEN(reading->sequence = (uint64_t)BOUNDARY_POINT_MAX + 1);
        BROKEN(memset(reading->text, 'x', sizeof(reading->text)));
        BROKEN(memcpy(reading->text, "\033[2J", 5));
        BROKEN(reading->rules[1].at = 5);
        BROKEN(reading->rules[1].unit = BOUNDARY_UNITS);
        BROKEN(reading->rules[1].at = (uint64_t)BOUNDARY_POINT_MAX + 1);
        BROKEN(reading->rules[1].from = 9);
        BROKEN(memset(reading->rules[1].range, '1', sizeof(reading->rules[1].range)));
        BROKEN(memcpy(reading->rules[1].range, "\033[2J", 5));
        BROKEN(memcpy(reading->rules[1].range, ">2 <1", 6));
        BROKEN(memcpy(reading->rules[1].protocol, "\033[2J", 5));
        BROKEN(memset(reading->rules[1].protocol, 'x', sizeof(reading->rules[1].protocol)));
        *reading = *good;
        assert_int_equal(schedule_reading_check(reading), 0);
        free(good);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(a_signature_of_one_of_the_keys_is_asked_for),
                        cmocka_unit_test(a_signature_binds_to_a_node_and_a_number),
                        cmocka_unit_test(what_is_quoted_is_printable),
                        cmocka_unit_test(an_upgrade_is_a_boundary),
                        cmocka_unit_test(hostile_upgrades_are_refused),
                        cmocka_unit_test(a_beacon_tells_the_least_and_what_breaks),
                        cmocka_unit_test(the_last_entry_of_a_beacon_ends_before_what_breaks),
                        cmocka_unit_test(a_beacon_may_be_an_event_or_an_answer_about_events),
                        cmocka_unit_test(hostile_beacons_are_refused),
                        cmocka_unit_test(what_is_deep_or_huge_is_refused),
                        cmocka_unit_test(a_reader_that_was_taken_over_gets_nothing_through),
        };
        INVARIANT(sodium_init() >= 0);
        reading = malloc(sizeof(*reading));
        INVARIANT(reading);
        int r = cmocka_run_group_tests_name("readings of schedules", tests, NULL, NULL);
        free(reading);
        return r;
}
