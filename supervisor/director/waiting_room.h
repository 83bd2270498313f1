/* Sockets of interrex's own, one beside the node's on each held TCP address: where new connections wait while the
 * generation that serves is ending and the next has not proved itself. A node that is told to stop gets no new
 * connection any more, and may do with its own listeners what it likes: shutdown(2) on them takes them from every
 * holder of a duplicate. */
#pragma once

#include "context.h"

/* Makes the group's socket beside MEMBER, a socket of the node's: bound, not listening. Does nothing if there is one. */
int waiting_room_prepare(struct director *director, uint32_t group, int member);

/* From now on new connections wait here. Only addresses on which GENERATION serves take part. Repeatable. */
void waiting_room_open(struct director *director, uint64_t generation);

/* The group's socket takes connections while another generation than the next one is routed to. -ENOENT: it has none. */
int waiting_room_keep(struct director *director, uint32_t group);

/* After a flip: what waits moves on to the generation that is routed to, but for what hold_keeps_waiting(). Repeatable. */
void waiting_room_close(struct director *director);

/* A descriptor that the keeper had stored; 1 if it was one of ours (ownership taken). */
int waiting_room_take_stored(struct director *director, const char *name, int fd);

/* Connections waiting in the group's socket. */
uint32_t waiting_room_queued(const struct director *director, uint32_t group);
