/* `gate: {kind: notify}`: a node that asks by libinterrex before each block is stopped exactly, one that only tells its height is not. */
#include "support/scenario.h"
#include <fcntl.h>
#include <signal.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define REST "probation: 100ms\nprogress: {blocks: 1, within: 10s}\nrestart: {backoff: [10ms]}\n"
#define NOTIFY "gate: {kind: notify}\n" REST
/* Whether a node asks is known only when it has done so. */
#define NOTIFY_ALLOWED "gate: {kind: notify, overshoot: allow}\nrelease: \"1.0.0\"\n" REST

static void configure(struct scenario *s, unsigned block_ms, const char *arguments, const char *more);
static uint64_t height_in_ledger(struct scenario *s);
static void wait_ledger(struct scenario *s, uint64_t height);
static void assert_stands_at(struct scenario *s, uint64_t height);
static json_t *wait_held(struct scenario *s);
static bool is_held_without_a_process(const json_t *status, const void *userdata);
static bool is_held_and_runs(const json_t *status, const void *userdata);

/* Each old release would commit some thirty blocks more while it stops, were it not for the gate. */
SCENARIO(I4_upgrades_at_the_height_again_and_again) {
        struct ledger_range ranges[11];
        char versions[11][16];
        configure(s, 10, "--cooperate, --stop-ms, '300'", "release: \"1.0.0\"");
        scenario_add_testnodes(s, 1, 11);
        scenario_start(s);
        scenario_start_load(s, 100, 10);
        for (unsigned i = 0; i < 11; i++) {
                char height[24];
                (void)snprintf(versions[i], sizeof(versions[i]), "%u.0.0", i + 1);
                ranges[i] = (struct ledger_range){1, UINT64_MAX, versions[i]};
                if (i == 0)
                        continue;
                json_t *status = scenario_status(s);
                assert_non_null(status);
                ranges[i].from = (uint64_t)scenario_number(status, "height") + 60;
                ranges[i - 1].to = ranges[i].from - 1;
                json_decref(status);
                (void)snprintf(height, sizeof(height), "%lu", ranges[i].from);
                scenario_expect(s, 0, "upgrade", s->node, versions[i], "--at", height, "--wait", NULL);
        }
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

/* The page holds while there is nobody who could; the next director is told anew by the node, which alone knows the height here. */
SCENARIO(I4_the_node_stands_while_the_director_is_dead) {
        configure(s, 20, "--cooperate", "release: \"1.0.0\"\nheight: {source: notify}");
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_start_load(s, 100, 10);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "100", NULL);
        int director = scenario_role(s, "interrex-director");
        assert_int_equal(kill(director, SIGSTOP), 0); /* it hears nothing of what comes */
        wait_ledger(s, 99);
        assert_stands_at(s, 99);
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 110, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 99, "1.0.0"}, {100, UINT64_MAX, "2.0.0"}}, 2);
}

/* The next director writes to the page of the one before; first so that the node has to say where it stands, as the schedule asks. */
SCENARIO(I4_the_next_director_has_the_page_in_hand) {
        configure(s, 10, "--cooperate, --stop-ms, '300'", "release: \"1.0.0\"\nheight: {source: notify}");
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=3.0.0", NULL);
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_wait_height(s, 10, TIMEOUT_US);
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 50, TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "300", "--wait", NULL);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 299, "1.0.0"}, {300, UINT64_MAX, "2.0.0"}}, 2);
}

/* Held, it answers at H-1 whoever of us is killed, and goes on with the release that is added. */
SCENARIO(I4_held_it_serves_reads_whoever_is_killed) {
        configure(s, 20, "--cooperate", "release: \"1.0.0\"");
        scenario_expect(s, 0, "schedule", "set", s->node, "30", ">=2.0.0", NULL);
        scenario_add_testnodes(s, 1, 1);
        scenario_start_supervisor(s);
        scenario_wait_port(s, SCENARIO_PORT, TIMEOUT_US);
        scenario_start_load(s, 100, 10);
        json_t *status = wait_held(s);
        int64_t pid = scenario_number(status, "pid");
        json_decref(status);
        for (unsigned i = 0; i < 3; i++) {
                static const char *const roles[] = {
                                "interrex-director", "interrex-prober", "interrex-director"};
                int role = scenario_role(s, roles[i]);
                scenario_kill(role);
                (void)scenario_wait_role(s, roles[i], role, TIMEOUT_US);
                status = wait_held(s);
                assert_int_equal(scenario_number(status, "pid"), pid);
                json_decref(status);
        }
        scenario_wait_height(s, 29, TIMEOUT_US);
        assert_stands_at(s, 29);
        scenario_add_testnodes(s, 2, 2);
        scenario_wait_height(s, 40, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 29, "1.0.0"}, {30, UINT64_MAX, "2.0.0"}}, 2);
}

