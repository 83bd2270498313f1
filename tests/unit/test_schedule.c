/* The schedule is a table: the same answer whenever and from wherever it is asked. */
#include "director/schedule.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct range range_of(const char *text) {
        struct range range;
        assert_int_equal(range_parse(text, &range), 0);
        return range;
}

static struct version version_of(const char *text) {
        struct version version;
        assert_int_equal(version_parse(text, &version), 0);
        return version;
}

static void add(struct schedule *schedule, uint64_t height, const char *range_text) {
        struct range range = range_of(range_text);
        assert_int_equal(schedule_add(schedule, height, &range, NULL), 0);
}

/* Three boundaries, added out of order. */
static int make_schedule(void **state) {
        struct schedule *schedule = calloc(1, sizeof(*schedule));
        assert_non_null(schedule);
        add(schedule, 200, ">=1.4.0 <2.0.0");
        add(schedule, 300, ">=2.0.0");
        add(schedule, 100, "<1.4.0");
        *state = schedule;
        return 0;
}

static int free_schedule(void **state) {
        schedule_done(*state);
        free(*state);
        return 0;
}

static void test_a_range_holds_from_its_height_to_the_next(void **state) {
        static const struct {
                uint64_t height;
                const char *range;
                uint64_t next; /* 0: none */
        } vectors[] = {{0, NULL, 100}, {99, NULL, 100}, {100, "<1.4.0", 200}, {101, "<1.4.0", 200},
                        {199, "<1.4.0", 200}, {200, ">=1.4.0 <2.0.0", 300}, {299, ">=1.4.0 <2.0.0", 300},
                        {300, ">=2.0.0", 0}, {UINT64_MAX, ">=2.0.0", 0}};
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                const struct range *range = schedule_range_at(*state, vectors[i].height);
                const struct boundary *next = schedule_next(*state, vectors[i].height);
                if (vectors[i].range) {
                        assert_non_null(range);
                        assert_string_equal(range->text, vectors[i].range);
                } else
                        assert_null(range);
                assert_int_equal(next ? next->height : 0, vectors[i].next);
        }
}

static void test_a_version_is_allowed_from_its_minimum_to_its_maximum(void **state) {
        static const struct {
                const char *version;
                uint64_t height;
                bool allowed;
        } vectors[] = {{"9.9.9", 99, true}, {"1.3.9", 100, true}, {"1.4.0", 100, false},
                        {"1.3.9", 199, true}, {"1.3.9", 200, false}, {"1.4.0", 200, true},
                        {"2.0.0", 299, false}, {"1.9.9", 299, true}, {"1.9.9", 300, false},
                        {"2.0.0", 300, true}, {"2.0.0-rc.1", 300, false}};
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct version version = version_of(vectors[i].version);
                if (schedule_allows(*state, &version, vectors[i].height) != vectors[i].allowed)
                        fail_msg("%s at %lu", vectors[i].version, vectors[i].height);
        }
}

static void test_one_height_has_one_range(void **state) {
        struct schedule *schedule = *state;
        struct range same = range_of(">=2.0.0"), other = range_of(">=3.0.0");
        char *conflict = NULL;
        assert_int_equal(schedule_add(schedule, 300, &same, &conflict), 0);
        assert_null(conflict);
        assert_int_equal(schedule_add(schedule, 300, &other, NULL), -EEXIST);
        assert_int_equal(schedule_add(schedule, 300, &other, &conflict), -EEXIST);
        assert_non_null(conflict);
        assert_non_null(strstr(conflict, "300"));
        assert_non_null(strstr(conflict, ">=2.0.0"));
        assert_non_null(strstr(conflict, ">=3.0.0"));
        free(conflict);
        assert_int_equal(schedule->n, 3);
        assert_string_equal(schedule_range_at(schedule, 300)->text, ">=2.0.0");
}

static void test_what_was_removed_no_longer_counts(void **state) {
        struct schedule *schedule = *state;
        schedule_remove(schedule, 150);
        assert_int_equal(schedule->n, 3);
        schedule_remove(schedule, 200);
        assert_string_equal(schedule_range_at(schedule, 250)->text, "<1.4.0");
        assert_int_equal(schedule_next(schedule, 100)->height, 300);
        schedule_remove(schedule, 300);
        schedule_remove(schedule, 100);
        assert_int_equal(schedule->n, 0);
        assert_null(schedule_range_at(schedule, 250));
        assert_null(schedule_next(schedule, 0));
        add(schedule, 200, ">=7.0.0");
        assert_string_equal(schedule_range_at(schedule, 250)->text, ">=7.0.0");
}

static void test_the_highest_allowed_version_is_selected(void **state) {
        struct version versions[] = {version_of("1.4.1"), version_of("2.0.0-rc.1"), version_of("1.10.0"),
                        version_of("1.3.0"), version_of("1.9.0"), version_of("2.0.0")};
        static const struct {
                uint64_t height;
                size_t n;
                int index;
        } vectors[] = {{0, 6, 5}, {100, 6, 3}, {200, 6, 2}, {300, 6, 5}, {300, 5, -1}, {100, 3, -1},
                        {0, 0, -1}};
        for (size_t i = 0; i < ELEMENTS(vectors); i++)
                assert_int_equal(schedule_select(*state, versions, vectors[i].n, vectors[i].height),
                                vectors[i].index);
}

static void test_a_refusal_names_height_range_version_and_what_would_do(void **state) {
        struct version versions[] = {version_of("1.4.1"), version_of("2.1.0"), version_of("2.0.0")};
        struct version refused = version_of("1.9.0");
        char text[512];
        schedule_refusal(*state, &refused, 345, versions, ELEMENTS(versions), text, sizeof(text));
        static const char *const named[] = {"345", ">=2.0.0", "1.9.0", "2.1.0"};
        for (size_t i = 0; i < ELEMENTS(named); i++)
                if (!strstr(text, named[i]))
                        fail_msg("\"%s\" does not name %s", text, named[i]);
        assert_null(strstr(text, "1.4.1"));
        schedule_refusal(*state, &refused, 345, versions, 1, text, sizeof(text));
        assert_null(strstr(text, "1.4.1"));
        assert_non_null(strstr(text, "release add"));
        /* A text that does not fit is cut and ends. */
        memset(text, 'x', sizeof(text));
        schedule_refusal(*state, &refused, 345, versions, 1, text, 10);
        assert_int_equal(strlen(text), 9);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(test_a_range_holds_from_its_height_to_the_next,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(
                                        test_a_version_is_allowed_from_its_minimum_to_its_maximum,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(
                                        test_one_height_has_one_range, make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(test_what_was_removed_no_longer_counts,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(test_the_highest_allowed_version_is_selected,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(
                                        test_a_refusal_names_height_range_version_and_what_would_do,
                                        make_schedule, free_schedule),
        };
        return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
