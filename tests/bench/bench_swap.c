/* What a change of process costs the clients: by hand (stop, start), by interrex one after the other, by interrex with both at
 * once; with 500 new connections a second and 50 that stay, and a node that needs its time to stop and to start. */
#include "bench/spread.h"
#include "support/scenario.h"
#include <fcntl.h>
#include <signal.h>

#define ROUNDS 7
#define STOP_MS 300
#define START_MS 300
#define TIMEOUT_US (20 * USEC_PER_SEC)

/* What the clients of one way saw in each round. */
struct seen {
        double wait_ms[ROUNDS], own_ms[ROUNDS];
        int64_t requests, refused, reset;
};

/* Of the ways that were measured before, for the comparison. */
static double own_ms;

static void take_load(struct scenario *s, struct seen *seen, size_t round) {
        json_t *load = scenario_stop_load(s);
        seen->wait_ms[round] = json_number_value(json_object_get(load, "longest_wait_ms"));
        seen->requests += scenario_number(load, "requests");
        seen->refused += scenario_number(load, "refused");
        seen->reset += scenario_number(load, "reset_new") + scenario_number(load, "broken_answers");
        json_decref(load);
}

static void print_seen(const char *way, struct seen *seen) {
        struct spread spread = spread_of(seen->wait_ms, ROUNDS);
        printf("%s: %ld requests, %ld refused, %ld reset\n", way, (long)seen->requests, (long)seen->refused,
                        (long)seen->reset);
        spread_print("longest wait of a client", &spread, "ms");
}

static double ms_since(uint64_t began) {
        return (double)(now_monotonic() - began) / 1000.0;
}

static struct process start_by_hand(struct scenario *s) {
        char program[4096], stop[16], start_ms[16];
        struct process node;
        _cleanup_close_ int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)snprintf(program, sizeof(program), "%s/testnode", s->nodes);
        (void)snprintf(stop, sizeof(stop), "%d", STOP_MS);
        (void)snprintf(start_ms, sizeof(start_ms), "%d", START_MS);
        const char *arguments[] = {program, "--listen", "127.0.0.1:8545", "--state", s->data, "--block-ms",
                        "50", "--lock", "flock", "--stop-ms", stop, "--start-ms", start_ms, "--version",
                        "1.0.0", NULL};
        struct process_start start = {
                        .arguments = arguments, .output_fd = nowhere, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_start(&start, &node), 0);
        return node;
}

SCENARIO(by_hand) {
        struct seen seen = {0};
        double stop_ms[ROUNDS], start_ms[ROUNDS];
        int status;
        for (size_t i = 0; i < ROUNDS; i++) {
                struct process node = start_by_hand(s);
                scenario_wait_port(s, SCENARIO_PORT, TIMEOUT_US);
                scenario_start_load(s, 500, 50);
                (void)process_ends_within(&node, USEC_PER_SEC); /* the load gets under way */
                uint64_t began = now_monotonic();
                assert_int_equal(kill(node.pid, SIGTERM), 0);
                assert_int_equal(process_wait(&node, TIMEOUT_US, &status), 0);
                stop_ms[i] = ms_since(began);
                began = now_monotonic();
                node = start_by_hand(s);
                scenario_wait_port(s, SCENARIO_PORT, TIMEOUT_US);
                start_ms[i] = ms_since(began);
                seen.own_ms[i] = stop_ms[i] + start_ms[i];
                take_load(s, &seen, i);
                process_kill(&node);
        }
        print_seen("stop and start by hand", &seen);
        struct spread spread = spread_of(stop_ms, ROUNDS);
        spread_print("the node's own stop", &spread, "ms");
        spread = spread_of(start_ms, ROUNDS);
        spread_print("the node's own start, until it accepts", &spread, "ms");
        spread = spread_of(seen.own_ms, ROUNDS);
        spread_print("both", &spread, "ms");
        own_ms = spread.median;
}

static void restart_under_load(struct scenario *s, const char *way, const char *state, const char *lock) {
        struct seen seen = {0};
        double gap_ms[ROUNDS];
        char arguments[96];
        (void)snprintf(arguments, sizeof(arguments), "--stop-ms, '%d', --start-ms, '%d'", STOP_MS, START_MS);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .arguments = arguments,
                                                       .state = state,
                                                       .lock = lock,
                                                       .more = "probation: 200ms\ndeadlines: {drain: 1s}"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        for (size_t i = 0; i < ROUNDS; i++) {
                scenario_start_load(s, 500, 50);
                (void)process_ends_within(&s->supervisor, USEC_PER_SEC);
                scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
                take_load(s, &seen, i);
                json_t *now = scenario_status(s);
                gap_ms[i] = (double)scenario_number(now, "last_swap.gap_ms");
                json_decref(now);
        }
        scenario_stop(s);
        print_seen(way, &seen);
        struct spread spread = spread_of(gap_ms, ROUNDS);
        spread_print("gap: no generation is routed to", &spread, "ms");
        if (spread.median > 0)
                printf("  the gap is %.2f times the node's own stop and start, %.0f ms longer (goal: at "
                       "most 50)\n",
                                spread.median / own_ms, spread.median - own_ms);
}

SCENARIO(by_interrex_one_after_the_other) {
        restart_under_load(s, "interrex, one after the other", "fence: lock", NULL);
}

SCENARIO(by_interrex_both_at_once) {
        restart_under_load(s, "interrex, both at once (overlap)", "overlap: true", "none");
}

int main(void) {
        const struct CMUnitTest ways[] = {
                        SCENARIO_TEST(by_hand),
                        SCENARIO_TEST(by_interrex_one_after_the_other),
                        SCENARIO_TEST(by_interrex_both_at_once),
        };
        printf("a restart, %d rounds: the node stops in %d ms and starts in %d ms (median [lowest .. "
               "highest])\n",
                        ROUNDS, STOP_MS, START_MS);
        return cmocka_run_group_tests_name("a restart", ways, NULL, NULL);
}
