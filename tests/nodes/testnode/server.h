/* The loop that serves: listeners, connections, the stop, and the faults that need a clock. Single-threaded.
 */
#pragma once

#include "chain.h"
#include "sockets.h"
#include <signal.h>

/* Serves until told to stop; returns the exit status. SOCKETS is owned from here on (closed at the stop).
 * SIGNALS are blocked and read here: SIGTERM and SIGINT stop; with IS_MASTER, nothing is accepted, the
 * workers' ends are awaited, and both signals are passed on to the process ids in WORKERS. */
struct server_start {
        const struct options *options;
        struct chain *chain;
        struct node_socket *sockets;
        size_t n_sockets;
        const sigset_t *signals;
        const int *workers;
        size_t n_workers; /* more than 0: this is the master */
};

int server_run(const struct server_start *start);
