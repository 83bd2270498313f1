/* What the prober knows: the one context of its process. */
#pragma once

#include "../lib/base.h"
#include "../lib/prober_protocol.h"
#include "../lib/wire.h"
#include "curl_library.h"
#include "relay.h"
#include <regex.h>
#include <systemd/sd-event.h>

#define CHECKS_MAX 64
#define WATCHES_MAX 16
#define LINE_MAX_BYTES 8192
#define LAST_LINES 5

struct prober;
struct heads;

/* Transfers of libcurl that are driven together. */
struct transfers {
        struct prober *prober;
        void *multi;
        sd_event_source *timer;
};

struct check {
        struct prober *prober;
        struct prober_check request; /* id 0: free */
        int fd;                      /* until curl has taken it */
        uint64_t began_at;
        sd_event_source *source, *deadline;
        void *easy, *multi, *headers, *connect_to; /* curl's */
        char *body;
        size_t body_size;
        struct heads *heads; /* CHECK_ETHEREUM_HEADS */
        bool is_text; /* READ_TEXT: the answer is read from fd; the pattern is the request's argument */
};

/* A number that lines tell, of which the newest counts. */
struct log_number {
        bool is_watched;
        regex_t pattern;
        uint64_t seen, told;
};

struct log_watch {
        struct prober *prober;
        uint64_t generation; /* 0: free */
        int fd;
        sd_event_source *source;
        bool relay;
        bool is_skipping; /* the rest of a line that was too long */
        char prefix[64];
        char line[LINE_MAX_BYTES];
        size_t line_size;
        char last[LAST_LINES][160];
        size_t n_last;
        struct log_number height, halt;
};

struct notify_watch {
        struct prober *prober;
        uint64_t generation; /* 0: free */
        int fd;
        sd_event_source *source;
};

/* What the director has not taken yet. Each check is answered once and each watch has few things to tell, of which only the newest
 * counts, so the room suffices. */
#define OUTBOX_MAX (2 * CHECKS_MAX + 8 * WATCHES_MAX + 1)

struct outgoing {
        uint32_t type;
        size_t size;
        _Alignas(8) uint8_t body[sizeof(struct prober_result)];
};

struct prober {
        sd_event *event;
        int link;
        sd_event_source *link_source;
        struct outgoing outbox[OUTBOX_MAX];
        size_t n_outbox;
        unsigned n_finished; /* checks */
        struct wire_message message;
        struct curl_library curl;
        struct transfers transfers;
        void *authorities; /* the certificates of the host's trust store, mapped */
        size_t authorities_size;
        struct relay relay;
        struct check checks[CHECKS_MAX];
        struct log_watch logs[WATCHES_MAX];
        struct notify_watch notifies[WATCHES_MAX];
};

/* outbox.c: sends to the director; where it is gone, the loop ends. Never waits for it: a director that does not read would stop the
 * nodes by their full pipes. */
void prober_tell(struct prober *prober, uint32_t type, const void *body, size_t size);

/* There is room again. */
void outbox_flush(struct prober *prober);
