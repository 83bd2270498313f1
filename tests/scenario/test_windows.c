/* Boundaries that may be passed early, that are moments, and schedules that are replaced: what runs is what the newest edition says,
 * and nobody stands by. */
#include "support/scenario.h"
#include <sys/stat.h>
#include <time.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)

static void configure(struct scenario *s, unsigned block_ms, const char *more) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                        "release: \"1.0.0\"\nprobation: 100ms\nprogress: {blocks: 1, within: 10s}\nrestart: "
                        "{backoff: "
                        "[10ms]}\n%s",
                        more);
        scenario_configure_testnode(s, &(struct scenario_testnode){.block_ms = block_ms, .more = text});
        scenario_add_testnode(s, "1.0.0", "");
}

static void set(struct scenario *s, const char *point, const char *range) {
        scenario_expect(s, 0, "schedule", "set", s->node, point, range, NULL);
}

static void import(struct scenario *s, int wanted, const char *text) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/schedule", s->directory);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        scenario_expect(s, wanted, "schedule", "import", s->node, path, NULL);
}

static uint64_t first_height(struct scenario *s, const char *release) {
        struct ledger ledger = {0};
        uint64_t height = 0;
        assert_true(ledger_read(s->ledger, &ledger) >= 0);
        for (size_t i = 0; i < ledger.n && height == 0; i++)
                if (strcmp(ledger.entries[i].version, release) == 0)
                        height = ledger.entries[i].height;
        ledger_done(&ledger);
        return height;
}

/* The first height that the second release committed. */
static uint64_t went_over_at(struct scenario *s) {
        static const char *const order[] = {"1.0.0", "2.0.0", NULL};
        scenario_assert_order(s, order);
        return first_height(s, "2.0.0");
}

SCENARIO(I3_in_a_window_it_goes_over_early_and_only_once) {
        configure(s, 20, "");
        set(s, "1", "1.x");
        set(s, "200", "2.x from=30");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_start_load(s, 200, 5);
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "restarts"), 0);
        json_decref(status);
        scenario_stop(s);
        assert_in_range(went_over_at(s), 30, 180);
}

