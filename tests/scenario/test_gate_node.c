/* Nodes that stop by themselves: at a height that they are started with, or at one that their own chain has planned. The old release
 * commits the last block before the boundary and nothing behind it, the new one goes on. */
#include "support/scenario.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define ARGUMENTS "args: ['--halt-height', '{last}']"
#define HALTS "gate: {kind: node, " ARGUMENTS "}\n"
/* What was polled last may be some blocks old when it ends: its own word is exact. */
#define HALTS_AND_SAYS_SO "gate: {kind: node, " ARGUMENTS ", pattern: 'halting node .*height=([0-9]+)'}\n"

#define SAYS_SO "gate: {kind: node, pattern: 'UPGRADE .* NEEDED at height: ([0-9]+)'}\n"
#define READ_RARELY "height: {source: file, path: '{state}/height', every: 5s}\n"
#define RARELY_POLLED "height: {source: ethereum, url: 'http://127.0.0.1:8545', every: 1s}\n"

static const struct ledger_range upgraded[] = {{1, 199, "1.0.0"}, {200, UINT64_MAX, "2.0.0"}};

static void configure(struct scenario *s, const char *more) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                        "release: \"1.0.0\"\n%s\nprobation: 100ms\nprogress: {blocks: 1, within: 10s}\n"
                        "restart: {backoff: [100ms]}\n",
                        more);
        scenario_configure_testnode(s, &(struct scenario_testnode){.block_ms = 20, .more = text});
}

static void end(struct scenario *s, const struct ledger_range *ranges, size_t n) {
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, n);
}

struct argument {
        const char *text;
        bool is_there;
};

/* Of the node that serves, as `ps` would show it. */
static bool has_argument(const json_t *status, const void *userdata) {
        const struct argument *wanted = userdata;
        json_int_t pid = json_integer_value(json_object_get(status, "pid"));
        char path[64], line[4096];
        (void)snprintf(path, sizeof(path), "/proc/%lld/cmdline", pid);
        _cleanup_close_ int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t n = fd >= 0 ? read(fd, line, sizeof(line)) : 0;
        return n > 0 &&
               (memmem(line, (size_t)n, wanted->text, strlen(wanted->text) + 1) != NULL) == wanted->is_there;
}

static void wait_argument(struct scenario *s, const char *text, bool is_there) {
        const struct argument wanted = {text, is_there};
        json_decref(scenario_wait_status(s, has_argument, &wanted, TIMEOUT_US));
}

SCENARIO(I4_a_node_that_is_told_where_to_halt) {
        configure(s, HALTS);
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_start_load(s, 100, 5);
        /* It runs without the argument: it is started anew with it. */
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "200", "--wait", NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* Five boundaries, nobody at hand: each release is started with the height at which it has to stop. */
SCENARIO(I3_one_release_after_the_other_halts) {
        static const struct ledger_range ranges[] = {{1, 49, "1.0.0"}, {50, 99, "2.0.0"},
                        {100, 119, "3.0.0"}, {120, 199, "4.0.0"}, {200, UINT64_MAX, "5.0.0"}};
        configure(s, HALTS_AND_SAYS_SO);
        scenario_add_testnodes(s, 1, 5);
        static const char *const rules[][2] = {
                        {"1", "1.x"}, {"50", "2.x"}, {"100", "3.x"}, {"120", "4.x"}, {"200", "5.x"}};
        for (size_t i = 0; i < ELEMENTS(rules); i++)
                scenario_expect(s, 0, "schedule", "set", s->node, rules[i][0], rules[i][1], NULL);
        scenario_start(s);
        scenario_wait_height(s, 210, TIMEOUT_US);
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "restarts"), 0); /* to halt is no crash */
        json_decref(status);
        end(s, ranges, ELEMENTS(ranges));
}

/* An upgrade that is given up must not stop the node all the same. */
SCENARIO(a_cancelled_upgrade_does_not_halt_the_node) {
        static const struct ledger_range ranges[] = {{1, UINT64_MAX, "1.0.0"}};
        configure(s, HALTS);
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "100000", NULL);
        wait_argument(s, "99999", true);
        scenario_wait_phase(s, "armed", TIMEOUT_US);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        wait_argument(s, "99999", false);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        end(s, ranges, ELEMENTS(ranges));
}

/* What is not here when it halts is taken as soon as it is added, and is told where to halt from where the node stands, of which
 * nothing was polled. */