/* What it said lies in the journal: whoever starts it at H-1 knows that it can be held there, long before it asks for H. */
SCENARIO(I4_held_it_serves_reads_when_the_supervisor_comes_back) {
        configure(s, 500, "--cooperate", "release: \"1.0.0\"");
        scenario_expect(s, 0, "schedule", "set", s->node, "5", ">=2.0.0", NULL);
        scenario_add_testnodes(s, 1, 1);
        scenario_start_supervisor(s);
        json_decref(wait_held(s));
        for (unsigned i = 0; i < 2; i++) {
                if (i == 0)
                        process_kill(&s->supervisor);
                else
                        scenario_stop(s);
                scenario_start_supervisor(s);
                json_decref(scenario_wait_status(s, is_held_and_runs, NULL, TIMEOUT_US));
                scenario_wait_height(s, 4, TIMEOUT_US);
                assert_stands_at(s, 4);
                json_decref(scenario_wait_status(s, is_held_and_runs, NULL, TIMEOUT_US));
        }
        scenario_add_testnodes(s, 2, 2);
        scenario_wait_height(s, 7, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 4, "1.0.0"}, {5, UINT64_MAX, "2.0.0"}}, 2);
}

static void begin_silent(struct scenario *s, unsigned block_ms) {
        char arguments[256];
        (void)snprintf(arguments, sizeof(arguments), "--cooperate, --cooperate-unless, %s/silent",
                        s->directory);
        configure(s, block_ms, arguments, "release: \"1.0.0\"");
        scenario_add_testnodes(s, 1, 1);
}

static void be_silent(struct scenario *s) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/silent", s->directory);
        close_fd(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static bool gate_is_exact(struct scenario *s) {
        struct process_result plan = scenario_cli(s, "plan", s->node, "--json", NULL);
        json_t *planned = json_loads(plan.output, 0, NULL);
        const json_t *boundary = json_array_get(json_object_get(planned, "boundaries"), 0);
        bool is_exact = json_is_true(json_object_get(boundary, "gate_is_exact"));
        assert_non_null(boundary);
        json_decref(planned);
        process_result_done(&plan);
        return is_exact;
}

/* The same bytes, started in the same way, may ask no more. */
SCENARIO(I3_who_asks_no_more_is_not_believed) {
        begin_silent(s, 1000);
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=2.0.0", NULL);
        scenario_start(s);
        scenario_wait_height(s, 2, TIMEOUT_US);
        assert_true(gate_is_exact(s));
        scenario_stop(s);
        be_silent(s);
        scenario_start(s);
        uint64_t height = height_in_ledger(s);
        assert_true(gate_is_exact(s)); /* until it goes on without a word */
        wait_ledger(s, height + 3);
        for (uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US); gate_is_exact(s);)
                assert_true(now_monotonic() < deadline);
        scenario_stop(s);
}

/* It stood there, and is started again: it goes on, is stopped, and nothing goes on from what it did. */
SCENARIO(I3_held_who_asks_no_more_is_stopped) {
        begin_silent(s, 200);
        scenario_expect(s, 0, "schedule", "set", s->node, "5", ">=2.0.0", NULL);
        scenario_start_supervisor(s);
        json_decref(wait_held(s));
        scenario_stop(s);
        be_silent(s);
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(s, is_held_without_a_process, NULL, TIMEOUT_US));
        uint64_t height = height_in_ledger(s);
        assert_in_range(height, 5, 15);
        assert_stands_at(s, height);
        scenario_stop(s);
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(s, is_held_without_a_process, NULL, TIMEOUT_US));
        scenario_stop(s);
}

