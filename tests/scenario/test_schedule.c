/* Nobody stands by: the schedule alone says which release runs, wherever the state stands and whatever is killed. */
#include "support/scenario.h"
#include <sys/stat.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)

static const struct ledger_range as_scheduled[] = {{1, 9, "1.0.0"}, {10, 19, "2.0.0"}, {20, 29, "3.0.0"},
                {30, 39, "4.0.0"}, {40, 49, "5.0.0"}, {50, UINT64_MAX, "6.0.0"}};

static void configure(struct scenario *s, const char *more);
static void schedule_five_boundaries(struct scenario *s);
static void remove_releases(struct scenario *s, unsigned first, unsigned last);
static void forget_everything(struct scenario *s);
static void run_until(struct scenario *s, uint64_t height);
static char *read_log(struct scenario *s);

SCENARIO(I3_five_boundaries_from_nothing) {
        configure(s, "release: \"1.0.0\"");
        schedule_five_boundaries(s);
        scenario_add_testnodes(s, 1, 6);
        scenario_start(s);
        scenario_start_load(s, 200, 10);
        scenario_wait_height(s, 60, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(s, as_scheduled, ELEMENTS(as_scheduled));
}

/* Goroutines move between threads: the one that stood goes on as well as one of C. */
SCENARIO(I3_a_go_node_follows_it_too) {
        static const struct ledger_range ranges[] = {
                        {1, 19, "1.0.0"}, {20, 39, "2.0.0"}, {40, UINT64_MAX, "3.0.0"}};
        static const char *const versions[] = {"1.0.0", "2.0.0", "3.0.0"};
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.command = "testnode-go",
                                           .block_ms = 20,
                                           .more = "release: \"3.0.0\"\nprobation: 100ms\nprogress: "
                                                   "{blocks: 1, within: 10s}\n"});
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "20", "2.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "40", "3.x", NULL);
        for (size_t i = 0; i < ELEMENTS(versions); i++)
                scenario_add_testnode_go(s, versions[i]);
        run_until(s, 50);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

/* The state comes from elsewhere: nothing is remembered of it, and what the configuration says is wrong. */
SCENARIO(I3_from_the_middle_with_nothing_remembered) {
        configure(s, "release: \"1.0.0\"");
        schedule_five_boundaries(s);
        scenario_add_testnodes(s, 1, 3); /* so that it cannot get further than the middle */
        run_until(s, 25);
        forget_everything(s);
        configure(s, "release: \"6.0.0\"");
        schedule_five_boundaries(s);
        scenario_add_testnodes(s, 4, 6);
        run_until(s, 60);
        scenario_assert_ranges(s, as_scheduled, ELEMENTS(as_scheduled));
}

SCENARIO(I3_from_the_end_with_nothing_remembered) {
        configure(s, "release: \"1.0.0\"");
        schedule_five_boundaries(s);
        scenario_add_testnodes(s, 1, 6);
        scenario_start(s);
        scenario_wait_height(s, 55, TIMEOUT_US);
        scenario_stop(s);
        forget_everything(s);
        configure(s, "release: \"1.0.0\"");
        schedule_five_boundaries(s);
        run_until(s, 70);
        scenario_assert_ranges(s, as_scheduled, ELEMENTS(as_scheduled));
}

/* The height lies in a file that can be read before anything opens the state. */
SCENARIO(I3_what_may_not_run_is_not_even_started) {
        char more[512];
        configure(s, "release: \"1.0.0\"");
        schedule_five_boundaries(s);
        scenario_add_testnodes(s, 1, 3);
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(s, scenario_is_held, NULL, TIMEOUT_US)); /* before height 30 */
        scenario_stop(s);
        forget_everything(s);
        (void)snprintf(more, sizeof(more),
                        "release: \"6.0.0\"\nheight: {source: file, path: \"%s/height\", pattern: "
                        "'([0-9]+)', every: 20ms}",
                        s->data);
        configure(s, more);
        schedule_five_boundaries(s);
        remove_releases(s, 1, 3);
        scenario_add_testnodes(s, 6, 6);
        scenario_start_supervisor(s);
        int status = -1;
        assert_true(process_wait(&s->supervisor, TIMEOUT_US, &status) >= 0);
        assert_int_equal(status, 1);
        char *log = read_log(s);
        assert_non_null(strstr(log, ">=4.0.0 <5.0.0"));
        assert_non_null(strstr(log, "6.0.0"));
        assert_null(strstr(log, "generation"));
        free(log);
        scenario_add_testnodes(s, 4, 5);
        scenario_start(s);
        scenario_wait_height(s, 60, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, as_scheduled, ELEMENTS(as_scheduled));
}

