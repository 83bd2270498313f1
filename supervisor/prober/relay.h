/* The nodes' output on the supervisor's stderr. Writing never waits: a terminal that was stopped or a reader
 * that has fallen asleep would otherwise fill the node's pipe and stop the node. What finds no room is
 * dropped and counted. */
#pragma once

#include "../lib/base.h"

#define RELAY_BATCH (16 * 1024)

enum relay_way {
        RELAY_WRITE, /* a description of our own that does not block, or a file */
        RELAY_SEND,  /* a socket */
        RELAY_POLL,  /* shared with the keeper: asked before each page */
};

struct relay {
        int fd;
        bool fd_is_ours;
        enum relay_way way;
        bool is_torn; /* the last write ended within a line */
        uint64_t dropped;
        size_t size;
        char batch[RELAY_BATCH];
};

/* Prepares writing to FD, which stays the caller's. Before privileges are given up: a pipe or terminal is
 * opened once more by /proc/self/fd, because O_NONBLOCK on the shared description would change it for the
 * keeper too. */
void relay_open(struct relay *relay, int fd);
void relay_close(struct relay *relay);

/* "PREFIX | LINE MARK"; LINE is printable and shorter than half a batch. Written at the latest by
 * relay_flush(). */
void relay_add(struct relay *relay, const char *prefix, const char *line, const char *mark);
void relay_flush(struct relay *relay);