SCENARIO(I3_a_halted_node_waits_for_its_release) {
        configure(s, HALTS_AND_SAYS_SO RARELY_POLLED);
        scenario_add_testnodes(s, 1, 1);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "no release here is in that range", TIMEOUT_US));
        scenario_add_testnode(s, "2.0.0", "");
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* A chain's own plan, told by the node's log; the process lives on and would stand for ever. */
SCENARIO(I4_a_chain_that_plans_its_upgrade_tells_by_its_log) {
        configure(s, "gate: {kind: node, pattern: 'UPGRADE .* NEEDED at height: ([0-9]+)'}");
        scenario_add_testnode(s, "1.0.0", "--upgrade-at 200");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "200", "--wait", NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* As cosmovisor's: nobody told interrex anything before; the file says which release and where, at the moment in which it stops. */
static void plan_by_file(struct scenario *s, const char *faults) {
        char folder[160], words[256];
        (void)snprintf(folder, sizeof(folder), "%s/data", s->data);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(chmod(folder, 01777), 0);
        configure(s, "gate: {kind: node}\nschedule: {source: cosmovisor}");
        (void)snprintf(words, sizeof(words), "--upgrade-at 200 --upgrade-info %s/upgrade-info.json %s",
                        folder, faults);
        scenario_add_testnode(s, "1.0.0", words);
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

SCENARIO(I4_a_chain_that_plans_its_upgrade_writes_a_file) {
        plan_by_file(s, "");
}

SCENARIO(I4_a_chain_that_plans_its_upgrade_writes_a_file_and_ends) {
        plan_by_file(s, "--upgrade-exits");
}

/* `cosmovisor add-upgrade --upgrade-height` writes the file when the upgrade is planned. */
SCENARIO(I3_a_plan_that_is_written_ahead_stops_nothing) {
        char path[200];
        (void)snprintf(path, sizeof(path), "%s/data", s->data);
        assert_int_equal(mkdir(path, 0755), 0);
        configure(s, "gate: {kind: node}\nschedule: {source: cosmovisor}");
        scenario_add_testnode(s, "1.0.0", "--upgrade-at 200");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 20, TIMEOUT_US);
        (void)snprintf(path, sizeof(path), "%s/data/upgrade-info.json", s->data);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs("{\"name\": \"v2.0.0\", \"height\": 200, \"info\": \"\"}\n", file) > 0);
        assert_int_equal(fclose(file), 0);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* As one that is started at its boundary and comes no further than to say so. */
SCENARIO(I6_a_node_that_tells_no_height_is_believed_where_it_stops) {
        configure(s, "height: {source: log, pattern: 'committed height=([0-9]+)'}\n"
                     "gate: {kind: node, pattern: 'UPGRADE .* NEEDED at height: ([0-9]+)'}");
        scenario_add_testnode(s, "1.0.0", "--upgrade-at 200 --tell-every 1000000");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

static bool is_tried_in_vain(const json_t *status, const void *userdata) {
        (void)userdata;
        return scenario_is_held(status, "ended too early") &&
               json_is_null(json_object_get(json_object_get(status, "next"), "release"));
}

/* Two blocks before its boundary it ends as if it had come there. What the new release makes of that is put back, and what that has
 * found counts, not the old one's word: so either of the two can be helped. */
SCENARIO(I3_a_node_that_halts_too_early_hands_nothing_over) {
        static const struct ledger_range ranges[] = {{1, 197, "1.0.0"}, {198, UINT64_MAX, "2.0.0"}};
        configure(s, "gate: {kind: node, exit_status: 1}");
        scenario_add_testnode(s, "1.0.0", "--upgrade-at 198 --upgrade-exits");
        /* It is asked where it stands before it has made a block. */
        scenario_add_testnode(s, "2.0.0", "--block-ms 500");
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
        json_t *status = scenario_wait_status(s, is_tried_in_vain, NULL, TIMEOUT_US);
        assert_int_equal(json_integer_value(json_object_get(status, "height")), 197);
        json_decref(status);
        /* It may be started there, and ends again: as soon as it has been proved, or before. */
        struct process_result restart = scenario_cli(s, "restart", s->node, "--wait", NULL);
        assert_true(restart.status == 0 || restart.status == 4);
        if (restart.status == 0)
                json_decref(scenario_wait_status(s, is_tried_in_vain, NULL, TIMEOUT_US));
        process_result_done(&restart);
        scenario_expect(s, 0, "schedule", "set", s->node, "198", "2.x", NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, ranges, ELEMENTS(ranges));
}

/* What the director had given it is in the journal. */
SCENARIO(I5_the_director_dies_before_the_node_halts) {
        configure(s, HALTS);
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "200", NULL);
        wait_argument(s, "199", true);
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

static void wait_logged(struct scenario *s, const char *words) {
        uint64_t deadline = now_monotonic() + TIMEOUT_US;
        for (;;) {
                char line[4096];
                _cleanup_fclose_ FILE *file = fopen(s->log, "re");
                assert_non_null(file);
                while (fgets(line, sizeof(line), file))
                        if (strstr(line, words))
                                return;
                assert_true(now_monotonic() < deadline);
                json_decref(scenario_status(s));
        }
}

/* The word is said once, to a director that dies with it. */
SCENARIO(I5_what_a_node_has_said_outlives_the_director) {
        configure(s, "gate: {kind: node, pattern: 'UPGRADE .* NEEDED at height: ([0-9]+)'}");
        scenario_add_testnode(s, "1.0.0", "--upgrade-at 200");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        wait_logged(s, "says that it stops before height 200");
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 199, TIMEOUT_US);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* Nobody hears what it says, and only the keeper sees how it ends. */
SCENARIO(I3_a_node_halts_while_there_is_no_director) {
        configure(s, HALTS_AND_SAYS_SO);
        scenario_add_testnodes(s, 1, 1);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
        scenario_wait_height(s, 150, TIMEOUT_US);
        json_t *status = scenario_status(s);
        int director = scenario_role(s, "interrex-director");
        struct process node = {.pid = (int)scenario_number(status, "pid")};
        json_decref(status);
        node.pidfd = (int)syscall(SYS_pidfd_open, node.pid, 0);
        assert_true(node.pidfd >= 0);
        assert_int_equal(kill(director, SIGSTOP), 0);
        assert_true(process_ends_within(&node, process_patience(TIMEOUT_US)));
        close_fd(node.pidfd);
        scenario_kill(director);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "no release here is in that range", TIMEOUT_US));
        scenario_add_testnode(s, "2.0.0", "");
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* It is there before its height is believed, or asked for; started once more it would make a block of the next release. */
static void halt_early(struct scenario *s, uint64_t boundary) {
        const struct ledger_range ranges[] = {{1, boundary - 1, "1.0.0"}, {boundary, UINT64_MAX, "2.0.0"}};
        char at[24];
        (void)snprintf(at, sizeof(at), "%" PRIu64, boundary);
        configure(s, HALTS);
        scenario_add_testnodes(s, 1, 2);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, at, "2.x", NULL);
        scenario_start(s);
        scenario_wait_height(s, boundary + 10, TIMEOUT_US);
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "restarts"), 0);
        json_decref(status);
        end(s, ranges, ELEMENTS(ranges));
}