/* Three tries later. */
static bool says_how_to_try_again(const json_t *status, const void *command) {
        const char *way_out = json_string_value(json_object_get(status, "way_out"));
        const json_t *item;
        bool is_degraded = false;
        size_t i;
        json_array_foreach(json_object_get(status, "degraded"), i, item) {
                is_degraded = is_degraded || (way_out && strcmp(json_string_value(item), way_out) == 0);
        }
        return is_degraded && strstr(way_out, command) && strstr(way_out, " UTC)");
}

/* Or it has come to be in force since it was looked at last. */
static bool shows_what_is_under_way(const json_t *status, const void *release) {
        const json_t *next = json_object_get(status, "next");
        const char *shown = json_string_value(json_object_get(next, "release"));
        if (strcmp(scenario_text(status, "phase"), "held") == 0)
                return false;
        return strcmp(scenario_text(status, "release"), release) == 0 ||
               (shown && strcmp(shown, release) == 0 &&
                               json_integer_value(json_object_get(next, "height")) == 30);
}

/* It is made ready for the far one when the near one comes, by an operator or by the schedule. */
static void set_before_it(struct scenario *s, const char *kind) {
        static const struct ledger_range ranges[] = {
                        {1, 99, "1.0.0"}, {100, 199, "2.0.0"}, {200, UINT64_MAX, "3.0.0"}};
        configure(s, "release: \"1.0.0\"");
        scenario_add_testnodes(s, 1, 3);
        if (strcmp(kind, "schedule") == 0)
                scenario_expect(s, 0, "schedule", "set", s->node, "200", "3.x", NULL);
        scenario_start(s);
        if (strcmp(kind, "schedule") != 0)
                scenario_expect(s, 0, "upgrade", s->node, "3.0.0", "--at", "200", NULL);
        scenario_wait_phase(s, "gating", TIMEOUT_US);
        scenario_expect(s, 0, "schedule", "set", s->node, "100", "2.x", NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

SCENARIO(I3_a_boundary_that_comes_before_one_that_is_made_ready_is_kept) {
        set_before_it(s, "schedule");
}

SCENARIO(I3_a_boundary_that_comes_before_an_operator_s_own_is_kept) {
        set_before_it(s, "operator");
}

/* Reads go on at H-1 until the hotfix is added, and nobody has to ask for it. */
SCENARIO(I3_a_hotfix_is_taken_as_soon_as_it_is_added) {
        static const struct ledger_range ranges[] = {{1, 29, "1.0.0"}, {30, UINT64_MAX, "2.0.1"}};
        configure(s, "release: \"1.0.0\"");
        scenario_expect(s, 0, "schedule", "set", s->node, "30", ">=2.0.0", NULL);
        scenario_add_testnodes(s, 1, 1);
        scenario_add_testnode(s, "2.0.0", "--exit-after-ms 1");
        scenario_start_supervisor(s);
        scenario_wait_port(s, SCENARIO_PORT, TIMEOUT_US);
        scenario_start_load(s, 200, 10);
        json_t *status = scenario_wait_status(s, scenario_is_held, NULL, TIMEOUT_US);
        assert_non_null(strstr(scenario_text(status, "reason"), "2.0.0"));
        json_decref(status);
        scenario_wait_height(s, 29, TIMEOUT_US);
        scenario_assert_release(s, "1.0.0");
        char again[96];
        (void)snprintf(again, sizeof(again), "try it again with `interrex upgrade %s 2.0.0 --now`", s->node);
        json_decref(scenario_wait_status(s, says_how_to_try_again, again, TIMEOUT_US));
        scenario_expect(s, 1, "plan", s->node, NULL);
        scenario_add_testnode(s, "2.0.1", "");
        json_decref(scenario_wait_status(s, shows_what_is_under_way, "2.0.1", TIMEOUT_US));
        scenario_wait_height(s, 40, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_assert_release(s, "2.0.1");
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

/* Users are served by it already, and the boundary ahead will find it. */
SCENARIO(the_plan_begins_with_the_release_in_probation) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .more = "probation: 60s\n"});
        scenario_add_testnodes(s, 1, 2);
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=2.0.0", NULL);
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        scenario_wait_phase(s, "probation", TIMEOUT_US);
        struct process_result plan = scenario_cli(s, "plan", s->node, NULL);
        if (!strstr(plan.output, "node  2.0.0 (in probation)  height ") ||
                        !strstr(plan.output, "stays with 2.0.0"))
                fail_msg("%s%s", plan.output, plan.error);
        process_result_done(&plan);
        struct process_result status = scenario_cli(s, "status", s->node, NULL);
        if (!strstr(status.output, "\nin probation, for ") || strstr(status.output, "next: "))
                fail_msg("%s%s", status.output, status.error);
        process_result_done(&status);
        scenario_stop(s);
}

SCENARIO(I3_whoever_is_killed_the_ledger_is_as_scheduled) {
        unsigned seed = (unsigned)getpid();
        print_message("seed %u\n", seed);
        configure(s, "release: \"1.0.0\"");
        schedule_five_boundaries(s);
        scenario_add_testnodes(s, 1, 6);
        scenario_start_supervisor(s);
        for (unsigned i = 0; i < 12; i++) {
                scenario_wait_height(s, 4 * (uint64_t)i + (uint64_t)rand_r(&seed) % 4, TIMEOUT_US);
                scenario_kill_somebody(s, &seed);
        }
        scenario_wait_height(s, 60, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, as_scheduled, ELEMENTS(as_scheduled));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_five_boundaries_from_nothing),
                        SCENARIO_TEST(I3_a_go_node_follows_it_too),
                        SCENARIO_TEST(I3_from_the_middle_with_nothing_remembered),
                        SCENARIO_TEST(I3_from_the_end_with_nothing_remembered),
                        SCENARIO_TEST(I3_what_may_not_run_is_not_even_started),
                        SCENARIO_TEST(I3_a_boundary_that_comes_before_one_that_is_made_ready_is_kept),
                        SCENARIO_TEST(I3_a_boundary_that_comes_before_an_operator_s_own_is_kept),
                        SCENARIO_TEST(I3_a_hotfix_is_taken_as_soon_as_it_is_added),
                        SCENARIO_TEST(the_plan_begins_with_the_release_in_probation),
                        SCENARIO_TEST(I3_whoever_is_killed_the_ledger_is_as_scheduled),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("the schedule", tests, NULL, NULL);
}

