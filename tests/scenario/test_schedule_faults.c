/* The director dies on the way through a boundary, as it enters one of the calls by which it changes anything: of the kernel's maps,
 * of the keeper's mind, of the journal. Whichever it was, each height is committed once and by the release that the schedule says. */
#include "support/scenario.h"

#include <signal.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define BOUNDARIES 5
#define APART 20
/* Made from some blocks before a boundary to the end of its swap, and some more. */
#define CALLS 60

static void configure(struct scenario *s) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .more = "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n"
                                                   "restart: {backoff: [10ms]}\n"});
        scenario_add_testnodes(s, 1, BOUNDARIES + 1);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        for (unsigned i = 1; i <= BOUNDARIES; i++) {
                char height[16], range[16];
                (void)snprintf(height, sizeof(height), "%u", APART * i);
                (void)snprintf(range, sizeof(range), "%u.x", i + 1);
                scenario_expect(s, 0, "schedule", "set", s->node, height, range, NULL);
        }
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

SCENARIO(I3_the_director_dies_at_any_call_on_the_way_through_a_boundary) {
        struct ledger_range ranges[BOUNDARIES + 1];
        char versions[BOUNDARIES + 1][16];
        unsigned seed = (unsigned)getpid(), killed = 0;
        print_message("seed %u\n", seed);
        scenario_need("/usr/bin/strace");
        configure(s);
        scenario_start(s);
        for (unsigned i = 1; i <= BOUNDARIES; i++) {
                struct process tracer;
                scenario_wait_height(s, APART * (uint64_t)i - 6, TIMEOUT_US);
                int director = scenario_role(s, "interrex-director");
                kill_at_call(director, 1 + (unsigned)rand_r(&seed) % CALLS, &tracer);
                scenario_wait_height(s, APART * (uint64_t)i + 5, TIMEOUT_US);
                process_kill(&tracer);
                killed += scenario_role(s, "interrex-director") != director;
        }
        assert_true(killed > 0);
        scenario_stop(s);
        for (unsigned i = 0; i <= BOUNDARIES; i++) {
                (void)snprintf(versions[i], sizeof(versions[i]), "%u.0.0", i + 1);
                ranges[i] = (struct ledger_range){i ? APART * i : 1,
                                i < BOUNDARIES ? APART * (i + 1) - 1 : UINT64_MAX, versions[i]};
        }
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_the_director_dies_at_any_call_on_the_way_through_a_boundary),
        };
        return cmocka_run_group_tests_name("faults on the way through a boundary", tests, NULL, NULL);
}
