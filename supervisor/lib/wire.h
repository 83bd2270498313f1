/* Typed messages with descriptors over SOCK_SEQPACKET. One packet is one message: a header, a body whose size
 * the type fixes, at most WIRE_FDS_MAX descriptors. The receiver checks all of it against its table of types;
 * what does not fit never reaches a handler. Not thread safe for one socket. */
#pragma once

#include "base.h"

#define WIRE_BODY_MAX (96 * 1024)
#define WIRE_FDS_MAX 16

struct wire_type {
        uint32_t type;
        uint32_t size;   /* of the body, exact */
        uint8_t fds_min; /* descriptors that must and may come along */
        uint8_t fds_max;
        const char *name;
};

struct wire_message {
        uint32_t type;
        size_t size;
        size_t n_fds;
        int fds[WIRE_FDS_MAX]; /* owned by the message until taken with TAKE_FD */
        _Alignas(16) uint8_t body[WIRE_BODY_MAX];
};

/* Descriptors included. Only what is used of the body is copied: the rest of *to costs no memory. */
static inline void wire_message_move(struct wire_message *to, struct wire_message *from) {
        memcpy(to, from, offsetof(struct wire_message, body) + from->size);
        from->n_fds = 0;
}

/* Sends one message; descriptors are duplicated by the kernel, the caller keeps its own. Waits while the
 * socket's buffer is full. -EPIPE or -ECONNRESET: the other side is gone. */
int wire_send(int socket, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds);

/* The same without waiting: -EAGAIN, the buffer is full. */
int wire_try_send(int socket, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds);

/* Receives one message into *message (large: keep it in the context, not on the stack) and checks it against
 * TYPES. 1: a message; 0: nothing there (non-blocking); -ECONNRESET: the other side is gone; -EBADMSG: a
 * message that fits no type (its descriptors are closed). */
int wire_receive(int socket, const struct wire_type *types, size_t n_types, struct wire_message *message);

/* Closes the descriptors that nobody took. */
void wire_message_done(struct wire_message *message);

/* A text field of a received body must end within its array. */
bool wire_text_is_valid(const char *field, size_t size);
