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

static void test_a_version_has_one_text(void **state) {
        static const char *const pairs[][2] = {{"v1.0.0", "1.0.0"}, {"1.0.0", "1.0.0"},
                        {"v1.0.0-rc.1+build.7", "1.0.0-rc.1+build.7"}, {"v1.0", "v1.0"}, {"v", "v"},
                        {"", ""}, {"vv1.0.0", "vv1.0.0"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                assert_string_equal(version_canonical(pairs[i][0]), pairs[i][1]);
}

/* The pairs that implementations get wrong: numbers against words, case, length, hyphens that are part of a word. */
static void test_the_second_stands_above_the_first(void **state) {
        static const char *const pairs[][2] = {{"4.0.0-x", "4.0.0"}, {"4.0.0-7", "4.0.0"},
                        {"4.0.0-7-x", "4.0.0"}, {"4.0.0-7", "4.0.0-7-x"}, {"4.0.0-7", "4.0.0-8"},
                        {"4.0.0-7-X", "4.0.0-7-x"}, {"4.0.0-p.5", "4.0.0-p.10"}, {"4.0.0-p.5", "4.0.0-p.q"},
                        {"4.0.0-p", "4.0.0-p.q"}, {"4.0.0-p.q.5.r.100", "4.0.0-p.q.10.r.5"},
                        {"4.0.0-r100", "4.0.0-r2"}, {"4.0.0-R2", "4.0.0-r100"},
                        {"4.0.0-99999999999999999999", "4.0.0-100000000000000000000"},
                        {"4.0.0-10", "4.0.0-1a"}, {"3.9.9+zzz", "4.0.0-0"}, {"4.0.0-rc.1+z", "4.0.0-rc.2+a"},
                        {"4.0.0-a.b.c", "4.0.0-a.b.c.0"}, {"4.0.0-a-b", "4.0.0-aa"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(pairs); i++) {
                struct version low = version_of(pairs[i][0]), high = version_of(pairs[i][1]);
                if (version_compare(&low, &high) >= 0 || version_compare(&high, &low) <= 0)
                        fail_msg("%s should stand below %s", pairs[i][0], pairs[i][1]);
        }
}

static void test_what_the_specification_allows_is_a_version(void **state) {
        static const char *const texts[] = {"0.0.7", "11.22.33", "3.1.4-pre+meta", "3.1.4+meta",
                        "3.1.4+meta-data", "3.0.0-alpha.beta.1", "3.0.0-alpha0.word", "3.0.0-alpha.0word",
                        "3.0.0-a-b.c-d-longer+e.1-f.2-g", "3.0.0-rc.1+build.1", "3.0.0-rc.1+build.123",
                        "3.2.1-DEV-SNAP", "3.0.0+build.1848", "3.0.1-alpha.1227", "3.0.0-alpha+beta",
                        "3.2.1----RC-SNAP.12.9.1--.12+788", "3.2.1----R-S.12.9.1--.12+meta",
                        "3.2.1----RC-SNAP.12.9.1--.12", "3.0.0+0.build.1-rc.10000a-k-0.1",
                        "3.0.0-0A.is.fine", "3.0.0-0.3.7", "3.0.0-x.7.z.92", "3.0.0-x-y-z.--",
                        "3.0.0+21AF26D3---117B344092BD"};
        char text[VERSION_TEXT_MAX];
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                struct version version = version_of(texts[i]);
                version_format(&version, text, sizeof(text));
                assert_string_equal(text, texts[i]);
        }
}

static void test_what_the_specification_does_not_allow_is_none(void **state) {
        static const char *const texts[] = {"3", "3.2", "3.2.1-0456", "3.2.1-0456.0456", "3.1.4+.456",
                        "+word", "-word", "-word+word", "-word.01", "word", "word.word", "word.word.1",
                        "word.1", "word+word", "word_word", "word.", "word..", "3.0.0-a_b", "-word.",
                        "3.0.0-word..", "3.0.0-word..1", "3.0.0-word...1", "03.1.1", "3.01.1", "3.1.01",
                        "3.2.1.DEV", "3.2-SNAP", "3.2.13.2.1----R.12.09.1--..12+788", "3.2-RC-SNAP",
                        "-3.0.1-gamma+b", "+justmeta", "6.5.4+meta+meta", "6.5.4-any+meta+meta", "3.2.1+m_n",
                        "3.2.1-\t", "3.2.1\n", "3.2.1-+m", "3. 2.1", "0x3.2.1", "3.2.1e4", "=3.2.1"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                struct version version;
                if (version_parse(texts[i], &version) != -EINVAL)
                        fail_msg("\"%s\" should be no version", texts[i]);
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
                {"^1.4.2+build", "1.4.2 1.5.0", "1.4.1 2.0.0"},
                {"^1.4 ^1", "1.6.2", "1.3.0 2.0.0"},
                {"^ 1.4 ^ 1", "1.6.2", "1.3.0 2.0.0"},
                {"^v1.4.2", "1.5.0", "2.0.0"},
                {"^0.1", "0.1.0 0.1.9", "0.2.0 0.0.9"},
                {"^0.1.1-alpha", "0.1.1-beta 0.1.1 0.1.9", "0.2.0 0.1.2-beta 0.1.1-aa"},
                {"^0.0.1-alpha", "0.0.1-beta 0.0.1", "0.0.2 0.0.2-alpha"},
                {"^0.0.0", "0.0.0", "0.0.1"},
                {"^0", "0.0.0 0.99.0", "1.0.0 1.0.0-0"},
                /* More of sets, blanks and alternatives. */
                {"~1.4.1 >=1.4.3", "1.4.3 1.4.9", "1.4.2 1.5.0"},
                {"~1.4.1 =1.4.3", "1.4.3", "1.4.4"},
                {"~1.4.1 1.4.3 >=1.4.3", "1.4.3", "1.4.4"},
                {"1.4.3 >=1.4.1", "1.4.3", "1.4.2"},
                {"~v0.5.4-pre", "0.5.4-pre 0.5.4 0.5.9", "0.5.4-aaa 0.5.5-pre 0.6.0"},
                {"~>3.2.1", "3.2.1 3.2.9", "3.2.0 3.3.2"},
                {"~ 1.0.3", "1.0.3 1.0.12", "1.1.0"},
                {"<    2.0.0", "1.9999.9999", "2.0.0"},
                {"<\t2.0.0", "0.2.9", "2.2.9"},
                {">=0.2.3 || <0.0.1", "0.0.0 0.2.3 0.2.4", "0.0.1 0.0.3 0.2.2"},
                {"1.4.x || 2.x", "1.4.3 2.1.3", "1.3.3 1.5.0 3.1.3"},
                {"2.*.*", "2.0.0 2.1.3", "1.1.3 3.0.0"},
                {"x.x.x", "0.0.0 9.9.9", "1.0.0-0"},
                {">X 2.x || * || <x", "0.0.0 5.0.0", "1.0.0-rc.1"},
                {"<x <* || >* 2.x", "", "0.0.0 2.0.0"},
                {"1.x - x", "1.0.0 7.0.0", "0.9.9"},
                {"x - 1.x", "0.0.1 1.9.0", "2.0.0"},
                {"1.4 - 3.4", "1.4.0 3.4.9", "1.3.9 3.5.0 3.5.0-0"},
                {"1.4.3-pre+a - 2.4.3-pre+b", "1.4.3-pre.2 1.4.3 2.4.3-alpha", "2.4.3 2.4.3-q 2.4.2-alpha"},
                {"1.4.3+a - 2.4.3+b", "1.4.3 2.4.3", "1.4.3-pre.2 2.4.3-alpha"},
                /* Without the choice to include them, a pre-release is not what stands between two releases. */
                {"^1.4", "1.4.0", "1.4.0-pre 1.5.0-pre"},
                {">1.4", "1.5.0", "1.5.0-beta"},
                {"=0.7.x", "0.7.0", "0.7.0-beta 0.8.2"},
                {">=0.7.x", "0.7.0", "0.7.0-beta 0.8.0-beta"},
                {"~0.0.1", "0.0.1 0.0.2", "0.1.0-alpha 0.1.0"},
                {"<1", "0.9.9", "1.0.0-beta 1.0.0 0.9.9-beta"},
                {">=1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.11 1.2.3-rc.1 1.2.3 1.2.4 2.0.0",
                                "1.2.3-beta.1 1.2.3-alpha 1.2.4-beta.2 2.0.0-beta.2 1.2.2"},
                {">=1.2.3-beta.2 <2.0.0", "1.2.3-beta.3 1.9.9", "1.9.9-beta.3 2.0.0-beta.3 2.0.0"},
                {">=1.2.3-beta.2 <2.0.0-beta.5", "2.0.0-beta.4 1.2.3-rc.1 1.5.0",
                                "2.0.0-beta.5 2.0.0 1.5.0-beta.4"},
                {"=1.2.3-beta.2+build", "1.2.3-beta.2 1.2.3-beta.2+other", "1.2.3-beta.3 1.2.3"},
                {"1.2.3-beta.2 || ^2", "1.2.3-beta.2 2.5.0", "1.2.3 2.5.0-beta.2"},
                {">=9007199254740991.0.0", "9007199254740991.0.1", "9007199254740990.9.9"},
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

/* What is written short, and the plain comparators that it stands for. */
static void test_a_short_form_is_what_it_stands_for(void **state) {
        static const struct {
                const char *range, *plain;
        } vectors[] = {{"2", ">=2.0.0 <3.0.0-0"}, {"2.3", ">=2.3.0 <2.4.0-0"}, {"2.3.x", ">=2.3.0 <2.4.0-0"},
                        {"2.x.x", ">=2.0.0 <3.0.0-0"}, {"*", ">=0.0.0"}, {"", ">=0.0.0"},
                        {"1 - 2", ">=1.0.0 <3.0.0-0"}, {"1.0 - 2.0", ">=1.0.0 <2.1.0-0"},
                        {"1.2 - 3.4.5", ">=1.2.0 <=3.4.5"}, {"1.2.3 - 3.4", ">=1.2.3 <3.5.0-0"},
                        {"~2.4", ">=2.4.0 <2.5.0-0"}, {"~>3.2.1", ">=3.2.1 <3.3.0-0"},
                        {"~1", ">=1.0.0 <2.0.0-0"}, {"~1.2.3-beta.2", ">=1.2.3-beta.2 <1.3.0-0"},
                        {"^0", ">=0.0.0 <1.0.0-0"}, {"^1", ">=1.0.0 <2.0.0-0"}, {"^0.1", ">=0.1.0 <0.2.0-0"},
                        {"^0.0.1-beta", ">=0.0.1-beta <0.0.2-0"}, {"^0.1.2", ">=0.1.2 <0.2.0-0"},
                        {"^1.2.3-beta.4", ">=1.2.3-beta.4 <2.0.0-0"}, {"<1", "<1.0.0-0"},
                        {"<1.2", "<1.2.0-0"}, {">=1", ">=1.0.0"}, {">1", ">=2.0.0"}, {">1.2", ">=1.3.0"},
                        {"<=1.2", "<1.3.0-0"}, {">X", "<0.0.0-0"}, {"<x", "<0.0.0-0"},
                        {"1.2.x || 2.x", ">=1.2.0 <1.3.0-0 || >=2.0.0 <3.0.0-0"}};
        static const char *const operators[] = {[RANGE_LESS] = "<",
                        [RANGE_LESS_EQUAL] = "<=",
                        [RANGE_EQUAL] = "=",
                        [RANGE_GREATER_EQUAL] = ">=",
                        [RANGE_GREATER] = ">"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct range range;
                char plain[512] = "", bound[VERSION_TEXT_MAX];
                assert_int_equal(range_parse(vectors[i].range, &range), 0);
                for (size_t j = 0; j < range.n_comparators; j++) {
                        const struct range_comparator *comparator = &range.comparators[j];
                        size_t used = strlen(plain);
                        version_format(&comparator->bound, bound, sizeof(bound));
                        (void)snprintf(plain + used, sizeof(plain) - used, "%s%s%s",
                                        j == 0                  ? ""
                                        : comparator->starts_set ? " || "
                                                                 : " ",
                                        operators[comparator->operator], bound);
                }
                assert_string_equal(plain, vectors[i].plain);
        }
}

static void test_what_is_no_range_is_refused(void **state) {
        static const char *const texts[] = {"nonsense", ">", ">=", "1.2.3.4", "1.2.3 -", "- 1.2.3",
                        "1.2.3 - ", "1.2.3 -2", "|", "1.2.3 | 2.0.0", "|||", ">=1.0.0,<2.0.0", "01.2.3",
                        "1.02", "1..3", "1.2.", ".1", ">>1.0.0", "=>1.0.0", "^^1", "1.x.3", "1.2.3-",
                        "1.2.3-01", "!1.2.3", "9007199254740992.0.0", "1.99999999999999999999999",
                        "1.2.3 - >2.0.0", "~x.1", "\xff", ">01.02.03", "~1.2.3beta", "1.2.x-beta",
                        "1.x-beta", "x.2 - 3", "hello, world", "1.2.3 || nonsense", "1.2.3 and 2.0.0", "<>1",
                        "^9007199254740991", "<=1.9007199254740991", "~0.9007199254740991.1",
                        ">9007199254740991", "blerg || 1.2.3", "1.2.3-", "1.2.3+", "1.2.3 - 2.0.0 - 3.0.0",
                        "1.2.3-2.0.0+a+b"};
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
                        cmocka_unit_test(test_a_version_has_one_text),
                        cmocka_unit_test(test_the_second_stands_above_the_first),
                        cmocka_unit_test(test_what_the_specification_allows_is_a_version),
                        cmocka_unit_test(test_what_the_specification_does_not_allow_is_none),
                        cmocka_unit_test(test_a_build_takes_no_part_in_precedence),
                        cmocka_unit_test(test_what_is_written_is_what_was_read),
                        cmocka_unit_test(test_what_is_no_version_is_refused),
                        cmocka_unit_test(test_ranges_allow_what_npms_do),
                        cmocka_unit_test(test_a_short_form_is_what_it_stands_for),
                        cmocka_unit_test(test_what_is_no_range_is_refused),
                        cmocka_unit_test(test_a_range_that_does_not_fit_is_refused_and_not_cut),
        };
        return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
