/* The client's side of RFC 6455, without extensions and subprotocols: the opening handshake, frames, fragments.
 * Strict, because there is no reason to go on talking to a server that breaks the protocol. Pure; hostile input is
 * expected. Memory is bounded by the structure's size. */
#pragma once

#include "../lib/base.h"

#define WEBSOCKET_MESSAGE_MAX (64 * 1024)
#define WEBSOCKET_HEAD_MAX (8 * 1024)
#define WEBSOCKET_CONTROL_MAX 125
/* Of a frame of at most WEBSOCKET_SENT_MAX bytes: its header, the mask included. */
#define WEBSOCKET_SENT_MAX 4096
#define WEBSOCKET_SENT_HEADER 8
#define WEBSOCKET_KEY_SIZE 25    /* base64 of 16 bytes */
#define WEBSOCKET_ACCEPT_SIZE 29 /* base64 of a SHA-1 */

enum websocket_opcode {
        WEBSOCKET_CONTINUATION = 0,
        WEBSOCKET_TEXT = 1,
        WEBSOCKET_BINARY = 2,
        WEBSOCKET_CLOSE = 8,
        WEBSOCKET_PING = 9,
        WEBSOCKET_PONG = 10,
};

enum websocket_news { WEBSOCKET_OPENED, WEBSOCKET_MESSAGE, WEBSOCKET_PINGED, WEBSOCKET_CLOSED };

struct websocket {
        char accept[WEBSOCKET_ACCEPT_SIZE]; /* what the server has to answer to our key */
        bool is_open, is_fragmented, is_closed;
        size_t in_size, done; /* done: of it, by what was told so far */
        size_t message_size;
        char in[WEBSOCKET_MESSAGE_MAX + 16];
        char message[WEBSOCKET_MESSAGE_MAX];
};

/* What the SHA-1 for the server's answer is made of: KEY and a constant. Returns its length. */
size_t websocket_accept_source(const char *key, char text[WEBSOCKET_KEY_SIZE + 40]);

/* The request that opens it. URL is ws:// or wss:// and names no user. Returns its length; -EINVAL, -ENAMETOOLONG. */
int websocket_request(const char *url, const char *key, char *text, size_t size);

/* Where received bytes go, and that SIZE of them have come. There is always room after websocket_next() said 0. */
char *websocket_room(struct websocket *websocket, size_t *ret_size);
void websocket_received(struct websocket *websocket, size_t size);

/* What has happened next. 1: *ret_news; for MESSAGE, PINGED and CLOSED with *ret_text of *ret_size bytes (of CLOSED: the
 * reason), valid until the next call. 0: more bytes are needed. -EBADMSG: a sentence in WHY that is to be cleaned; the
 * connection is of no more use, as it is after CLOSED. */
int websocket_next(struct websocket *websocket, enum websocket_news *ret_news, const char **ret_text,
                size_t *ret_size, char *why, size_t why_size);

/* Writes one whole, masked frame. OUT has room for WEBSOCKET_SENT_HEADER + SIZE bytes; SIZE is at most
 * WEBSOCKET_SENT_MAX. Returns its length. */
size_t websocket_frame(enum websocket_opcode opcode, const char *text, size_t size, const uint8_t mask[4],
                char *out);
