/* The director's side of the link to the keeper. */
#pragma once

#include "context.h"

int keeper_link_open(struct director *director, int fd);

/* Sends without waiting. The keeper outlives the director, so a failure here ends the director. */
void keeper_tell(struct director *director, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds);

/* Sends and waits for DONE with this serial; what comes meanwhile is kept for later. The keeper never waits for anything
 * itself, so this is a matter of microseconds. Returns the answer's value or -errno; *ret_fd (may be NULL) is the
 * descriptor that came along, or -1. */
int keeper_ask(struct director *director, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds,
                uint64_t serial, int *ret_fd);

uint64_t keeper_serial(struct director *director);

void keeper_store(struct director *director, const char *name, int fd);
void keeper_drop(struct director *director, const char *name);

/* Handles the keeper's messages in the loop from now on. */
int keeper_link_serve(struct director *director);

/* Keeps a message for the loop; its descriptors move. */
void keeper_defer(struct director *director, struct wire_message *message);

/* Waits for the next message of any kind (start-up only). */
int keeper_wait(struct director *director, struct wire_message *message);
