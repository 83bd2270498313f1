/* The schedule is a table: the same answer whenever and from wherever it is asked. */
#include "director/schedule.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct boundary_rule rule_of(const char *point, const char *text) {
        struct boundary_rule rule;
        char why[256];
        if (boundary_parse(point, text, &rule, why, sizeof(why)) < 0)
                fail_msg("%s %s: %s", point, text, why);
        return rule;
}

static struct version version_of(const char *text) {
        struct version version;
        assert_int_equal(version_parse(text, &version), 0);
        return version;
}

static int try_to_add(struct schedule *schedule, uint64_t height, const char *text, char **ret_conflict) {
        char point[32];
        (void)snprintf(point, sizeof(point), "%lu", height);
        struct boundary_rule rule = rule_of(point, text);
        return schedule_add(schedule, &rule, height, ret_conflict);
}

static void add(struct schedule *schedule, uint64_t height, const char *text) {
        assert_int_equal(try_to_add(schedule, height, text, NULL), 0);
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
        char *conflict = NULL;
        assert_int_equal(try_to_add(schedule, 300, ">=2.0.0", &conflict), 0);
        assert_null(conflict);
        assert_int_equal(try_to_add(schedule, 300, ">=3.0.0", NULL), -EEXIST);
        assert_int_equal(try_to_add(schedule, 300, ">=3.0.0", &conflict), -EEXIST);
        assert_non_null(conflict);
        assert_non_null(strstr(conflict, "300"));
        assert_non_null(strstr(conflict, ">=2.0.0"));
        assert_non_null(strstr(conflict, ">=3.0.0"));
        free(conflict);
        assert_int_equal(schedule->n, 3);
        assert_string_equal(schedule_range_at(schedule, 300)->text, ">=2.0.0");
}

static bool allows(const struct schedule *schedule, const char *version_text, uint64_t height) {
        struct version version = version_of(version_text);
        return schedule_allows(schedule, &version, height);
}

static uint64_t first_denied(const struct schedule *schedule, const char *version_text, uint64_t from) {
        struct version version = version_of(version_text);
        return schedule_first_denied(schedule, &version, from);
}

static void test_in_a_window_the_new_release_may_and_at_the_boundary_it_must(void **state) {
        _cleanup_(schedule_done) struct schedule schedule = {0};
        (void)state;
        add(&schedule, 1, "1.x");
        add(&schedule, 100, "2.x from=80");
        assert_false(allows(&schedule, "2.0.0", 79));
        assert_true(allows(&schedule, "2.0.0", 80));
        assert_true(allows(&schedule, "1.0.0", 99));
        assert_false(allows(&schedule, "1.0.0", 100));
        assert_int_equal(first_denied(&schedule, "1.0.0", 85), 100);
        assert_int_equal(first_denied(&schedule, "2.0.0", 85), UINT64_MAX);
        assert_int_equal(first_denied(&schedule, "2.0.0", 10), 10);
        struct version old = version_of("1.0.0"), new = version_of("2.0.0");
        assert_int_equal(schedule_window_ahead(&schedule, &old, 79)->height, 100);
        assert_int_equal(schedule_window_ahead(&schedule, &old, 80)->height, 100);
        assert_null(schedule_window_ahead(&schedule, &new, 80));
        struct version versions[] = {old, new, version_of("1.5.0")};
        assert_int_equal(schedule_select(&schedule, versions, 3, 79, NULL), 2);
        assert_int_equal(schedule_select(&schedule, versions, 3, 80, NULL), 1);
        assert_int_equal(schedule_select(&schedule, versions, 3, 80, &schedule.boundaries[0].range), 2);
}

static void test_before_reaches_back_to_the_last_exact_boundary(void **state) {
        _cleanup_(schedule_done) struct schedule schedule = {0};
        (void)state;
        add(&schedule, 10, "1.x");
        add(&schedule, 100, "2.x mode=before");
        add(&schedule, 200, "3.x mode=before");
        add(&schedule, 300, "4.x");
        add(&schedule, 400, "5.x mode=before from=350");
        assert_true(allows(&schedule, "3.0.0", 10)); /* it knows the rules before 100 as well */
        assert_true(allows(&schedule, "3.0.0", 250));
        assert_false(allows(&schedule, "2.0.0", 200));
        assert_false(allows(&schedule, "4.0.0", 299));
        assert_false(allows(&schedule, "5.0.0", 349));
        assert_true(allows(&schedule, "5.0.0", 350));
        assert_false(allows(&schedule, "5.0.0", 250));
        assert_true(allows(&schedule, "9.0.0", 9)); /* below the first boundary anything */
        assert_int_equal(first_denied(&schedule, "3.0.0", 10), 300);
}