/* What fails in the window is rolled back, and the old release goes on to the boundary; there it must not. */
SCENARIO(I3_what_fails_in_a_window_is_tried_again_and_held_at_its_end) {
        static const struct ledger_range ranges[] = {{1, 99, "1.0.0"}, {100, UINT64_MAX, "2.0.1"}};
        configure(s, 20, "");
        set(s, "1", "1.x");
        set(s, "100", "2.x from=20");
        scenario_add_testnode(s, "2.0.0", "--exit-after-ms 1");
        scenario_start(s);
        scenario_start_load(s, 200, 5);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_wait_height(s, 99, TIMEOUT_US);
        scenario_assert_release(s, "1.0.0");
        scenario_add_testnode(s, "2.0.1", "");
        scenario_wait_height(s, 110, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

/* An operator who goes back in a window is not overruled, until the end of it. */
SCENARIO(an_operator_may_go_back_in_a_window) {
        configure(s, 20, "");
        set(s, "1", "1.x");
        set(s, "100000", "2.x mode=before");
        scenario_start(s);
        scenario_add_testnode(s, "2.0.0", "");
        scenario_wait_height(s, 20, TIMEOUT_US);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        json_t *status = scenario_status(s);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        json_decref(status);
        scenario_wait_height(s, height + 30, TIMEOUT_US);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
}

static bool is_release(const json_t *status, const void *release) {
        return strcmp(scenario_text(status, "release"), release) == 0;
}

/* The first block after the moment, or nearly: what ran before it was right, and what runs after it is. */
SCENARIO(I3_a_moment_is_a_boundary) {
        char point[64];
        configure(s, 20, "");
        (void)snprintf(point, sizeof(point), "time:%lu", now_realtime() / USEC_PER_SEC + 3);
        set(s, "1", "1.x");
        set(s, point, "2.x");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_start_load(s, 200, 5);
        scenario_expect(s, 0, "plan", s->node, NULL);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        json_t *status = scenario_wait_status(s, is_release, "2.0.0", TIMEOUT_US);
        assert_true(now_realtime() / USEC_PER_SEC >= strtoull(point + 5, NULL, 10));
        uint64_t height = (uint64_t)scenario_number(status, "height");
        json_decref(status);
        scenario_wait_height(s, height + 20, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        assert_true(went_over_at(s) > 1);
        /* It stays where it came to lie: the old release is not allowed on this state any more. */
        char manifest[200];
        (void)snprintf(manifest, sizeof(manifest), "%s/%s/releases/2.0.0.json", s->state_dir, s->node);
        assert_int_equal(unlink(manifest), 0); /* as no command would take it away */
        scenario_start_supervisor(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_stop(s);
}

SCENARIO(I3_a_newer_edition_replaces_what_lies_ahead_and_an_older_one_is_refused) {
        char text[160];
        configure(s, 20, "");
        scenario_add_testnode(s, "2.0.0", "");
        import(s, 0, "sequence 5\n1 1.x\n100000 2.x\n");
        import(s, 0, "sequence 5\n1 1.x\n100000 2.x\n"); /* the same again */
        import(s, 1, "sequence 5\n1 1.x\n100001 2.x\n");
        import(s, 1, "sequence 4\n1 1.x\n100000 2.x\n");
        scenario_expect(s, 1, "schedule", "set", s->node, "100000", "3.x", NULL);
        scenario_start(s);
        scenario_wait_height(s, 1, TIMEOUT_US);
        import(s, 1, "sequence 4\n1 1.x\n100000 2.x\n");
        import(s, 2, "sequence 6\n1 1.x\n100000 >2 <1\n");
        import(s, 1, "sequence 6\n1 2.x\n"); /* 1.0.0 has run there */
        (void)snprintf(text, sizeof(text), "sequence 6\nnode not-%s\n1 1.x\n", s->node);
        import(s, 1, text);
        json_t *status = scenario_status(s);
        uint64_t boundary = (uint64_t)scenario_number(status, "height") + 300;
        json_decref(status);
        (void)snprintf(text, sizeof(text), "sequence 6\n1 1.x\n%lu 2.x\n", boundary);
        import(s, 0, text);
        scenario_wait_height(s, boundary + 10, TIMEOUT_US);
        (void)snprintf(text, sizeof(text), "%lu", boundary);
        scenario_expect(s, 1, "schedule", "remove", s->node, text, NULL);
        scenario_stop(s);
        assert_int_equal(went_over_at(s), boundary);
}

/* A release on probation must stop at what comes into the schedule meanwhile, as one that runs must. */
static void set_in_probation(struct scenario *s, const char *kind) {
        char point[64], text[512];
        (void)snprintf(text, sizeof(text), "probation: 5s\ndeadlines: {prove: 20s}");
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .block_ms = 20, .more = text});
        scenario_add_testnodes(s, 1, 3);
        set(s, "1", "<3.0.0");
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        scenario_wait_phase(s, "probation", TIMEOUT_US);
        json_t *status = scenario_status(s);
        uint64_t boundary = (uint64_t)scenario_number(status, "height") + 100;
        json_decref(status);
        if (strcmp(kind, "time") == 0)
                (void)snprintf(point, sizeof(point), "time:%lu", now_realtime() / USEC_PER_SEC + 2);
        else
                (void)snprintf(point, sizeof(point), "%lu", boundary);
        set(s, point, "3.x");
        json_decref(scenario_wait_status(s, is_release, "3.0.0", TIMEOUT_US));
        scenario_wait_height(s, boundary + 150, TIMEOUT_US);
        scenario_stop(s);
        static const char *const order[] = {"1.0.0", "2.0.0", "3.0.0", NULL};
        scenario_assert_order(s, order);
        if (strcmp(kind, "time") != 0)
                assert_int_equal(first_height(s, "3.0.0"), boundary);
}

SCENARIO(I3_a_boundary_that_is_set_in_probation_is_kept) {
        set_in_probation(s, "height");
}

SCENARIO(I3_a_moment_that_comes_in_probation_is_kept) {
        set_in_probation(s, "time");
}

/* What came before a height that was passed long ago is not asked for again, whenever it is heard of. */
SCENARIO(I3_a_moment_of_long_ago_does_not_take_the_node_back) {
        static const struct ledger_range ranges[] = {{1, 49, "1.0.0"}, {50, UINT64_MAX, "2.0.0"}};
        configure(s, 20, "");
        scenario_add_testnode(s, "1.1.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        set(s, "1", "1.0.0");
        set(s, "50", "2.x");
        scenario_start(s);
        scenario_wait_height(s, 60, TIMEOUT_US);
        import(s, 0, "time:2020-01-01T00:00:00Z 1.1.0\n");
        json_t *status = scenario_status(s);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        json_decref(status);
        scenario_wait_height(s, height + 100, TIMEOUT_US);
        char point[64];
        (void)snprintf(point, sizeof(point), "time:%lu", now_realtime() / USEC_PER_SEC + 100);
        scenario_expect(s, 1, "schedule", "set", s->node, point, "1.1.0", NULL);
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

/* It runs by the window of a boundary that is far ahead; what asks for it before takes nothing from it, what forbids it is refused. */
SCENARIO(I3_what_runs_early_goes_on_when_a_boundary_comes_before_its_own) {
        static const char *const order[] = {"1.0.0", "1.1.0", NULL};
        char text[160];
        configure(s, 20, "");
        scenario_add_testnode(s, "1.1.0", "");
        import(s, 0, "sequence 1\n1 1.0.0\n10000 1.1.0 mode=before\n");
        scenario_start(s);
        json_decref(scenario_wait_status(s, is_release, "1.1.0", TIMEOUT_US));
        scenario_wait_phase(s, "running", TIMEOUT_US);
        import(s, 0, "sequence 2\n1 1.0.0\n5000 1.x\n10000 1.1.0 mode=before\n");
        import(s, 1, "sequence 3\n1 1.0.0\n5000 1.0.x\n10000 1.1.0 mode=before\n");
        (void)snprintf(text, sizeof(text), "time:%lu", now_realtime() / USEC_PER_SEC + 2);
        set(s, text, "1.x");
        json_t *status = scenario_status(s);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        json_decref(status);
        scenario_wait_height(s, height + 200, TIMEOUT_US);
        status = scenario_status(s);
        assert_string_equal(scenario_text(status, "phase"), "running");
        json_decref(status);
        scenario_stop(s);
        scenario_assert_order(s, order);
}

/* The process that reads it may open no file, and a time zone's is one. */
SCENARIO(I7_a_document_with_moments_is_read) {
        configure(s, 500, "");
        scenario_start(s);
        import(s, 0, "1 1.x\ntime:2099-12-01T00:00:00Z 2.x from=2099-11-30T00:00:00Z\n");
        struct process_result result = scenario_cli(s, "schedule", "show", s->node, NULL);
        if (!strstr(result.output, "time:2099-12-01T00:00:00Z"))
                fail_msg("%s", result.output);
        process_result_done(&result);
        import(s, 2, "time:2099-02-29T00:00:00Z 3.x\n");
        scenario_stop(s);
}

/* An upgrade that the schedule had armed is not made when it is taken out of the schedule. */
SCENARIO(what_is_taken_out_of_the_schedule_is_not_done) {
        static const struct ledger_range ranges[] = {{1, UINT64_MAX, "1.0.0"}};
        configure(s, 500, "");
        scenario_add_testnode(s, "2.0.0", "");
        set(s, "1", "1.x");
        set(s, "6", "2.x"); /* so near that it is armed at once */
        scenario_start(s);
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "next.height"), 6);
        json_decref(status);
        scenario_expect(s, 0, "schedule", "remove", s->node, "6", NULL);
        scenario_wait_height(s, 8, TIMEOUT_US);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_in_a_window_it_goes_over_early_and_only_once),
                        SCENARIO_TEST(I3_what_fails_in_a_window_is_tried_again_and_held_at_its_end),
                        SCENARIO_TEST(an_operator_may_go_back_in_a_window),
                        SCENARIO_TEST(I3_a_moment_is_a_boundary),
                        SCENARIO_TEST(I3_a_boundary_that_is_set_in_probation_is_kept),
                        SCENARIO_TEST(I3_a_moment_that_comes_in_probation_is_kept),
                        SCENARIO_TEST(I3_a_moment_of_long_ago_does_not_take_the_node_back),
                        SCENARIO_TEST(I3_what_runs_early_goes_on_when_a_boundary_comes_before_its_own),
                        SCENARIO_TEST(I7_a_document_with_moments_is_read),
                        SCENARIO_TEST(I3_a_newer_edition_replaces_what_lies_ahead_and_an_older_one_is_refused),
                        SCENARIO_TEST(what_is_taken_out_of_the_schedule_is_not_done),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