static void configure(struct scenario *s, const char *more) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                        "%s\nprobation: 100ms\nprogress: {blocks: 1, within: 10s}\nrestart: {backoff: "
                        "[10ms]}\n",
                        more);
        scenario_configure_testnode(s, &(struct scenario_testnode){.block_ms = 20, .more = text});
}

static void schedule_five_boundaries(struct scenario *s) {
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        for (unsigned i = 1; i <= 5; i++) {
                char height[16], range[48];
                (void)snprintf(height, sizeof(height), "%u", 10 * i);
                (void)snprintf(range, sizeof(range), ">=%u.0.0 <%u.0.0", i + 1, i + 2);
                scenario_expect(s, 0, "schedule", "set", s->node, height, range, NULL);
        }
}

static void remove_releases(struct scenario *s, unsigned first, unsigned last) {
        for (unsigned i = first; i <= last; i++) {
                char version[16];
                (void)snprintf(version, sizeof(version), "%u.0.0", i);
                scenario_expect(s, 0, "release", "remove", s->node, version, NULL);
        }
}

/* The node's own state and the releases stay. */
static void forget_everything(struct scenario *s) {
        static const char *const files[] = {"journal.db", "journal.db-wal", "journal.db-shm"};
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                char path[320];
                (void)snprintf(path, sizeof(path), "%s/%s/%s", s->state_dir, s->node, files[i]);
                assert_true(unlink(path) == 0 || errno == ENOENT);
        }
        assert_true(unlink(s->log) == 0 || errno == ENOENT);
}

/* Not every phase on the way need be seen: a short chain may have passed them before it is asked. */
static void run_until(struct scenario *s, uint64_t height) {
        scenario_start_supervisor(s);
        scenario_wait_height(s, height, TIMEOUT_US);
        scenario_stop(s);
}

static char *read_log(struct scenario *s) {
        size_t size = 0;
        char *text = NULL;
        _cleanup_fclose_ FILE *file = fopen(s->log, "re");
        assert_non_null(file);
        assert_true(getdelim(&text, &size, '\0', file) > 0);
        return text;
}
