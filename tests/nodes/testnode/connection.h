/* One client's connection: reads requests, answers them in order, ends when it should. */
#pragma once

#include "options.h"
#include <sys/queue.h>

enum source_kind {
        SOURCE_SIGNALS,
        SOURCE_LISTENER,
        SOURCE_DATAGRAMS,
        SOURCE_TIMER,
        SOURCE_DIALED,
        SOURCE_CONNECTION
};

/* What the loop waits on. */
struct source {
        enum source_kind kind;
        int fd;
};

struct connection {
        struct source source; /* first: the loop knows a connection by it */
        LIST_ENTRY(connection) others;
        size_t n_in, n_out, out_at;
        bool has_answered, closes;
        char in[8448], out[1024];
};

LIST_HEAD(connection_list, connection);

struct connection_view {
        const struct options *options;
        uint64_t height;
        bool is_stopping; /* no answer is followed by another one */
};

enum connection_wants { CONNECTION_READ, CONNECTION_WRITE, CONNECTION_END };

/* Reads what there is, answers what is complete, writes what the socket takes. Never blocks. */
enum connection_wants connection_serve(struct connection *connection, const struct connection_view *view);

/* Whether closing it now would leave somebody without an answer who may still get one. */
bool connection_is_owed(const struct connection *connection);
