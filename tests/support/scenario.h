/* What a scenario stands on: a supervisor of its own in a scratch directory, a network namespace and a
 * cgroup that end with it. Everything has a deadline. A helper that fails fails the test (cmocka), unless it
 * says otherwise. One thread.
 *
 *     SCENARIO(upgrade) { scenario_configure(s, ...); scenario_start(s); ... }
 *     int main(void) { const struct CMUnitTest tests[] = {SCENARIO_TEST(upgrade)}; ... }
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "accepted.h"
#include "ledger.h"
#include "network.h"
#include "process.h"
#include <jansson.h>

#define SCENARIO_PORT 8545

/* exec, listen and state of an etcd in a configuration: one %s, the folder that holds its state. */
#define SCENARIO_ETCD                                                                    \
        "exec: {command: etcd, args: [--data-dir, \"{state}/etcd\", --name, one, "       \
        "--listen-client-urls, \"http://127.0.0.1:8545\", "                              \
        "--advertise-client-urls, \"http://127.0.0.1:8545\", "                           \
        "--listen-peer-urls, \"http://127.0.0.1:2380\", "                                \
        "--initial-advertise-peer-urls, \"http://127.0.0.1:2380\", "                     \
        "--initial-cluster, \"one=http://127.0.0.1:2380\", --heartbeat-interval, '10', " \
        "--election-timeout, '50'], user: nobody, stop_timeout: 5s}\n"                   \
        "listen: [\"tcp:127.0.0.1:8545\", \"tcp:127.0.0.1:2380\"]\n"                     \
        "state: {directory: %s, fence: lock}\n"
#define SCENARIO_START_TIMEOUT_US (20 * USEC_PER_SEC)
#define SCENARIO_CLI_TIMEOUT_US (120 * USEC_PER_SEC)

struct scenario {
        char directory[64]; /* scratch; removed at the end with all that is in it */
        char state_dir[128], run_dir[128], data[128]; /* the supervisor's, and the node's {state} */
        char config[128], log[128], ledger[160];      /* the supervisor's stderr; the test node's blocks */
        char node[48];
        char *interrex, *nodes; /* the program, and the folder of test nodes */
        int cgroup_parent_fd, cgroup_fd;
        char cgroup_name[64];
        const char *const *prefix; /* words before `interrex run`, NULL-terminated; NULL: none */
        const char *get;           /* what the load asks for; NULL: the height by JSON-RPC */
        const char *target;        /* whom it asks; NULL: 127.0.0.1:SCENARIO_PORT */
        struct process supervisor, load;
        int load_output_fd;
        struct accepted *accepted; /* NULL: it cannot be known on this kernel */
        bool passed;
};

#define SCENARIO(name)                               \
        static void name##_body(struct scenario *s); \
        static void name(void **state) {             \
                struct scenario *scenario = *state;  \
                name##_body(scenario);               \
                scenario->passed = true;             \
        }                                            \
        static void name##_body(struct scenario *s)
#define SCENARIO_TEST(name) cmocka_unit_test_setup_teardown(name, scenario_setup, scenario_teardown)

/* For cmocka. The program is $INTERREX or build/interrex, the test nodes are in tests/nodes beside it. The
 * teardown of a test that did not pass prints the end of the supervisor's log. */
int scenario_setup(void **state);
int scenario_teardown(void **state);

/* Skips the test where the program is not installed. */
void scenario_need(const char *program);

/* Writes the configuration. */
void scenario_configure(struct scenario *s, const char *format, ...) _printf_(2, 3);

/* A configuration of the test node on 127.0.0.1:SCENARIO_PORT, a block every BLOCK_MS (on a slow machine as much slower,
 * or it is past a height before it can be asked to stop there). Members may be NULL. */
struct scenario_testnode {
        unsigned block_ms;     /* 0: 50 */
        const char *command;   /* NULL: testnode; else testnode-go */
        const char *release;   /* what starts first */
        const char *arguments; /* more of exec.args: "--stop-ms, '300'" */
        const char *exec;      /* more lines of exec: "listen_fds: true" */
        const char *state;     /* more of state: "overlap: true, fence: exec"; NULL: "fence: lock" */
        const char *lock;      /* NULL: flock */
        const char *more;      /* top-level lines; what stands here replaces the default of the same key */
};
void scenario_configure_testnode(struct scenario *s, const struct scenario_testnode *testnode);

