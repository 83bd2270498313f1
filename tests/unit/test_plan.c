/* What the plan and the status say about what comes next, from what the director knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/outlook.h"
#include "director/plan.h"
#include "lib/release.h"
#include "lib/release_files.h"
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#define HEIGHT 660
#define BOUNDARY 672

struct stage {
        char top[64], source[96], releases[96];
        struct config config;
        struct director director;
};

static void add_releases(const struct stage *stage) {
        static const char *const versions[] = {"1.7.1", "2.0.0", "3.0.1"};
        for (size_t i = 0; i < ELEMENTS(versions); i++) {
                _cleanup_free_ char *error = NULL;
                bool existed;
                assert_true(release_add(stage->releases, versions[i], stage->source, NULL, NULL, &existed,
                                            &error) >= 0);
        }
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        struct director *director = &stage->director;
        char path[96];
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-plan-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->source, sizeof(stage->source), "%s/node", stage->top);
        (void)snprintf(stage->releases, sizeof(stage->releases), "%s/releases", stage->top);
        (void)snprintf(path, sizeof(path), "%s/journal.db", stage->top);
        _cleanup_close_ int fd = open(stage->source, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
        assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
        add_releases(stage);
        assert_int_equal(journal_open(path, true, &director->journal), 0);
        assert_true(sd_event_new(&director->event) >= 0);
        stage->config.node = (char *)"anvil";
        stage->config.exec.command = (char *)"node";
        stage->config.gate.kind = GATE_OBSERVE;
        stage->config.gate.overshoot_allowed = true;
        director->config = &stage->config;
        director->releases_dir = stage->releases;
        director->settings.snapshot = true;
        director->record.machine = machine_initial();
        director->record.machine.phase = PHASE_RUNNING;
        text_copy(director->record.machine.current_release, MACHINE_RELEASE_MAX, "1.7.1");
        director->record.follow.held_at = director->record.follow.found_at = MACHINE_NO_HEIGHT;
        director->rate = (struct rate){
                        .height = HEIGHT, .at = now_monotonic(), .usec_per_block = USEC_PER_SEC};
        *state = stage;
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        schedule_done(&stage->director.schedule);
        journal_close(stage->director.journal);
        (void)sd_event_source_disable_unref(stage->director.retry_timer);
        (void)sd_event_source_disable_unref(stage->director.phase_timer);
        sd_event_unref(stage->director.event);
        free(stage->director.gate);
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage);
        return 0;
}

static void schedule_rule(struct stage *stage, struct boundary_rule rule, const char *range) {
        text_copy(rule.range, sizeof(rule.range), range);
        assert_int_equal(schedule_add(&stage->director.schedule, &rule,
                                         rule.unit == UNIT_HEIGHT ? rule.at : SCHEDULE_NO_HEIGHT, NULL),
                        0);
}

static void schedule(struct stage *stage, uint32_t unit, uint64_t at, const char *range) {
        schedule_rule(stage, (struct boundary_rule){.unit = unit, .at = at, .from = BOUNDARY_NO_WINDOW},
                        range);
}

static json_t *read_json(char *text) {
        json_t *json = json_loads(text, 0, NULL);
        assert_non_null(json);
        free(text);
        return json;
}

static const char *text_of(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key));
}

/* What is planned at each point, one a line: "672 -> 2.0.0". */
static void assert_order(struct stage *stage, const char *expected) {
        char said[512] = "";
        json_t *plan = read_json(plan_text(&stage->director)), *item;
        size_t i;
        json_array_foreach(json_object_get(plan, "boundaries"), i, item) {
                size_t length = strlen(said);
                (void)snprintf(said + length, sizeof(said) - length, "%s %s %s\n", text_of(item, "point"),
                                json_is_true(json_object_get(item, "is_swap")) ? "->" : "stays",
                                text_of(item, "release"));
        }
        json_decref(plan);
        assert_string_equal(said, expected);
}

static void assert_says(const json_t *object, const char *key, const char *expected) {
        const char *text = text_of(object, key);
        if (!text || !strstr(text, expected))
                fail_msg("%s is \"%s\", without \"%s\"", key, text ? text : "(null)", expected);
}

static const json_t *first_boundary(const json_t *plan) {
        return json_array_get(json_object_get(plan, "boundaries"), 0);
}