SCENARIO(I3_a_node_halts_before_its_second_block) {
        halt_early(s, 2);
}

SCENARIO(I3_a_node_halts_before_its_third_block) {
        halt_early(s, 3);
}

/* It stands without a word, so nobody has taken it as stopped when it is ended. */
SCENARIO(I3_a_release_at_its_boundary_is_not_started_there) {
        configure(s, "gate: {kind: node}");
        scenario_add_testnode(s, "1.0.0", "--upgrade-at 200");
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
        scenario_wait_height(s, 199, TIMEOUT_US);
        scenario_stop(s);
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "no release here is in that range", TIMEOUT_US));
        scenario_add_testnode(s, "2.0.0", "");
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* From slow blocks to as many as the disk takes: the height that was polled last is far below the one where it ends. */
static void burst(struct scenario *s, const char *gate, const char *faults) {
        configure(s, gate);
        scenario_add_testnode(s, "1.0.0", faults);
        scenario_add_testnode(s, "2.0.0", "");
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
}

static void burst_to_halt(struct scenario *s, const char *gate) {
        burst(s, gate, "--block-ms 200 --burst-from 15");
        scenario_wait_height(s, 210, TIMEOUT_US);
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "restarts"), 0);
        json_decref(status);
        end(s, upgraded, ELEMENTS(upgraded));
}

SCENARIO(I3_a_node_that_catches_up_in_a_burst_halts) {
        burst_to_halt(s, HALTS RARELY_POLLED);
}

SCENARIO(I3_a_node_that_catches_up_in_a_burst_halts_and_says_so) {
        burst_to_halt(s, HALTS_AND_SAYS_SO RARELY_POLLED);
}

static bool is_over(const json_t *status, const void *userdata) {
        (void)userdata;
        const json_t *swap = json_object_get(status, "last_swap");
        return json_is_string(json_object_get(swap, "outcome"));
}