/* A release runs already by the window of a boundary that is far ahead when another one comes that asks for it too. */
static void test_before_reaches_back_over_what_asks_for_the_same_release(void **state) {
        _cleanup_(schedule_done) struct schedule schedule = {0};
        (void)state;
        add(&schedule, 1, "1.0.0");
        add(&schedule, 10000, "1.1.0 mode=before");
        assert_true(allows(&schedule, "1.1.0", 55));
        add(&schedule, 5000, "1.x");
        assert_true(allows(&schedule, "1.1.0", 55));
        assert_true(allows(&schedule, "1.1.0", 5000));
        assert_int_equal(first_denied(&schedule, "1.1.0", 55), UINT64_MAX);
        add(&schedule, 60, "1.0.x");
        assert_false(allows(&schedule, "1.1.0", 55));
        assert_true(allows(&schedule, "1.1.0", 60));
        assert_false(allows(&schedule, "1.1.0", 1));
}

static void test_a_boundary_without_a_height_denies_nothing(void **state) {
        _cleanup_(schedule_done) struct schedule schedule = {0};
        struct boundary_rule at = rule_of("time:2026-12-01T00:00:00Z", "2.x");
        struct boundary_rule before = rule_of("time:2027-12-01T00:00:00Z", "3.x mode=before");
        struct version old = version_of("1.0.0");
        (void)state;
        add(&schedule, 1, "1.x");
        assert_int_equal(schedule_add(&schedule, &at, SCHEDULE_NO_HEIGHT, NULL), 0);
        assert_int_equal(first_denied(&schedule, "1.0.0", 1), UINT64_MAX);
        assert_false(allows(&schedule, "2.0.0", 50));
        assert_null(schedule_window_ahead(&schedule, &old, 50));
        assert_int_equal(schedule_add(&schedule, &before, SCHEDULE_NO_HEIGHT, NULL), 0);
        assert_true(allows(&schedule, "3.0.0", 50));
        assert_string_equal(schedule_window_ahead(&schedule, &old, 50)->rule.range, "3.x");
        assert_int_equal(schedule_add(&schedule, &at, 60, NULL), 0); /* the same rule is not there twice */
        assert_int_equal(schedule.n_pending, 2);
}