static void an_epoch_is_promised_no_height(void **state) {
        static const uint32_t units[] = {UNIT_EPOCH, UNIT_VIEW, UNIT_TIME};
        for (size_t i = 0; i < ELEMENTS(units); i++)
                for (enum gate_kind kind = GATE_NONE; kind <= GATE_OBSERVE; kind++) {
                        struct stage *stage = *state;
                        stage->config.gate.kind = kind;
                        schedule(stage, units[i], 2000000000, "2.0.0");
                        char *text = plan_text(&stage->director);
                        assert_null(strstr(text, "18446744073709551"));
                        json_t *plan = read_json(text);
                        if (kind == GATE_OBSERVE)
                                assert_says(first_boundary(plan), "gate_promise",
                                                "is that of the last block before it, and may overshoot");
                        json_decref(plan);
                        schedule_done(&stage->director.schedule);
                }
}

/* As at a height: the running release may not go on there. */
static void who_is_denied_from_an_epoch_on_does_not_go_on(void **state) {
        struct stage *stage = *state;
        schedule(stage, UNIT_EPOCH, 2, "2.0.0");
        json_t *plan = read_json(plan_text(&stage->director));
        assert_says(first_boundary(plan), "on_failure", "the node is held");
        json_decref(plan);
        stage->config.gate.kind = GATE_UPROBE;
        plan = read_json(plan_text(&stage->director));
        assert_says(first_boundary(plan), "on_failure", "1.7.1 is held behind the last block before it");
        json_decref(plan);
}

static void arm(struct stage *stage, const char *from, const char *to) {
        struct machine *machine = &stage->director.record.machine;
        machine->phase = PHASE_ARMED;
        machine->kind = SWAP_UPGRADE;
        machine->boundary = BOUNDARY;
        text_copy(machine->current_release, MACHINE_RELEASE_MAX, from);
        text_copy(machine->candidate_release, MACHINE_RELEASE_MAX, to);
}

/* The schedule allows what runs, and the operator wants the older one. */
static void an_armed_downgrade_is_in_the_plan(void **state) {
        struct stage *stage = *state;
        static const char *const ranges[] = {">=1.7.1", NULL};
        arm(stage, "3.0.1", "1.7.1");
        for (size_t i = 0; i < ELEMENTS(ranges); i++) {
                if (ranges[i])
                        schedule(stage, UNIT_HEIGHT, BOUNDARY, ranges[i]);
                else
                        schedule_done(&stage->director.schedule);
                json_t *plan = read_json(plan_text(&stage->director));
                const json_t *boundary = first_boundary(plan);
                assert_int_equal(json_integer_value(json_object_get(boundary, "height")), BOUNDARY);
                assert_true(json_is_true(json_object_get(boundary, "is_swap")));
                assert_string_equal(text_of(boundary, "release"), "1.7.1");
                assert_says(boundary, "on_failure", "3.0.1 comes back and goes on");
                json_decref(plan);
        }
}

static void what_is_armed_for_now_is_none_of_an_epoch(void **state) {
        struct stage *stage = *state;
        arm(stage, "1.7.1", "3.0.1");
        stage->director.record.machine.boundary = MACHINE_NO_HEIGHT;
        schedule(stage, UNIT_EPOCH, 2, "2.0.0");
        json_t *plan = read_json(plan_text(&stage->director));
        assert_string_equal(text_of(first_boundary(plan), "release"), "2.0.0");
        json_decref(plan);
}