/* I3: a breaking upgrade that fails goes back to the old release, which stops at the same height again. */
SCENARIO(I3_the_old_one_comes_back_to_the_gate) {
        configure(s, 20, "--cooperate", "release: \"1.0.0\"");
        scenario_add_testnodes(s, 1, 1);
        scenario_add_testnode(s, "2.0.0", "--exit-after-ms 1");
        scenario_start(s);
        scenario_start_load(s, 100, 10);
        scenario_expect(s, 4, "upgrade", s->node, "2.0.0", "--at", "40", "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        assert_stands_at(s, 39);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(s, (const struct ledger_range[]){{1, UINT64_MAX, "1.0.0"}}, 1);
}

static void assert_below(struct scenario *s, const char *version, uint64_t height) {
        struct ledger ledger = {0};
        assert_int_equal(ledger_read(s->ledger, &ledger), 0);
        for (size_t i = 0; i < ledger.n; i++)
                if (strcmp(ledger.entries[i].version, version) == 0 && ledger.entries[i].height >= height)
                        fail_msg("%s has committed height %lu", version, ledger.entries[i].height);
        ledger_done(&ledger);
}

/* Two at once, each with a page of its own: the old one drains, is frozen, thawed and serves again, and never passes its height. */
SCENARIO(I4_in_overlap_the_old_one_stays_before_its_height) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .block_ms = 20,
                                                       .arguments = "--cooperate",
                                                       .state = "overlap: true, fence: exec",
                                                       .lock = "none",
                                                       .more = "gate: {kind: notify}\nprobation: 60s\n"});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_start_load(s, 100, 0);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "100", NULL);
        scenario_wait_phase(s, "probation", TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        assert_below(s, "1.0.0", 100);
        scenario_expect(s, 4, "rollback", s->node, "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        assert_false(process_ends_within(&s->supervisor, process_patience(400 * USEC_PER_MSEC)));
        assert_below(s, "1.0.0", 100);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        assert_below(s, "1.0.0", 100);
}

/* The page was there from the beginning: it holds from the first block that is asked for. */
SCENARIO(I4_a_node_that_asks_late_is_stopped_as_well) {
        scenario_configure_testnode(s,
                        &(struct scenario_testnode){.block_ms = 10,
                                        .arguments = "--cooperate, --cooperate-from, '90', --stop-ms, '300'",
                                        .more = NOTIFY_ALLOWED});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "100", "--wait", NULL);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 99, "1.0.0"}, {100, UINT64_MAX, "2.0.0"}}, 2);
}

SCENARIO(I4_the_gate_lies_behind_the_sockets_of_listen_fds) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .block_ms = 20,
                                                       .arguments = "--cooperate, --listen-fds",
                                                       .exec = "listen_fds: true",
                                                       .more = NOTIFY});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_start_load(s, 100, 10);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "60", "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_ranges(
                        s, (const struct ledger_range[]){{1, 59, "1.0.0"}, {60, UINT64_MAX, "2.0.0"}}, 2);
}

