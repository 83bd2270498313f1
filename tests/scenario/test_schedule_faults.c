/* The director dies on the way through a boundary, as it enters one of the calls by which it changes anything: of the kernel's maps,
 * of the keeper's mind, of the journal. Whichever it was, each height is committed once and by the release that the schedule says. */
#include "support/scenario.h"

#include <signal.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define PLACES 5
#define APART 60
#define TOGETHER_MAX 3
/* Made from some blocks before a boundary to the end of its swap, and some more. */
#define CALLS 60

/* At each place TOGETHER boundaries, with one block from one to the next. */
static uint64_t boundary(unsigned i, unsigned together) {
        return APART * (i / together + 1) + i % together;
}

static void configure(struct scenario *s, unsigned block_ms, unsigned together) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .block_ms = block_ms,
                                           .more = "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n"
                                                   "restart: {backoff: [10ms]}\n"});
        scenario_add_testnodes(s, 1, PLACES * together + 1);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        for (unsigned i = 0; i < PLACES * together; i++) {
                char height[24], range[16];
                (void)snprintf(height, sizeof(height), "%lu", boundary(i, together));
                (void)snprintf(range, sizeof(range), "%u.x", i + 2);
                scenario_expect(s, 0, "schedule", "set", s->node, height, range, NULL);
        }
}

static void assert_as_scheduled(struct scenario *s, unsigned together) {
        struct ledger_range ranges[PLACES * TOGETHER_MAX + 1];
        char versions[PLACES * TOGETHER_MAX + 1][16];
        unsigned n = PLACES * together;
        for (unsigned i = 0; i <= n; i++) {
                (void)snprintf(versions[i], sizeof(versions[i]), "%u.0.0", i + 1);
                ranges[i] = (struct ledger_range){i ? boundary(i - 1, together) : 1,
                                i < n ? boundary(i, together) - 1 : UINT64_MAX, versions[i]};
        }
        scenario_assert_ranges(s, ranges, n + 1);
}

/* Once: strace attaches to this director, not to the next. */
static void kill_at_call(int director, unsigned n, struct process *ret_tracer) {
        char pid[16], inject[64];
        (void)snprintf(pid, sizeof(pid), "%d", director);
        (void)snprintf(inject, sizeof(inject), "inject=bpf,sendmsg,fdatasync:signal=KILL:when=%u", n);
        const char *command[] = {"strace", "-qq", "-o", "/dev/null", "-p", pid, "-e",
                        "trace=bpf,sendmsg,fdatasync", "-e", inject, NULL};
        const struct process_start start = {
                        .arguments = command, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_start(&start, ret_tracer), 0);
}

static void kill_the_director_at_any_call(struct scenario *s, unsigned together) {
        unsigned seed = (unsigned)getpid(), killed = 0;
        print_message("seed %u\n", seed);
        scenario_need("/usr/bin/strace");
        configure(s, 50, together);
        scenario_start(s);
        for (unsigned i = 1; i <= PLACES; i++) {
                struct process tracer;
                scenario_wait_height(s, APART * (uint64_t)i - 6, TIMEOUT_US);
                int director = scenario_role(s, "interrex-director");
                kill_at_call(director, 1 + (unsigned)rand_r(&seed) % (CALLS * together), &tracer);
                scenario_wait_height(s, APART * (uint64_t)i + 5, TIMEOUT_US);
                process_kill(&tracer);
                killed += scenario_role(s, "interrex-director") != director;
        }
        assert_true(killed > 0);
        scenario_stop(s);
        assert_as_scheduled(s, together);
}

SCENARIO(I3_the_director_dies_at_any_call_on_the_way_through_a_boundary) {
        kill_the_director_at_any_call(s, 1);
}

SCENARIO(I3_the_director_dies_at_any_call_on_the_way_through_adjacent_boundaries) {
        kill_the_director_at_any_call(s, TOGETHER_MAX);
}

static void wait_ledger(struct scenario *s, uint64_t height) {
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        for (bool is_there = false; !is_there;) {
                struct ledger ledger;
                assert_true(ledger_read(s->ledger, &ledger) >= 0);
                is_there = ledger_last(&ledger) >= height;
                ledger_done(&ledger);
                assert_true(now_monotonic() < deadline);
        }
}

/* The order in which the kernel takes apart who is killed must not open the gate: the uprobe must not go before the node. */
static void kill_all_at_once(struct scenario *s, unsigned together) {
        configure(s, 1, together);
        scenario_start_supervisor(s);
        for (unsigned i = 1; i <= PLACES; i++) {
                scenario_wait_height(s, APART * (uint64_t)i - 50, TIMEOUT_US);
                int director = scenario_role(s, "interrex-director"),
                    prober = scenario_role(s, "interrex-prober");
                wait_ledger(s, APART * (uint64_t)i - 6);
                assert_true(director > 0 && prober > 0);
                (void)kill(director, SIGKILL);
                (void)kill(prober, SIGKILL);
                process_kill(&s->supervisor);
                scenario_start_supervisor(s);
        }
        scenario_wait_height(s, APART * PLACES + 10, TIMEOUT_US);
        scenario_stop(s);
        assert_as_scheduled(s, together);
}

SCENARIO(I3_all_of_interrex_is_killed_at_once_before_a_boundary) {
        kill_all_at_once(s, 1);
}

SCENARIO(I3_all_of_interrex_is_killed_at_once_before_adjacent_boundaries) {
        kill_all_at_once(s, TOGETHER_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_the_director_dies_at_any_call_on_the_way_through_a_boundary),
                        SCENARIO_TEST(I3_the_director_dies_at_any_call_on_the_way_through_adjacent_boundaries),
                        SCENARIO_TEST(I3_all_of_interrex_is_killed_at_once_before_a_boundary),
                        SCENARIO_TEST(I3_all_of_interrex_is_killed_at_once_before_adjacent_boundaries),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("faults on the way through a boundary", tests, NULL, NULL);
}
