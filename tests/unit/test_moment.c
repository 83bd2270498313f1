/* Moments as text: the table says what the C library says, and every day reads back. */
#include "lib/moment.h"

#include <time.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void moments_are_read_and_written(void **state) {
        static const struct {
                const char *text;
                uint64_t seconds;
        } vectors[] = {{"1970-01-01T00:00:00Z", 0}, {"1970-01-01T00:00:01Z", 1},
                        {"1970-12-31T23:59:59Z", 31535999}, {"1972-02-29T00:00:00Z", 68169600},
                        {"2000-02-29T12:34:56Z", 951827696}, {"2000-03-01T00:00:00Z", 951868800},
                        {"2026-12-01T00:00:00Z", 1796083200}, {"2038-01-19T03:14:07Z", 2147483647},
                        {"2038-01-19T03:14:08Z", 2147483648}, {"2100-02-28T23:59:59Z", 4107542399},
                        {"2100-03-01T00:00:00Z", 4107542400}, {"2106-02-07T06:28:16Z", 4294967296},
                        {"9999-12-31T23:59:59Z", MOMENT_MAX}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                char text[MOMENT_TEXT_MAX];
                uint64_t seconds = 42;
                assert_int_equal(moment_parse(vectors[i].text, &seconds), 0);
                assert_int_equal(seconds, vectors[i].seconds);
                assert_int_equal(moment_format(seconds, text), 0);
                assert_string_equal(text, vectors[i].text);
        }
}

/* Of 500 years: the calendar repeats itself after 400. */
static void every_day_is_the_c_librarys(void **state) {
        (void)state;
        for (uint64_t seconds = 0; seconds <= UINT64_C(15778800000); seconds += 86400 + 1) {
                char text[MOMENT_TEXT_MAX], expected[MOMENT_TEXT_MAX];
                uint64_t again = 0;
                struct tm utc;
                time_t time = (time_t)seconds;
                assert_non_null(gmtime_r(&time, &utc));
                assert_int_equal(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &utc), 20);
                assert_int_equal(moment_format(seconds, text), 0);
                assert_string_equal(text, expected);
                assert_int_equal(moment_parse(text, &again), 0);
                assert_int_equal(again, seconds);
        }
}

static void what_is_no_moment_is_refused(void **state) {
        static const char *const vectors[] = {"", "T", "2026-12-01", "2026-12-01T00:00:00",
                        "2026-12-01T00:00:00z", "2026-12-01T00:00:00+00:00", "2026-12-01T00:00:00ZZ",
                        " 2026-12-01T00:00:00Z", "2026-12-01 00:00:00Z", "2026-1-01T00:00:00Z",
                        "26-12-01T00:00:00Z", "12026-12-01T00:00:00Z", "+026-12-01T00:00:00Z",
                        "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2026-00-01T00:00:00Z",
                        "2026-13-01T00:00:00Z", "2026-12-00T00:00:00Z", "2026-12-32T00:00:00Z",
                        "2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
                        "2028-02-30T00:00:00Z", "2026-12-01T24:00:00Z", "2026-12-01T00:60:00Z",
                        "2026-12-01T00:00:60Z"};
        char text[MOMENT_TEXT_MAX];
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                uint64_t seconds = 42;
                if (moment_parse(vectors[i], &seconds) != -EINVAL)
                        fail_msg("%s was taken for a moment", vectors[i]);
                assert_int_equal(seconds, 42);
        }
        assert_int_equal(moment_format(MOMENT_MAX + 1, text), -ERANGE);
        assert_int_equal(moment_format(UINT64_MAX, text), -ERANGE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(moments_are_read_and_written),
                        cmocka_unit_test(every_day_is_the_c_librarys),
                        cmocka_unit_test(what_is_no_moment_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