SCENARIO(I3_the_schedule_is_followed_whoever_is_killed) {
        static const struct ledger_range as_scheduled[] = {{1, 9, "1.0.0"}, {10, 19, "2.0.0"},
                        {20, 29, "3.0.0"}, {30, 39, "4.0.0"}, {40, 49, "5.0.0"}, {50, UINT64_MAX, "6.0.0"}};
        unsigned seed = (unsigned)getpid();
        print_message("seed %u\n", seed);
        configure(s, 20, "--cooperate", "release: \"1.0.0\"");
        for (unsigned i = 0; i < 6; i++) {
                char height[16], range[48];
                (void)snprintf(height, sizeof(height), "%u", i == 0 ? 1 : 10 * i);
                (void)snprintf(range, sizeof(range), ">=%u.0.0 <%u.0.0", i + 1, i + 2);
                scenario_expect(s, 0, "schedule", "set", s->node, height, range, NULL);
        }
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

/* As before: it is told to stop when it says H-1, and held it does not run. */
SCENARIO(a_node_without_the_library_is_as_good_as_what_it_tells) {
        scenario_configure_testnode(s,
                        &(struct scenario_testnode){
                                        .block_ms = 200, .arguments = "--notify", .more = NOTIFY_ALLOWED});
        scenario_expect(s, 0, "schedule", "set", s->node, "10", ">=2.0.0", NULL);
        scenario_add_testnodes(s, 1, 1);
        scenario_start(s);
        struct process_result plan = scenario_cli(s, "plan", s->node, "--json", NULL);
        json_t *planned = json_loads(plan.output, 0, NULL);
        const json_t *boundary = json_array_get(json_object_get(planned, "boundaries"), 0);
        assert_true(json_is_false(json_object_get(boundary, "gate_is_exact")));
        json_decref(planned);
        process_result_done(&plan);
        json_decref(scenario_wait_status(s, is_held_without_a_process, NULL, TIMEOUT_US));
        assert_true(height_in_ledger(s) >= 9); /* on a slow machine it is stopped too late */
        scenario_add_testnodes(s, 2, 2);
        scenario_wait_height(s, 20, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(the_plan_says_that_the_gate_is_exact) {
        configure(s, 20, "--cooperate", "release: \"1.0.0\"");
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=2.0.0", NULL);
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
        struct process_result plan = scenario_cli(s, "plan", s->node, NULL);
        assert_non_null(strstr(plan.output, "notify (exact)"));
        process_result_done(&plan);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I4_upgrades_at_the_height_again_and_again),
                        SCENARIO_TEST(I4_the_node_stands_while_the_director_is_dead),
                        SCENARIO_TEST(I4_the_next_director_has_the_page_in_hand),
                        SCENARIO_TEST(I4_held_it_serves_reads_whoever_is_killed),
                        SCENARIO_TEST(I4_held_it_serves_reads_when_the_supervisor_comes_back),
                        SCENARIO_TEST(I3_who_asks_no_more_is_not_believed),
                        SCENARIO_TEST(I3_held_who_asks_no_more_is_stopped),
                        SCENARIO_TEST(I3_the_old_one_comes_back_to_the_gate),
                        SCENARIO_TEST(I4_in_overlap_the_old_one_stays_before_its_height),
                        SCENARIO_TEST(I4_a_node_that_asks_late_is_stopped_as_well),
                        SCENARIO_TEST(I4_the_gate_lies_behind_the_sockets_of_listen_fds),
                        SCENARIO_TEST(I3_the_schedule_is_followed_whoever_is_killed),
                        SCENARIO_TEST(a_node_without_the_library_is_as_good_as_what_it_tells),
                        SCENARIO_TEST(the_plan_says_that_the_gate_is_exact),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("the gate that the node asks", tests, NULL, NULL);
}

static void configure(struct scenario *s, unsigned block_ms, const char *arguments, const char *more) {
        char text[512];
        (void)snprintf(text, sizeof(text), NOTIFY "%s\n", more);
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){
                                           .block_ms = block_ms, .arguments = arguments, .more = text});
}

static uint64_t height_in_ledger(struct scenario *s) {
        struct ledger ledger = {0};
        assert_int_equal(ledger_read(s->ledger, &ledger), 0);
        uint64_t height = ledger_last(&ledger);
        ledger_done(&ledger);
        return height;
}

static void wait_ledger(struct scenario *s, uint64_t height) {
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        while (height_in_ledger(s) < height) {
                assert_true(now_monotonic() < deadline);
                assert_false(process_ends_within(&s->supervisor, 20 * USEC_PER_MSEC));
        }
}

/* For many blocks' time. */
static void assert_stands_at(struct scenario *s, uint64_t height) {
        assert_false(process_ends_within(&s->supervisor, process_patience(400 * USEC_PER_MSEC)));
        assert_int_equal(height_in_ledger(s), height);
}

static json_t *wait_held(struct scenario *s) {
        return scenario_wait_status(s, scenario_is_held, NULL, TIMEOUT_US);
}

static bool is_held_without_a_process(const json_t *status, const void *userdata) {
        return scenario_is_held(status, userdata) && !json_is_integer(json_object_get(status, "pid"));
}

static bool is_held_and_runs(const json_t *status, const void *userdata) {
        return scenario_is_held(status, userdata) && json_is_integer(json_object_get(status, "pid"));
}
