/* What the test node is asked to do wrong, and to do right. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTEN_MAX 16
#define NUMBER_UNSET UINT64_MAX

#define RELEASE_WORDS_SIZE 4096

struct options {
        char release_words[RELEASE_WORDS_SIZE]; /* of testnode.args; others point into it */
        const char *listen[LISTEN_MAX];         /* IP:PORT or [IP]:PORT */
        size_t n_listen;
        const char *state, *version, *lock, *udp, *unix_path, *dial, *signatures, *follow, *stray;
        uint64_t block_ms, start_ms, stop_ms, exit_after_ms, reopen_ms; /* 0: not */
        uint64_t compatible_until, lie_from, lie_until;                 /* heights */
        uint64_t exit_at_once;                                          /* NUMBER_UNSET: not */
        uint64_t answer_status, workers, reuseport_workers, backlog, tell_every;
        bool lock_try, lock_every_block, close_first, ignore_term, never_listen, listen_never_accept;
        uint64_t cooperate_from; /* 0: from the first block */
        const char *cooperate_unless;
        bool accept_never_answer, never_advance, spoil_state, shutdown_listener, listen_fds, notify;
        bool cooperate;
        uint64_t halt_height, upgrade_at, rumour_at, burst_from; /* 0: nowhere */
        const char *upgrade_info;
        bool upgrade_exits;
};

/* Reads the command line, after it the file testnode.args beside the executable (words between white space,
 * taken as if they stood at the end of the command line): so that every release of a test can have faults of
 * its own under one configuration. Strings live as long as the process. Ends the process with a message and
 * status 2 on a mistake. */
void options_read(int argc, char **argv, struct options *ret_options);