/* Adds a release made of the test node with `--version VERSION FAULTS` (FAULTS: words as on its command
 * line, or ""). */
void scenario_add_testnode(struct scenario *s, const char *version, const char *faults);
/* Sound ones: FIRST.0.0 to LAST.0.0. */
void scenario_add_testnodes(struct scenario *s, unsigned first, unsigned last);
void scenario_add_testnode_go(struct scenario *s, const char *version);
/* Adds a release made of this text, which begins with #! and its interpreter. */
void scenario_add_script(struct scenario *s, const char *version, const char *text);

/* Starts the supervisor without waiting for anything; and until the node has proved itself. */
void scenario_start_supervisor(struct scenario *s);
void scenario_start(struct scenario *s);

/* `interrex stop NODE`; the supervisor has to end with status 0. */
void scenario_stop(struct scenario *s);

/* Runs an interrex command to its end; arguments end with NULL. process_result_done(). */
struct process_result scenario_cli(struct scenario *s, const char *first, ...) __attribute__((sentinel));

/* The same, for its exit status alone. What it said is printed if it is not WANTED. */
void scenario_expect(struct scenario *s, int wanted, const char *first, ...) __attribute__((sentinel));

/* `status --json`; NULL if there is no answer. The caller's (json_decref). */
json_t *scenario_status(struct scenario *s);

/* The node's process, by `status`; the test fails if there is no answer, or none runs. */
int scenario_node_pid(struct scenario *s);

typedef bool (*scenario_predicate)(const json_t *status, const void *userdata);

/* Asks for the status until the predicate holds, and returns that status. Fails when the supervisor ends or
 * at the deadline. */
json_t *scenario_wait_status(
                struct scenario *s, scenario_predicate predicate, const void *userdata, uint64_t timeout_us);

/* Such predicates: it holds with a reason that has these words in it (NULL: any reason). */
bool scenario_is_held(const json_t *status, const void *words);
/* One of what it says is degraded has these words in it. */
bool scenario_is_degraded(const json_t *status, const void *words);

void scenario_wait_phase(struct scenario *s, const char *phase, uint64_t timeout_us);
void scenario_wait_height(struct scenario *s, uint64_t height, uint64_t timeout_us);

/* Members of an object, by a path like "last_swap.outcome"; the test fails if they are of another kind or
 * missing. */
const char *scenario_text(const json_t *object, const char *path);
int64_t scenario_number(const json_t *object, const char *path);

/* The load generator, RATE new connections a second (fewer on a slow machine); what it saw is the caller's. To that is added "reset_accepted": so many of "reset_new" the node had
 * accepted itself before it closed them. */
void scenario_start_load(struct scenario *s, unsigned rate, unsigned keepalive);
json_t *scenario_stop_load(struct scenario *s);

/* Nothing was refused, reset before the node had accepted it, broken off, left without answer or answered
 * badly, and something was asked. */
void scenario_assert_unharmed(const json_t *load);

/* Stops the load generator, for which all this must hold. */
void scenario_end_load_unharmed(struct scenario *s);

/* The release that runs, as the status says. */
void scenario_assert_release(struct scenario *s, const char *version);

/* The ledger is without a gap, by these versions in this order / by these versions at these heights. */
void scenario_assert_order(struct scenario *s, const char *const *versions);
void scenario_assert_ranges(struct scenario *s, const struct ledger_range *ranges, size_t n);

/* The process id of a role of the supervisor ("interrex-director", "interrex-prober"); 0: there is none now.
 */
int scenario_role(struct scenario *s, const char *role);

/* Outside of a swap: whatever the director has begun by now in a process of its own, such as a look at the state, has answered
 * it. It has no pipe but the node's output. */
void scenario_wait_jobs(struct scenario *s, uint64_t timeout_us);

/* Kills a process that is not our child and waits for its end. */
void scenario_kill(int pid);

/* One of the four by chance: the director, the prober, the supervisor (which is started anew) or the node. Who is gone
 * already is left. */
void scenario_kill_somebody(struct scenario *s, unsigned *seed);

/* The role runs, with another process id than BEFORE. */
int scenario_wait_role(struct scenario *s, const char *role, int before, uint64_t timeout_us);

/* Something accepts on the port. */
void scenario_wait_port(struct scenario *s, uint16_t port, uint64_t timeout_us);