/* A moment and a view that come before a height, and one that comes behind it. */
static void what_comes_first_is_planned_first(void **state) {
        struct stage *stage = *state;
        uint64_t now = now_realtime() / USEC_PER_SEC;
        char expected[256], soon[64], late[64];
        stage->director.counters[UNIT_VIEW].known =
                        (struct plausible){.height = 1000, .at = 1, .usec_per_block = USEC_PER_SEC};
        schedule(stage, UNIT_HEIGHT, HEIGHT + 60, "3.x");
        schedule(stage, UNIT_EPOCH, 7, "3.x");
        schedule(stage, UNIT_TIME, now + 90, ">=3.0.0");
        schedule(stage, UNIT_TIME, now + 20, "2.x");
        schedule(stage, UNIT_VIEW, 1030, ">=2.0.0");
        boundary_format_point(UNIT_TIME, now + 20, soon, sizeof(soon));
        boundary_format_point(UNIT_TIME, now + 90, late, sizeof(late));
        (void)snprintf(expected, sizeof(expected),
                        "%s -> 2.0.0\nview:1030 stays 2.0.0\n720 -> 3.0.1\n%s stays 3.0.1\nepoch:7 stays "
                        "3.0.1\n",
                        soon, late);
        assert_order(stage, expected);
        /* It begins to go to the height before the moment has come. */
        arm(stage, "1.7.1", "3.0.1");
        stage->director.record.machine.boundary = HEIGHT + 60;
        assert_order(stage, expected);
        /* The next block is made before a moment that comes sooner is given its height. */
        schedule(stage, UNIT_HEIGHT, HEIGHT + 22, "1.x");
        (void)snprintf(expected, sizeof(expected),
                        "682 stays 1.7.1\n%s -> 2.0.0\nview:1030 stays 2.0.0\n720 -> 3.0.1\n%s stays 3.0.1\n"
                        "epoch:7 stays 3.0.1\n",
                        soon, late);
        assert_order(stage, expected);
}

/* Nothing tells how far the height is: the others are behind it. */
static void without_a_rate_heights_come_first(void **state) {
        struct stage *stage = *state;
        char expected[128], soon[64];
        uint64_t soon_at = now_realtime() / USEC_PER_SEC + 20;
        stage->director.rate.usec_per_block = 0;
        schedule(stage, UNIT_VIEW, 1030, "3.x");
        schedule(stage, UNIT_TIME, soon_at, "2.x");
        schedule(stage, UNIT_HEIGHT, BOUNDARY, "1.x");
        boundary_format_point(UNIT_TIME, soon_at, soon, sizeof(soon));
        (void)snprintf(expected, sizeof(expected), "672 stays 1.7.1\n%s -> 2.0.0\nview:1030 -> 3.0.1\n",
                        soon);
        assert_order(stage, expected);
}

/* There is nobody whom the gate is to stop there, nor who could come back. */
static void of_nobody_who_ran_nothing_is_said(void **state) {
        struct stage *stage = *state;
        stage->director.record.machine.current_release[0] = '\0';
        stage->config.gate.kind = GATE_UPROBE;
        schedule(stage, UNIT_HEIGHT, BOUNDARY, "1.x");
        schedule(stage, UNIT_HEIGHT, BOUNDARY + 10, "2.x");
        json_t *plan = read_json(plan_text(&stage->director));
        const json_t *second = json_array_get(json_object_get(plan, "boundaries"), 1);
        assert_null(text_of(first_boundary(plan), "on_failure"));
        assert_null(text_of(first_boundary(plan), "gate_promise"));
        assert_says(second, "on_failure", "1.7.1 is held behind block 681");
        json_decref(plan);
}

static void assert_about(const json_t *object, const char *key, double least, double most) {
        const json_t *value = json_object_get(object, key);
        assert_true(json_is_number(value));
        assert_true(json_number_value(value) > least && json_number_value(value) <= most);
}

static void note_failures(struct stage *stage, const char *release, uint32_t tries) {
        struct follow *follow = &stage->director.record.follow;
        text_copy(follow->failed[0].release, MACHINE_RELEASE_MAX, release);
        follow->failed[0].tries = tries;
        follow->n_failed = 1;
}

static void assert_window(struct stage *stage, const char *on_failure, uint64_t rolls_at) {
        json_t *plan = read_json(plan_text(&stage->director)), *next = outlook_next(&stage->director);
        const json_t *boundary = first_boundary(plan);
        assert_says(boundary, "on_failure", on_failure);
        assert_says(next, "on_failure", on_failure);
        assert_int_equal(json_integer_value(json_object_get(boundary, "from")), HEIGHT - 10);
        assert_int_equal(json_integer_value(json_object_get(boundary, "rolls_at")), rolls_at);
        json_decref(plan);
        json_decref(next);
}