/* A peer's text is no word of the node's, which goes on; its own counts when it comes. */
SCENARIO(I3_a_line_about_a_height_that_is_far_ahead_stops_nothing) {
        burst(s, SAYS_SO, "--upgrade-at 200 --rumour-at 60");
        wait_logged(s, "it did not stop before height 200 when that was said");
        json_t *status = scenario_wait_status(s, is_over, NULL, TIMEOUT_US);
        assert_string_equal(scenario_text(status, "last_swap.outcome"), "committed");
        json_decref(status);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* It is said once, where nobody knows that the node has come there, to a director that dies in doubt. */
SCENARIO(I5_what_is_doubted_outlives_the_director) {
        burst(s, SAYS_SO "height: {source: ethereum, url: 'http://127.0.0.1:8545', every: 5s}\n",
                        "--upgrade-at 200 --block-ms 200 --burst-from 15");
        wait_logged(s, "is said to stop before height 200, but was at");
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        scenario_wait_height(s, 210, TIMEOUT_US);
        end(s, upgraded, ELEMENTS(upgraded));
}

/* Nobody may go on from what it has made too many before an operator says so. */
SCENARIO(I3_a_swap_holds_where_the_node_halts_too_late) {
        static const struct ledger_range ranges[] = {{1, 203, "1.0.0"}, {204, UINT64_MAX, "2.0.0"}};
        burst(s, HALTS READ_RARELY, "--halt-height 203");
        json_t *status = scenario_wait_status(s, scenario_is_held, "had committed height 203", TIMEOUT_US);
        assert_int_equal(scenario_number(status, "height"), 203);
        json_decref(status);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        end(s, ranges, ELEMENTS(ranges));
}

/* Neither when a release comes, nor after a restart. */
SCENARIO(I3_a_node_that_halts_too_late_is_gone_on_from_by_nobody) {
        static const struct ledger_range ranges[] = {{1, 203, "1.0.0"}};
        configure(s, HALTS READ_RARELY);
        scenario_add_testnode(s, "1.0.0", "--halt-height 203");
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "200", "2.x", NULL);
        scenario_start(s);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "has committed height 203, for which", TIMEOUT_US));
        scenario_add_testnode(s, "2.0.0", "");
        wait_logged(s, "cannot go on to 2.0.0 at height 204");
        scenario_stop(s);
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(
                        s, scenario_is_held, "has committed height 203, for which", TIMEOUT_US));
        end(s, ranges, ELEMENTS(ranges));
}

static bool was_restarted_twice(const json_t *status, const void *userdata) {
        (void)userdata;
        return scenario_number(status, "restarts") >= 2;
}

/* The state says that it has not come to its height, however orderly it ended. */
SCENARIO(a_node_that_is_read_to_have_ended_too_early_has_crashed) {
        static const struct ledger_range ranges[] = {{1, UINT64_MAX, "1.0.0"}};
        burst(s, HALTS READ_RARELY, "--halt-height 150");
        json_t *status = scenario_wait_status(s, was_restarted_twice, NULL, TIMEOUT_US);
        assert_true(json_is_null(json_object_get(status, "last_swap")));
        json_decref(status);
        end(s, ranges, ELEMENTS(ranges));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I4_a_node_that_is_told_where_to_halt),
                        SCENARIO_TEST(I3_one_release_after_the_other_halts),
                        SCENARIO_TEST(a_cancelled_upgrade_does_not_halt_the_node),
                        SCENARIO_TEST(I3_a_halted_node_waits_for_its_release),
                        SCENARIO_TEST(I4_a_chain_that_plans_its_upgrade_tells_by_its_log),
                        SCENARIO_TEST(I4_a_chain_that_plans_its_upgrade_writes_a_file),
                        SCENARIO_TEST(I4_a_chain_that_plans_its_upgrade_writes_a_file_and_ends),
                        SCENARIO_TEST(I3_a_plan_that_is_written_ahead_stops_nothing),
                        SCENARIO_TEST(I6_a_node_that_tells_no_height_is_believed_where_it_stops),
                        SCENARIO_TEST(I3_a_node_that_halts_too_early_hands_nothing_over),
                        SCENARIO_TEST(I5_the_director_dies_before_the_node_halts),
                        SCENARIO_TEST(I5_what_a_node_has_said_outlives_the_director),
                        SCENARIO_TEST(I3_a_node_halts_while_there_is_no_director),
                        SCENARIO_TEST(I3_a_node_halts_before_its_second_block),
                        SCENARIO_TEST(I3_a_node_halts_before_its_third_block),
                        SCENARIO_TEST(I3_a_release_at_its_boundary_is_not_started_there),
                        SCENARIO_TEST(I3_a_node_that_catches_up_in_a_burst_halts),
                        SCENARIO_TEST(I3_a_node_that_catches_up_in_a_burst_halts_and_says_so),
                        SCENARIO_TEST(I3_a_line_about_a_height_that_is_far_ahead_stops_nothing),
                        SCENARIO_TEST(I5_what_is_doubted_outlives_the_director),
                        SCENARIO_TEST(I3_a_swap_holds_where_the_node_halts_too_late),
                        SCENARIO_TEST(I3_a_node_that_halts_too_late_is_gone_on_from_by_nobody),
                        SCENARIO_TEST(a_node_that_is_read_to_have_ended_too_early_has_crashed),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("nodes that stop by themselves", tests, NULL, NULL);
}
