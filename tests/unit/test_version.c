/* Versions are ordered as semver.org says, ranges allow what npm's do. */
#include "lib/version.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct version version_of(const char *text) {
        struct version version;
        if (version_parse(text, &version) < 0)
                fail_msg("%s should be a version", text);
        return version;
}

/* Each stands below the next one. */
static void test_precedence_is_semvers(void **state) {
        static const char *const ordered[] = {"0.0.0-0", "0.0.0", "0.0.1-a", "0.0.1", "0.1.0", "0.9.99",
                        "1.0.0-0", "1.0.0-9", "1.0.0-10", "1.0.0-10.0", "1.0.0--", "1.0.0-A", "1.0.0-Z.1",
                        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-alpha-1", "1.0.0-beta",
                        "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0-rc.1.0", "1.0.0", "1.0.1",
                        "1.2.0", "1.10.0", "2.0.0", "2.1.0", "2.1.1", "10.0.0", "9007199254740991.0.0"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(ordered); i++)
                for (size_t j = 0; j < ELEMENTS(ordered); j++) {
                        struct version a = version_of(ordered[i]), b = version_of(ordered[j]);
                        int r = version_compare(&a, &b);
                        if ((i < j && r >= 0) || (i == j && r != 0) || (i > j && r <= 0))
                                fail_msg("%s and %s compare as %d", ordered[i], ordered[j], r);
                }
}

static void test_a_build_takes_no_part_in_precedence(void **state) {
        struct version a = version_of("1.0.0-rc.1+20130313144700"), b = version_of("1.0.0-rc.1+sha.00001");
        (void)state;
        assert_int_equal(version_compare(&a, &b), 0);
        assert_string_equal(a.build, "20130313144700");
}

static void test_what_is_written_is_what_was_read(void **state) {
        static const struct {
                const char *text, *canonical;
        } vectors[] = {{"1.2.3", "1.2.3"}, {"v1.2.3", "1.2.3"}, {"0.0.0", "0.0.0"},
                        {"1.0.0-alpha.0valid", "1.0.0-alpha.0valid"}, {"1.0.0+001", "1.0.0+001"},
                        {"1.0.0-0A.is.legal+b-1.x", "1.0.0-0A.is.legal+b-1.x"}, {"1.0.0--1", "1.0.0--1"},
                        {"9007199254740991.9007199254740991.9007199254740991",
                                        "9007199254740991.9007199254740991.9007199254740991"}};
        char text[VERSION_TEXT_MAX];
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct version version = version_of(vectors[i].text);
                version_format(&version, text, sizeof(text));
                assert_string_equal(text, vectors[i].canonical);
        }
}

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_what_is_no_version_is_refused(void **state) {
        static const struct {
                const char *text;
                int error;
        } vectors[] = {{"", -EINVAL}, {"1", -EINVAL}, {"1.2", -EINVAL}, {"1.2.3.4", -EINVAL},
                        {"01.2.3", -EINVAL}, {"1.02.3", -EINVAL}, {"1.2.03", -EINVAL}, {"1.2.3-", -EINVAL},
                        {"1.2.3-01", -EINVAL}, {"1.2.3-a..b", -EINVAL}, {"1.2.3-a.", -EINVAL},
                        {"1.2.3+", -EINVAL}, {"1.2.3+a+b", -EINVAL}, {"1.2.3-\xc3\xa9", -EINVAL},
                        {"vv1.2.3", -EINVAL}, {"V1.2.3", -EINVAL}, {" 1.2.3", -EINVAL}, {"1.2.3 ", -EINVAL},
                        {"-1.2.3", -EINVAL}, {"1.-2.3", -EINVAL}, {"1,2,3", -EINVAL}, {"1.2.3-a_b", -EINVAL},
                        {"latest", -EINVAL}, {"1.2.x", -EINVAL}, {"9007199254740992.0.0", -ERANGE},
                        {"1.99999999999999999999999.0", -ERANGE}, {"1.2.3-" A60 "aaaa", -ERANGE},
                        {"1.2.3+" A60 "aaaa", -ERANGE},
                        /* Each part fits, but not the whole where versions are written. */
                        {"100.200.300-" A60 "+" A60, -ERANGE}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct version version = {.major = 42};
                int r = version_parse(vectors[i].text, &version);
                if (r != vectors[i].error)
                        fail_msg("\"%s\" gave %d", vectors[i].text, r);
                assert_int_equal(version.major, 42);
        }
}

