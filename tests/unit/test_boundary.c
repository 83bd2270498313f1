/* Boundaries and schedules as text: what is written can be read back, and what is wrong is told, whoever wrote it. */
#include "lib/schedule_change.h"
#include "lib/schedule_document.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct boundary_rule rule_of(const char *point, const char *text) {
        struct boundary_rule rule;
        char why[256];
        if (boundary_parse(point, text, &rule, why, sizeof(why)) < 0)
                fail_msg("%s %s: %s", point, text, why);
        assert_int_equal(boundary_check(&rule), 0);
        return rule;
}

static void a_boundary_is_read_back_as_it_was_written(void **state) {
        static const struct {
                const char *point, *text, *written; /* NULL: as it was */
        } vectors[] = {{"1300", ">=1.7.1 <2.0.0", NULL}, {"0", "*", NULL},
                        {"5", "1.x || >=3.0.0-rc.1 from=4 mode=before protocol=v7", NULL},
                        {"view:77", "^1.2 from=view:70", NULL},
                        {"view:77", "^1.2 from=70", "view:77 ^1.2 from=view:70"},
                        {"epoch:9", "2.x mode=before", NULL}, {"7", "  1.x   mode=at  ", "7 1.x"},
                        {"time:2026-12-01T00:00:00Z", "2.x from=time:2026-11-30T00:00:00Z", NULL},
                        {"time:1796083200", "2.x", "time:2026-12-01T00:00:00Z 2.x"},
                        {"time:253402300800", "2.x", NULL},
                        {"time:2026-12-01T00:00:00Z", "2.x from=2026-11-30T00:00:00Z",
                                        "time:2026-12-01T00:00:00Z 2.x from=time:2026-11-30T00:00:00Z"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct boundary_rule rule = rule_of(vectors[i].point, vectors[i].text);
                char text[BOUNDARY_TEXT_MAX], expected[BOUNDARY_TEXT_MAX];
                boundary_format(&rule, text, sizeof(text));
                (void)snprintf(expected, sizeof(expected), "%s %s", vectors[i].point, vectors[i].text);
                assert_string_equal(text, vectors[i].written ? vectors[i].written : expected);
                char *space = strchr(text, ' ');
                *space = '\0';
                struct boundary_rule again = rule_of(text, space + 1);
                assert_true(boundary_is_same(&rule, &again));
        }
}

static void what_is_wrong_is_named(void **state) {
        static const struct {
                const char *point, *text, *says;
        } vectors[] = {{"-1", "1.x", "-1 is not a height"}, {"9223372036854775808", "1.x", "not a height"},
                        {"18446744073709551616", "1.x", "not a height"}, {"1e3", "1.x", "not a height"},
                        {"block:3", "1.x", "not a height"}, {"time:tomorrow", "1.x", "not a height"},
                        {"time:2027-02-29T00:00:00Z", "1.x", "not a height"}, {"", "1.x", "not a height"},
                        {"7", "", "range is missing"}, {"7", "mode=at", "range is missing"},
                        {"7", "one", "not a version range"}, {"7", ">2 <1", "allows no version"},
                        {"7", ">1.2.3 <1.2.3", "allows no version"}, {"7", "1.x mode=soon", "a mode is"},
                        {"7", "1.x when=now", "what may follow"}, {"7", "1.x from=7", "before the boundary"},
                        {"7", "1.x from=view:3", "from="}, {"7", "1.x from=x", "from="},
                        {"7", "1.x protocol=", "protocol="},
                        {"7", "1.x protocol=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "protocol="}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct boundary_rule rule;
                char why[256] = "";
                if (boundary_parse(vectors[i].point, vectors[i].text, &rule, why, sizeof(why)) != -EINVAL)
                        fail_msg("%s %s was taken", vectors[i].point, vectors[i].text);
                if (!strstr(why, vectors[i].says))
                        fail_msg("%s %s: \"%s\" does not say \"%s\"", vectors[i].point, vectors[i].text, why,
                                        vectors[i].says);
        }
        char long_text[2000];
        memset(long_text, '1', sizeof(long_text) - 1);
        long_text[sizeof(long_text) - 1] = '\0';
        struct boundary_rule rule;
        char why[256];
        assert_int_equal(boundary_parse("7", long_text, &rule, why, sizeof(why)), -EINVAL);
        assert_int_equal(boundary_parse(long_text, "1.x", &rule, why, sizeof(why)), -EINVAL);
}

static void what_another_process_sends_is_checked(void **state) {
        struct boundary_rule good = rule_of("100", "1.x from=90"), bad;
        (void)state;
        bad = good, bad.unit = BOUNDARY_UNITS;
        assert_int_equal(boundary_check(&bad), -EINVAL);
        bad = good, bad.mode = BOUNDARY_MODES;
        assert_int_equal(boundary_check(&bad), -EINVAL);
        bad = good, bad.at = UINT64_MAX;
        assert_int_equal(boundary_check(&bad), -EINVAL);
        bad = good, bad.from = 100;
        assert_int_equal(boundary_check(&bad), -EINVAL);
        bad = good, memset(bad.range, '1', sizeof(bad.range));
        assert_int_equal(boundary_check(&bad), -EINVAL);
        bad = good, memset(bad.protocol, 'p', sizeof(bad.protocol));
        assert_int_equal(boundary_check(&bad), -EINVAL);
        bad = good, text_copy(bad.range, sizeof(bad.range), ">2 <1");
        assert_int_equal(boundary_check(&bad), -EINVAL);
}

static void a_document_is_read(void **state) {
        static const char text[] = "# of the foundation\nsequence 12\r\nnode geth\n\n1 1.x\n  100   2.x "
                                   "from=90 # soon\nview:5 3.x\n";
        _cleanup_(schedule_document_done) struct schedule_document document = {0};
        (void)state;
        assert_int_equal(schedule_document_parse(text, &document), 0);
        assert_int_equal(document.sequence, 12);
        assert_string_equal(document.node, "geth");
        assert_int_equal(document.n_rules, 3);
        assert_int_equal(document.rules[1].at, 100);
        assert_int_equal(document.rules[1].from, 90);
        assert_int_equal(document.rules[2].unit, UNIT_VIEW);
}

static void every_mistake_of_a_document_is_told(void **state) {
        static const char text[] =
                        "sequence 1\nsequence 2\nnode A!\n1 1.x\n1 2.x\n-4 1.x\n9 >2 <1\nsequence -3\n";
        static const unsigned lines[] = {2, 3, 5, 6, 7, 8};
        _cleanup_(schedule_document_done) struct schedule_document document = {0};
        (void)state;
        assert_int_equal(schedule_document_parse(text, &document), -EINVAL);
        assert_int_equal(document.n_mistakes, ELEMENTS(lines));
        for (size_t i = 0; i < ELEMENTS(lines); i++)
                assert_int_equal(document.mistakes[i].line, lines[i]);
        assert_non_null(strstr(document.mistakes[2].text, "1 1.x"));
}

static void a_hostile_document_costs_little(void **state) {
        size_t size = 1 << 20;
        _cleanup_free_ char *text = malloc(size + 1);
        _cleanup_(schedule_document_done) struct schedule_document document = {0};
        (void)state;
        assert_non_null(text);
        for (size_t i = 0; i < size; i++)
                text[i] = i % 2 ? '\n' : 'x';
        text[size] = '\0';
        assert_int_equal(schedule_document_parse(text, &document), -EINVAL);
        assert_int_equal(document.n_mistakes, SCHEDULE_MISTAKES_MAX);
        assert_true(document.n_mistakes_in_all > SCHEDULE_MISTAKES_MAX);
        schedule_document_done(&document);
        size_t length = 0;
        for (unsigned i = 0; length + 16 < size; i++)
                length += (size_t)snprintf(text + length, size - length, "%u 1.x\n", i);
        assert_int_equal(schedule_document_parse(text, &document), -EINVAL);
        assert_true(document.n_rules <= BOUNDARIES_MAX + 1);
        schedule_document_done(&document);
        assert_int_equal(schedule_document_parse("", &document), -EINVAL);
}

static int check_change(const struct schedule_change *change) {
        char why[512];
        return schedule_change_check(change, why, sizeof(why));
}

static void a_change_may_not_contradict_what_is_there(void **state) {
        struct journal_boundary present[] = {{.rule = rule_of("1", "1.x"), .height = UINT64_MAX},
                        {.rule = rule_of("100", "2.x"), .height = UINT64_MAX}};
        const struct boundary_rule same[] = {rule_of("100", "2.x")}, other[] = {rule_of("100", "3.x")};
        struct schedule_change change = {.present = present,
                        .n_present = 2,
                        .rules = same,
                        .n = 1,
                        .sequence = UINT64_MAX,
                        .document = UINT64_MAX};
        char why[512];
        (void)state;
        assert_int_equal(check_change(&change), 0);
        change.rules = other;
        assert_int_equal(schedule_change_check(&change, why, sizeof(why)), -EEXIST);
        assert_non_null(strstr(why, "100 2.x"));
        assert_non_null(strstr(why, "100 3.x"));
        change.sequence = 5; /* an edition of all */
        assert_int_equal(check_change(&change), 0);
        change.document = 5; /* the number was used for something else */
        assert_int_equal(check_change(&change), -ESTALE);
        change.rules = same;
        assert_int_equal(check_change(&change), 0);
        change.document = 6; /* replayed */
        assert_int_equal(schedule_change_check(&change, why, sizeof(why)), -ESTALE);
        assert_non_null(strstr(why, "sequence 5 is older than 6"));
}

static void a_point_is_due_when_it_cannot_be_missed_any_more(void **state) {
        static const struct {
                const char *point;
                uint64_t told, ahead;
                bool is_due;
        } vectors[] = {{"view:1000", 1000, 0, true}, {"view:1000", 999, 0, false},
                        {"view:1000", 999, 1, true}, {"view:1000", 995, 4, false},
                        {"view:1000", 995, 5, true}, {"view:1000", 0, UINT64_MAX, true},
                        {"view:1000", UINT64_MAX, 5, true}, {"view:9223372036854775807", 0, 5, false},
                        {"epoch:7", 7, 0, true}, {"epoch:7", 8, 0, true}, {"epoch:7", 6, 1000, false},
                        {"time:100", 99, 1000, false}, {"time:100", 100, 0, true}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct boundary_rule rule = rule_of(vectors[i].point, "1.x");
                if (boundary_is_due(&rule, vectors[i].told, vectors[i].ahead) != vectors[i].is_due)
                        fail_msg("%s at %lu, %lu ahead", vectors[i].point, vectors[i].told,
                                        vectors[i].ahead);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(a_boundary_is_read_back_as_it_was_written),
                        cmocka_unit_test(a_point_is_due_when_it_cannot_be_missed_any_more),
                        cmocka_unit_test(what_is_wrong_is_named),
                        cmocka_unit_test(what_another_process_sends_is_checked),
                        cmocka_unit_test(a_document_is_read),
                        cmocka_unit_test(every_mistake_of_a_document_is_told),
                        cmocka_unit_test(a_hostile_document_costs_little),
                        cmocka_unit_test(a_change_may_not_contradict_what_is_there),
        };
        return cmocka_run_group_tests_name("boundary", tests, NULL, NULL);
}
