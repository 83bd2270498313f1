/* What the operator's command meets, played by a test: the keeper, which holds the lock, by the test itself,
 * and the director by a child behind a real control socket. The executable is $INTERREX, or build/interrex.
 */
#pragma once

#include "lib/base.h"

#include <sys/types.h>

#define OUTPUT_MAX 16384
struct scratch {
        char folder[64];
        char state[80], run[80];
        char node_state[96], node_run[96];
        int lock;
        int listener;
        pid_t director, keeper;
        char out[OUTPUT_MAX], err[OUTPUT_MAX];
};

/* How the director of a test behaves. */
struct script {
        const char *outcome, *reason; /* of Wait */
        const char *plan;             /* NULL: it knows of none */
        const char *status;           /* NULL: one of a node that runs */
        const char *error;            /* a name: every call is refused with it */
        const char *dies_at;          /* a method: the director ends when it is called */
        bool unlinks_socket;          /* before it ends */
        bool never_ends_wait;
        bool writes_swap; /* before it ends: it knew what it was about to do */
};

const char *stage_executable(void);

/* Setup and teardown of a cmocka test: *state is a struct scratch. */
int stage_make_scratch(void **state);
int stage_remove_scratch(void **state);

void stage_make_folder(const char *path);

/* The keeper's part: folders, the lock, the control socket. */
void stage_supervise(struct scratch *s);
void stage_bind_control(struct scratch *s);
int stage_take_lock(const struct scratch *s);
void stage_let_go_of_lock(struct scratch *s);

/* The director's part; it serves one connection after the other, as the command opens them. */
void stage_start_director(struct scratch *s, const struct script *script);
void stage_end_director(struct scratch *s);

/* Writes swaps 1 to 7 into the journal, and a step of the last. */
void stage_write_swap(const struct scratch *s, const char *outcome, const char *reason);

/* Runs the command; LINE is split at spaces. Its exit status; its output is in s->out and s->err. */
pid_t stage_start_cli(struct scratch *s, const char *line, uid_t uid);
int stage_finish_cli(struct scratch *s, pid_t pid);
int stage_run_cli(struct scratch *s, const char *line);

void stage_assert_says(const char *text, const char *sentence);

/* Which calls the directors of this test were asked, one a line. */
void stage_assert_calls(const struct scratch *s, const char *expected);