static const struct {
        const char *range, *allowed, *refused; /* versions, separated by spaces */
} ranges[] = {
                /* Primitives, and all of a set must hold. */
                {"1.2.3", "1.2.3 1.2.3+build", "1.2.2 1.2.4 1.2.3-rc.1"},
                {"=1.2.3", "1.2.3", "1.2.4"},
                {"= v1.2.3", "1.2.3", "1.2.4"},
                {">1.2.3", "1.2.4 2.0.0", "1.2.3 1.2.2 1.2.4-rc.1"},
                {">=1.2.3", "1.2.3 1.2.4", "1.2.2"},
                {">= 1.2.3", "1.2.3 1.2.4", "1.2.2"},
                {"<1.2.3", "1.2.2 0.0.0", "1.2.3 1.2.3-rc.1"},
                {"<=1.2.3", "1.2.3 1.2.2", "1.2.4"},
                {">=1.4.0 <2.0.0", "1.4.0 1.99.0", "1.3.9 2.0.0 2.0.0-rc.1"},
                {" >=1.4.0   <2.0.0 ", "1.4.0", "2.0.0"},
                {">1.0.0 <1.0.0", "", "1.0.0 0.9.0 1.1.0"},
                /* Alternatives. */
                {"1.2.3 || 2.0.0", "1.2.3 2.0.0", "1.5.0"},
                {"1.2.3||>=2.0.0 <3.0.0", "1.2.3 2.5.0", "1.5.0 3.0.0"},
                {"<1.0.0 || >=2.3.1 <2.4.5 || >=2.5.2 <3.0.0", "0.9.0 2.4.0 2.6.0", "1.0.0 2.5.0 3.0.0"},
                {"||", "0.0.0 7.0.0", "1.0.0-rc.1"},
                /* Wildcards and missing parts. */
                {"*", "0.0.0 1.2.3", "1.2.3-rc.1"},
                {"", "0.0.0 1.2.3", "1.2.3-rc.1"},
                {"x", "1.2.3", "1.2.3-rc.1"},
                {">=*", "1.2.3", "1.2.3-rc.1"},
                {"<=x", "1.2.3", "1.2.3-rc.1"},
                {">*", "", "0.0.0 1.2.3"},
                {"<*", "", "0.0.0 1.2.3"},
                {"1", "1.0.0 1.99.99", "0.9.9 2.0.0 1.0.0-rc.1 2.0.0-rc.1"},
                {"1.x", "1.0.0 1.99.99", "0.9.9 2.0.0"},
                {"1.X.*", "1.0.0 1.99.99", "0.9.9 2.0.0"},
                {"1.2", "1.2.0 1.2.9", "1.1.9 1.3.0"},
                {"1.2.x", "1.2.0 1.2.9", "1.1.9 1.3.0 1.3.0-rc.1"},
                {">1", "2.0.0", "1.9.9 1.0.0"},
                {">1.2", "1.3.0", "1.2.9"},
                {">=1.2", "1.2.0 1.3.0", "1.1.9"},
                {"<1.2", "1.1.9", "1.2.0 1.2.0-rc.1"},
                {"<=1.2", "1.2.9", "1.3.0 1.3.0-rc.1"},
                {"<=1", "1.9.9 0.1.0", "2.0.0"},
                /* Hyphens. */
                {"1.2.3 - 2.3.4", "1.2.3 2.3.4 2.0.0", "1.2.2 2.3.5"},
                {"1.2 - 2.3.4", "1.2.0", "1.1.9 2.3.5"},
                {"1.2.3 - 2.3", "2.3.9", "2.4.0"},
                {"1.2.3 - 2", "2.9.9", "3.0.0 3.0.0-rc.1"},
                {"* - 1.2", "0.0.0 1.2.9", "1.3.0"},
                {"1.2.3 - *", "1.2.3 9.9.9", "1.2.2"},
                {"1.0.0-rc.1 - 2.0.0", "1.0.0-rc.2 1.5.0", "1.0.0-beta 1.5.0-rc.1"},
                /* Tildes. */
                {"~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0 1.3.0-rc.1"},
                {"~1.2", "1.2.0 1.2.9", "1.3.0"},
                {"~1", "1.0.0 1.9.9", "2.0.0"},
                {"~0", "0.0.0 0.9.9", "1.0.0"},
                {"~> 1.2.3", "1.2.3 1.2.9", "1.3.0"},
                {"~*", "0.0.0 9.0.0", ""},
                {"~1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.4 1.2.9", "1.2.3-beta.1 1.2.4-beta.2"},
                /* Carets: the left-most number that is not 0 stays. */
                {"^1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0 2.0.0-rc.1"},
                {"^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"},
                {"^0.0.3", "0.0.3", "0.0.2 0.0.4"},
                {"^1.2.x", "1.2.0 1.9.0", "1.1.9 2.0.0"},
                {"^0.0.x", "0.0.0 0.0.9", "0.1.0"},
                {"^0.0", "0.0.0 0.0.9", "0.1.0"},
                {"^1.x", "1.0.0 1.9.9", "0.9.9 2.0.0"},
                {"^0.x", "0.0.0 0.9.9", "1.0.0"},
                {"^*", "0.0.0 9.0.0", ""},
                {"^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-rc.1 1.2.3 1.9.9",
                                "1.2.3-beta.1 1.2.4-beta.3 2.0.0-0"},
                {"^0.0.3-beta", "0.0.3-pr.2 0.0.3", "0.0.4 0.0.3-alpha"},
                /* A pre-release only where its own set names one of the same version. */
                {">1.2.3-alpha.3", "1.2.3-alpha.7 1.2.3 3.4.5", "1.2.3-alpha.3 3.4.5-alpha.9"},
                {">=1.2.3-0", "1.2.3-0 1.2.3-alpha 1.2.3", "1.2.4-alpha 1.2.2"},
                {"<2.0.0-rc.2", "2.0.0-rc.1 1.9.9", "2.0.0-rc.2 1.9.9-rc.1 2.0.0"},
                {">=1.0.0 || >=2.0.0-rc.1 <2.0.0", "2.0.0-rc.2 1.0.0 2.0.0", "2.0.1-rc.1"},
};

