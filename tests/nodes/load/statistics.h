/* What the clients saw. Times in microseconds. */
#pragma once

#include "response.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>

#define VERSIONS_MAX 16
#define BUCKETS 1024
#define RESETS_MAX 256

struct statistics {
        uint64_t connections;      /* begun */
        uint64_t requests;         /* begun: on new connections, and sent on kept ones */
        uint64_t ok;               /* answered with 2xx */
        uint64_t refused;          /* ECONNREFUSED */
        uint64_t reset_new;        /* the connection ended before its first answer began */
        uint64_t broken_answers;   /* it ended, or made no sense, in the middle of an answer */
        uint64_t closed_by_node;   /* a kept connection that had been answered before was closed */
        uint64_t closed_under_way; /* of these: while a request was out (asked again on a new connection) */
        uint64_t timed_out;
        uint64_t http_status_bad; /* not 2xx */
        uint64_t local_errors;    /* of this machine's own making: out of ports or descriptors */
        int last_local_error;
        uint64_t longest_wait, longest_silence, last_answer_at;
        uint64_t buckets[BUCKETS];
        struct {
                char name[VERSION_MAX];
                uint64_t answers;
        } versions[VERSIONS_MAX];
        struct {
                char address[INET6_ADDRSTRLEN]; /* the client's; empty if it is not known */
                in_port_t port;                 /* host order */
                uint64_t began_at, ended_at;    /* CLOCK_MONOTONIC */
        } resets[RESETS_MAX];                   /* the first of reset_new */
};

/* Counts a complete answer. WAITED: since the connection or the request was begun. */
void statistics_answer(struct statistics *statistics, const struct response *response, uint64_t waited,
                uint64_t now);

/* Counts a new connection that ended before its first answer began. FD: its socket. */
void statistics_reset(struct statistics *statistics, int fd, uint64_t began_at, uint64_t ended_at);

/* Counts a wait that ended without an answer; only the longest is kept. */
void statistics_wait(struct statistics *statistics, uint64_t waited);

/* One JSON object. */
void statistics_print(const struct statistics *statistics, const char *target, uint64_t duration, FILE *out);