/* As README says: what fails in a window is rolled back and goes on. */
static void who_fails_in_a_window_is_rolled_back(void **state) {
        struct stage *stage = *state;
        struct director *director = &stage->director;
        schedule_rule(stage, (struct boundary_rule){.at = BOUNDARY, .from = HEIGHT - 10}, "2.x");
        director->rolling_seed = 14;
        assert_window(stage, "1.7.1 comes back and goes on, to block 671 at most", HEIGHT + 4);
        director->rolling_seed = 0; /* it should have gone over already, and does so with the next block */
        assert_window(stage, "1.7.1 comes back and goes on, to block 671 at most", HEIGHT + 1);
        director->record.follow.went_back = true;
        assert_window(stage, "the node is held", BOUNDARY);
        director->record.follow.went_back = false;
        arm(stage, "1.7.1", "2.0.0");
        assert_window(stage, "the node is held", BOUNDARY);
}

/* At the window's end what fails there is held. */
static void at_its_end_a_window_is_none(void **state) {
        struct stage *stage = *state;
        schedule_rule(stage, (struct boundary_rule){.at = HEIGHT + 1, .from = HEIGHT - 10}, "2.x");
        assert_window(stage, "the node is held", HEIGHT + 1);
}

static void a_pending_boundary_that_is_open_has_a_window(void **state) {
        struct stage *stage = *state;
        const struct boundary_rule rule = {
                        .unit = UNIT_EPOCH, .mode = MODE_BEFORE, .at = 7, .from = BOUNDARY_NO_WINDOW};
        schedule_rule(stage, rule, "2.x");
        json_t *plan = read_json(plan_text(&stage->director));
        assert_says(first_boundary(plan), "on_failure",
                        "1.7.1 comes back and goes on, to the last block before it");
        json_decref(plan);
}

static void assert_problem(struct stage *stage, const char *expected) {
        json_t *plan = read_json(plan_text(&stage->director));
        const json_t *boundary = first_boundary(plan),
                     *said = json_array_get(json_object_get(boundary, "problems"), 0);
        const char *text = said ? json_string_value(said) : "";
        assert_int_equal(json_is_true(json_object_get(boundary, "ok")), !said);
        if (expected ? !strstr(text, expected) : *text)
                fail_msg("\"%s\", not \"%s\"", text, expected ? expected : "");
        json_decref(plan);
}

static void a_release_that_failed_is_not_ready(void **state) {
        struct stage *stage = *state;
        schedule_rule(stage, (struct boundary_rule){.at = BOUNDARY, .from = HEIGHT - 10}, "2.x");
        assert_problem(stage, NULL);
        note_failures(stage, "2.0.0", 1);
        assert_problem(stage, "2.0.0 has failed 1 time already, and is tried 2 times more by itself");
        note_failures(stage, "2.0.0", 2);
        assert_problem(stage, "2.0.0 has failed 2 times already, and is tried 1 time more by itself");
        note_failures(stage, "2.0.0", FOLLOW_TRIES_MAX);
        assert_problem(stage, "2.0.0, which has been tried in vain");
        arm(stage, "1.7.1", "2.0.0"); /* by an operator, who knows */
        assert_problem(stage, NULL);
        stage->director.record.machine.kind = SWAP_NONE;
        schedule_done(&stage->director.schedule);
        schedule(stage, UNIT_TIME, 2000000000, "2.x");
        assert_problem(stage, "2.0.0 has been tried in vain, and is not tried again by itself");
        note_failures(stage, "3.0.1", 1);
        assert_problem(stage, NULL);
}

static void start_timer(const struct stage *stage, sd_event_source **timer, uint64_t usec) {
        assert_true(sd_event_add_time_relative(stage->director.event, timer, CLOCK_MONOTONIC, usec, 0, NULL,
                                    NULL) >= 0);
}

/* Behind a boundary whose release failed by chance, and is here. */
static void a_hold_is_told_with_its_next_try(void **state) {
        struct stage *stage = *state;
        struct director *director = &stage->director;
        director->record.machine.phase = PHASE_HELD;
        director->record.follow.held_at = BOUNDARY;
        text_copy(director->record.machine.reason, MACHINE_REASON_MAX, "2.0.0 crashed");
        schedule(stage, UNIT_HEIGHT, BOUNDARY, "2.0.0");
        schedule(stage, UNIT_HEIGHT, BOUNDARY + 100, "3.x");
        schedule(stage, UNIT_VIEW, BOUNDARY + 100, "3.x");
        director->counters[UNIT_VIEW].known = (struct plausible){.height = 1, .at = 1, .usec_per_block = 1};
        start_timer(stage, &director->retry_timer, 30 * USEC_PER_SEC);
        json_t *plan = read_json(plan_text(director)), *item;
        size_t n;
        assert_string_equal(text_of(plan, "phase"), "held");
        assert_string_equal(text_of(plan, "reason"), "2.0.0 crashed");
        assert_about(plan, "next_try_s", 0, 30);
        assert_int_equal(json_array_size(json_object_get(plan, "boundaries")), 3);
        json_array_foreach(json_object_get(plan, "boundaries"), n, item)
                        assert_true(json_is_null(json_object_get(item, "eta_s")));
        json_decref(plan);
}