static void check_versions(const char *range_text, const char *versions, bool expected) {
        struct range range;
        char copy[512];
        if (range_parse(range_text, &range) < 0)
                fail_msg("\"%s\" should be a range", range_text);
        assert_string_equal(range.text, range_text);
        text_copy(copy, sizeof(copy), versions);
        char *rest = copy;
        for (char *text; (text = strsep(&rest, " "));) {
                if (!*text)
                        continue;
                struct version version = version_of(text);
                if (range_allows(&range, &version) != expected)
                        fail_msg("\"%s\" should %s %s", range_text, expected ? "allow" : "refuse", text);
        }
}

static void test_ranges_allow_what_npms_do(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(ranges); i++) {
                check_versions(ranges[i].range, ranges[i].allowed, true);
                check_versions(ranges[i].range, ranges[i].refused, false);
        }
}

static void test_what_is_no_range_is_refused(void **state) {
        static const char *const texts[] = {"nonsense", ">", ">=", "1.2.3.4", "1.2.3 -", "- 1.2.3",
                        "1.2.3 - ", "1.2.3 -2", "|", "1.2.3 | 2.0.0", "|||", ">=1.0.0,<2.0.0", "01.2.3",
                        "1.02", "1..3", "1.2.", ".1", ">>1.0.0", "=>1.0.0", "^^1", "1.x.3", "1.2.3-",
                        "1.2.3-01", "!1.2.3", "9007199254740992.0.0", "1.99999999999999999999999",
                        "1.2.3 - >2.0.0", "~x.1", "\xff"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                struct range range = {.n_comparators = 7};
                int r = range_parse(texts[i], &range);
                if (r != -EINVAL)
                        fail_msg("\"%s\" gave %d", texts[i], r);
                assert_int_equal(range.n_comparators, 7);
        }
}

static void test_a_range_that_does_not_fit_is_refused_and_not_cut(void **state) {
        char text[RANGE_TEXT_MAX + 8] = "";
        struct range range;
        (void)state;
        for (size_t i = 0; i < RANGE_COMPARATORS_MAX; i++)
                strcat(text, ">1.0.0 ");
        assert_int_equal(range_parse(text, &range), 0);
        assert_int_equal(range.n_comparators, RANGE_COMPARATORS_MAX);
        strcat(text, ">1.0.0");
        assert_int_equal(range_parse(text, &range), -E2BIG);
        memset(text, ' ', RANGE_TEXT_MAX);
        text[RANGE_TEXT_MAX] = '\0';
        assert_int_equal(range_parse(text, &range), -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_precedence_is_semvers),
                        cmocka_unit_test(test_a_build_takes_no_part_in_precedence),
                        cmocka_unit_test(test_what_is_written_is_what_was_read),
                        cmocka_unit_test(test_what_is_no_version_is_refused),
                        cmocka_unit_test(test_ranges_allow_what_npms_do),
                        cmocka_unit_test(test_what_is_no_range_is_refused),
                        cmocka_unit_test(test_a_range_that_does_not_fit_is_refused_and_not_cut),
        };
        return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