static void test_nodes_go_over_in_the_first_three_quarters(void **state) {
        _cleanup_(schedule_done) struct schedule schedule = {0};
        bool differs = false;
        (void)state;
        add(&schedule, 1000, "2.x from=600");
        add(&schedule, 2000, "3.x mode=before");
        for (uint64_t seed = 0; seed < 100; seed++) {
                uint64_t point = schedule_rolling_point(&schedule, &schedule.boundaries[0], seed * 7919);
                assert_in_range(point, 600, 899);
                assert_int_equal(point,
                                schedule_rolling_point(&schedule, &schedule.boundaries[0], seed * 7919));
                differs = differs || point != schedule_rolling_point(&schedule, &schedule.boundaries[0], 0);
        }
        assert_true(differs);
        assert_int_equal(schedule_rolling_point(&schedule, &schedule.boundaries[1], 12345), 1000);
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
                assert_int_equal(schedule_select(*state, versions, vectors[i].n, vectors[i].height, NULL),
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

static void place(struct schedule *schedule, const char *point, const char *range, uint64_t height) {
        struct boundary_rule rule = rule_of(point, range);
        assert_int_equal(schedule_add(schedule, &rule, height, NULL), 0);
}

/* A node that joins late is past several points at once. */
static void test_of_points_that_lie_at_one_height_the_latest_counts(void **state) {
        static const unsigned orders[][3] = {{10, 20, 30}, {30, 20, 10}, {20, 30, 10}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(orders); i++) {
                struct schedule schedule = {0};
                for (size_t k = 0; k < 3; k++) {
                        char point[32], range[32];
                        (void)snprintf(point, sizeof(point), "view:%u", orders[i][k]);
                        (void)snprintf(range, sizeof(range), "%u.x", orders[i][k] / 10);
                        place(&schedule, point, range, 500);
                }
                assert_int_equal(schedule.n, 1);
                assert_string_equal(schedule_range_at(&schedule, 500)->text, "3.x");
                struct boundary_rule rule = rule_of("500", "4.x");
                assert_int_equal(schedule_add(&schedule, &rule, 500, NULL), -EEXIST);
                schedule_done(&schedule);
        }
}

static uint64_t place_of(
                const struct schedule *schedule, const char *point, const char *range, uint64_t height) {
        struct boundary pending = {.height = SCHEDULE_NO_HEIGHT, .rule = rule_of(point, range)};
        assert_int_equal(range_parse(range, &pending.range), 0);
        return schedule_place(schedule, &pending, height);
}

static void test_a_point_comes_to_lie_where_none_of_another_unit_is(void **state) {
        struct schedule schedule = {0};
        (void)state;
        add(&schedule, 100, "1.x");
        place(&schedule, "epoch:7", "2.x", 101);
        place(&schedule, "view:30", "3.x", 102);
        assert_int_equal(place_of(&schedule, "view:40", "3.x", 99), 99);
        assert_int_equal(place_of(&schedule, "view:40", "3.x", 100), 102);
        assert_int_equal(place_of(&schedule, "epoch:8", "3.x", 100), 101);
        assert_int_equal(place_of(&schedule, "time:2020-01-01T00:00:00Z", "3.x", 100), 103);
        schedule_done(&schedule);
}

/* Who joins late must not go back to what ran before a height that was passed long ago. */
static void test_a_point_that_asks_for_lower_versions_came_before(void **state) {
        static const struct {
                const char *point, *range;
                uint64_t at;
        } cases[] = {{"view:9", "3.x", 199}, {"view:9", "3.1.0 || 1.0.0", 199}, {"view:9", ">=1.0.0", 199},
                        {"view:9", "<2.0.0", 49}, {"view:9", "1.1.0", 49}, {"view:9", "2.0.1", 79},
                        {"epoch:9", "2.x", 79}, {"epoch:9", "1.x", 48}, {"view:9", "0.9.0", 49},
                        {"time:2020-01-01T00:00:00Z", "0.9.0", 8}};
        struct schedule schedule = {0};
        (void)state;
        add(&schedule, 10, "1.0.x");
        add(&schedule, 50, "2.x");
        add(&schedule, 80, "3.x");
        add(&schedule, 200, "3.x");
        add(&schedule, 300, "4.x");
        place(&schedule, "view:5", "1.5.0", 49);
        place(&schedule, "epoch:1", "0.9.0", 9);
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(place_of(&schedule, cases[i].point, cases[i].range, 199), cases[i].at);
        schedule_done(&schedule);
        /* What goes back at a height that is written down is meant so. */
        add(&schedule, 50, "2.x");
        add(&schedule, 80, "1.x");
        assert_int_equal(place_of(&schedule, "view:9", "1.1.0", 102), 102);
        add(&schedule, 0, "5.x");
        assert_int_equal(place_of(&schedule, "view:9", "1.1.0", 40), 40);
        schedule_done(&schedule);
}

static void test_the_first_that_is_pending_is_found_for_each_unit(void **state) {
        struct schedule schedule = {0};
        (void)state;
        assert_null(schedule_first_pending(&schedule, UNIT_VIEW));
        place(&schedule, "view:30", "3.x", SCHEDULE_NO_HEIGHT);
        place(&schedule, "epoch:1", "2.x", SCHEDULE_NO_HEIGHT);
        place(&schedule, "view:20", "2.x", SCHEDULE_NO_HEIGHT);
        place(&schedule, "view:10", "1.x", 5);
        assert_int_equal(schedule_first_pending(&schedule, UNIT_VIEW)->rule.at, 20);
        assert_int_equal(schedule_first_pending(&schedule, UNIT_EPOCH)->rule.at, 1);
        assert_null(schedule_first_pending(&schedule, UNIT_TIME));
        schedule_done(&schedule);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_of_points_that_lie_at_one_height_the_latest_counts),
                        cmocka_unit_test(test_a_point_comes_to_lie_where_none_of_another_unit_is),
                        cmocka_unit_test(test_a_point_that_asks_for_lower_versions_came_before),
                        cmocka_unit_test(test_the_first_that_is_pending_is_found_for_each_unit),
                        cmocka_unit_test_setup_teardown(test_a_range_holds_from_its_height_to_the_next,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(
                                        test_a_version_is_allowed_from_its_minimum_to_its_maximum,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(
                                        test_one_height_has_one_range, make_schedule, free_schedule),
                        cmocka_unit_test(test_in_a_window_the_new_release_may_and_at_the_boundary_it_must),
                        cmocka_unit_test(test_before_reaches_back_to_the_last_exact_boundary),
                        cmocka_unit_test(test_before_reaches_back_over_what_asks_for_the_same_release),
                        cmocka_unit_test(test_a_boundary_without_a_height_denies_nothing),
                        cmocka_unit_test(test_nodes_go_over_in_the_first_three_quarters),
                        cmocka_unit_test_setup_teardown(test_the_highest_allowed_version_is_selected,
                                        make_schedule, free_schedule),
                        cmocka_unit_test_setup_teardown(
                                        test_a_refusal_names_height_range_version_and_what_would_do,
                                        make_schedule, free_schedule),
        };
        return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
