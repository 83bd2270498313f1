/* What the director asks of the prober and what it is told. The prober parses everything that a network peer or
 * the node itself wrote: HTTP, JSON, metrics, log lines, files, notify datagrams. It opens no socket and no file:
 * every descriptor it works on comes along with the request. */
#pragma once

#include "base.h"
#include "wire.h"
#include <netinet/in.h>

#define PROBER_URL_MAX 512
#define PROBER_PATTERN_MAX 512
#define PROBER_TEXT_MAX 512
#define PROBER_HEIGHT_NONE UINT64_MAX
/* Values above are either hostile or no heights. */
#define HEIGHT_MAX (UINT64_C(1) << 62)

enum prober_message_type {
        /* director -> prober */
        PROBER_CHECK = 1, /* struct prober_check; 1 fd: a socket, bound to a source port, not connected */
        PROBER_CANCEL,    /* struct prober_cancel: answer nothing more to this check */
        PROBER_WATCH_LOG, /* struct prober_watch_log; 1 fd: the read end of the generation's output pipe */
        PROBER_WATCH_NOTIFY, /* struct prober_watch_notify; 1 fd: a bound AF_UNIX datagram socket */
        PROBER_READ_TEXT,    /* struct prober_read_text; 1 fd: file or pipe, read to its end or the limit */
        PROBER_FORGET,       /* struct prober_forget: drop the watches of a generation that is gone */
        PROBER_PING,         /* no body: answer with PONG, or count as hung */
        /* prober -> director */
        PROBER_READY = 64, /* struct prober_ready: sandboxed, loop about to run */
        PROBER_RESULT,     /* struct prober_result: the answer to CHECK or READ_TEXT */
        PROBER_HEIGHT,     /* struct prober_height: a log line or notify datagram told a height */
        PROBER_NOTIFIED,   /* struct prober_notified: READY=1, STOPPING=1 or STATUS= from the node */
        PROBER_GATE,       /* struct prober_gate: the node asks its gate, and may stand there */
        PROBER_HALTED, /* struct prober_height: a log line told that the node stops by itself, and at which height */
        PROBER_LOG_ENDED, /* struct prober_log_ended: the pipe's last writer is gone; last lines */
        PROBER_PONG,      /* no body: the answer to PING */
};

enum prober_check_kind {
        CHECK_TCP = 1,  /* connected within the timeout is healthy */
        CHECK_HTTP,     /* GET url; status and contains as asked */
        CHECK_ETHEREUM, /* POST eth_blockNumber; result is a hex string */
        CHECK_COMETBFT, /* GET url (the director appends /status); result.sync_info.latest_block_height */
        CHECK_FLOW,     /* GET url; [0].header.height */
        CHECK_FLOW_VERSION,   /* GET url; compatible_range.end_height, NONE where there is no end */
        CHECK_METRICS,        /* GET url; Prometheus text; value of the metric (argument) */
        CHECK_BITCOIN,        /* POST getblockcount; user:password from the URL */
        CHECK_ETHEREUM_HEADS, /* ws:// or wss://; newHeads is subscribed to: answers go on until it fails */
};

struct prober_check {
        uint64_t id;
        uint32_t kind;
        uint32_t timeout_ms; /* for the whole exchange */
        uint32_t status;     /* CHECK_HTTP: the one that is right; 0: any 2xx */
        uint32_t address_length;
        uint32_t silence_ms; /* CHECK_ETHEREUM_HEADS: after so long without a block the height is asked for */
        uint32_t every_ms;   /* the same, where the node has no newHeads */
        struct sockaddr_storage address; /* where to connect, whatever the URL's host says */
        char url[PROBER_URL_MAX];
        char argument[PROBER_PATTERN_MAX]; /* CHECK_HTTP: text the body must contain; CHECK_METRICS: the metric,
                                              a name, or name{label="value"} which must match those labels */
};

struct prober_cancel {
        uint64_t id;
};

struct prober_watch_log {
        uint64_t generation;
        uint32_t relay; /* 1: write each line to stderr behind the prefix */
        uint32_t unused;
        char prefix[64];                  /* e.g. "anvil 1.7.0 g3" */
        char pattern[PROBER_PATTERN_MAX]; /* POSIX ERE; its first group is the height; "": none is watched for */
        char halt_pattern[PROBER_PATTERN_MAX]; /* of the line that says where the node stops; "": none */
};

struct prober_watch_notify {
        uint64_t generation;
};

struct prober_read_text {
        uint64_t id;
        uint32_t timeout_ms;
        uint32_t unused;
        char pattern[PROBER_PATTERN_MAX]; /* empty: the whole text, trimmed, is the number */
};

struct prober_forget {
        uint64_t generation;
};

struct prober_ready {
        uint64_t pid;
};

struct prober_result {
        uint64_t id;
        uint64_t height;     /* PROBER_HEIGHT_NONE if none was asked for or told */
        uint64_t latency_us; /* from the request's receipt to the answer's last byte */
        uint32_t healthy;
        uint32_t status;  /* HTTP status, 0 if it never came to one */
        uint32_t goes_on; /* 1: healthy, and more answers to this check will follow */
        uint32_t unused;
        char text[PROBER_TEXT_MAX]; /* if not healthy: one sentence that says what was wrong */
};

struct prober_height {
        uint64_t generation;
        uint64_t height;
};

struct prober_gate {
        uint64_t generation;
        uint64_t height; /* before which it waits; PROBER_HEIGHT_NONE: it only said that it asks */
};

enum prober_notification { NOTIFIED_READY = 1, NOTIFIED_STOPPING, NOTIFIED_STATUS };

struct prober_notified {
        uint64_t generation;
        uint32_t what;
        uint32_t unused;
        char text[PROBER_TEXT_MAX];
};

struct prober_log_ended {
        uint64_t generation;
        char text[PROBER_TEXT_MAX]; /* the last non-empty lines, joined by " | ", newest last, printable */
};

/* The types each side accepts; defined in prober_protocol.c. */
extern const struct wire_type prober_requests[];
extern const size_t n_prober_requests;
extern const struct wire_type prober_answers[];
extern const size_t n_prober_answers;