static void a_hold_is_told_with_its_way_out(void **state) {
        struct stage *stage = *state;
        struct director *director = &stage->director;
        director->record.machine.phase = PHASE_HELD;
        director->record.follow.held_at = BOUNDARY;
        schedule(stage, UNIT_HEIGHT, BOUNDARY, "4.x");
        json_t *plan = read_json(plan_text(director));
        assert_says(plan, "way_out", "interrex release add anvil");
        assert_true(json_is_null(json_object_get(plan, "next_try_s")));
        json_decref(plan);
        json_t *next = outlook_next(director);
        assert_null(text_of(next, "tried_in_vain"));
        json_decref(next);
        schedule_done(&director->schedule);
        schedule(stage, UNIT_HEIGHT, BOUNDARY, "2.x");
        note_failures(stage, "2.0.0", FOLLOW_TRIES_MAX);
        next = outlook_next(director);
        assert_null(text_of(next, "release"));
        assert_says(next, "tried_in_vain", "2.0.0");
        json_decref(next);
}

static json_t *outlook(struct director *director) {
        json_t *object = json_object();
        outlook_put(director, object);
        return object;
}

static void backoff_is_told_with_its_end(void **state) {
        struct stage *stage = *state;
        struct director *director = &stage->director;
        start_timer(stage, &director->phase_timer, 30 * USEC_PER_SEC);
        json_t *said = outlook(director);
        assert_true(json_is_null(json_object_get(said, "next_try_s")));
        json_decref(said);
        director->record.machine.phase = PHASE_BACKOFF;
        director->record.machine.current_is_gone = true;
        said = outlook(director);
        assert_string_equal(text_of(said, "phase"), "starting");
        assert_about(said, "next_try_s", 0, 30);
        json_decref(said);
}

/* 2.0.0 is in force, and the boundary that it came for does not come any more. */
static void probation_is_told_with_its_end_and_what_comes_then(void **state) {
        struct stage *stage = *state;
        struct director *director = &stage->director;
        arm(stage, "1.7.1", "2.0.0");
        director->record.machine.phase = PHASE_PROBATION;
        director->watch.is_probation = true;
        director->watch.probation_ends_at = now_monotonic() + 30 * USEC_PER_SEC;
        schedule(stage, UNIT_HEIGHT, BOUNDARY, ">=2.0.0");
        json_t *said = outlook(director);
        assert_about(said, "probation_s", 0, 30);
        assert_true(json_is_null(json_object_get(said, "progress_s")));
        assert_true(json_is_null(outlook_next(director)));
        json_decref(said);
        schedule(stage, UNIT_HEIGHT, BOUNDARY + 100, "3.x");
        json_t *next = outlook_next(director);
        assert_string_equal(text_of(next, "release"), "3.0.1");
        assert_int_equal(json_integer_value(json_object_get(next, "height")), BOUNDARY + 100);
        assert_says(next, "on_failure", "the node is held");
        json_decref(next);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(an_epoch_is_promised_no_height, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        who_is_denied_from_an_epoch_on_does_not_go_on, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        an_armed_downgrade_is_in_the_plan, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        what_is_armed_for_now_is_none_of_an_epoch, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        what_comes_first_is_planned_first, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        without_a_rate_heights_come_first, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        of_nobody_who_ran_nothing_is_said, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        who_fails_in_a_window_is_rolled_back, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(at_its_end_a_window_is_none, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_pending_boundary_that_is_open_has_a_window, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_release_that_failed_is_not_ready, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(a_hold_is_told_with_its_next_try, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(a_hold_is_told_with_its_way_out, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(backoff_is_told_with_its_end, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(probation_is_told_with_its_end_and_what_comes_then,
                                        set_up, tear_down),
        };
        return cmocka_run_group_tests_name("the plan", tests, NULL, NULL);
}
