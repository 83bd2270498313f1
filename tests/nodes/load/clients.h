/* The clients: those that come, ask once and go, and those that stay. One thread, one epoll. */
#pragma once

#include "statistics.h"
#include <stdbool.h>
#include <sys/socket.h>

struct load_options {
        const char *target; /* as written */
        struct sockaddr_storage address;
        socklen_t address_length;
        const char *get; /* path to GET; NULL: POST eth_blockNumber */
        uint64_t rate;   /* new connections in a second */
        uint64_t keepalive;
        uint64_t interval_us; /* between two requests of a kept connection */
        uint64_t timeout_us;
        uint64_t duration_us; /* bounded by the caller */
};

/* Runs until the duration is over or STOP_FD (a signalfd) can be read; then waits for the answers that are
 * still out. Ends at the latest duration + timeout + one second after its start. 0 or -errno if nothing
 * could be begun. */
int clients_run(const struct load_options *options, int stop_fd, struct statistics *ret_statistics);
