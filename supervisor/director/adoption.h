/* The node's own listening sockets, duplicated and held: from then on the kernel queues connections on them though the
 * node die. pidfd_getfd: Linux 5.6. */
#pragma once

#include "context.h"

/* A socket in the node's cgroup began to listen or was bound. */
void adoption_on_listen(struct director *director, const struct listen_event *event);

/* Gives up what generations have closed of the addresses on which they have opened others since this was called last. It looks
 * through all descriptors of their processes, so it is called for many sockets at once. */
void adoption_drop_stale(struct director *director);

/* The same, told by other means: FD is a duplicate of a socket that is bound. 1: it is held from now on (ownership taken),
 * TCP sockets listen; 0: its address is none of ours. */
int adoption_take_bound(struct director *director, const struct unit *unit, int fd);

/* Which of `listen` the address is, in any notation; SIZE_MAX: none. */
size_t adoption_find_held(const struct director *director, const struct address *address);
bool adoption_is_held(const struct director *director, const struct address *address);

/* A socket that interrex itself made for a generation (LISTEN_FDS). Takes ownership. */
int adoption_add_own(struct director *director, uint64_t generation, size_t listen, int fd);

/* Takes over which group of the steering maps is which address, before the sockets that are stored. */
void adoption_take_groups(struct director *director);

/* A descriptor that the keeper had stored; 1 if it was an adopted socket (ownership taken). */
int adoption_take_stored(struct director *director, const char *name, int fd);

/* Flows that began with a generation stay with it, which is frozen and reads nothing: hidden, it gets no more datagrams, and
 * what was on its way to it has arrived. */
void adoption_hide_datagrams(struct director *director, uint64_t generation, bool is_hidden);

/* Of a generation that is frozen, which takes nothing in: it stops listening, so that what waits in its queues moves on to the
 * generation that is routed to. Its processes must stand still, since one that waits in accept(2) would be told EINVAL. */
void adoption_stop_listening(struct director *director, uint64_t generation);
bool adoption_is_listening(const struct director *director, uint64_t generation);

/* Before it is thawed. Repeatable, as is the other. */
void adoption_listen_again(struct director *director, uint64_t generation);

/* Drops the generation's sockets. What waits in them migrates to the generation that is routed to. */
void adoption_retire(struct director *director, uint64_t generation);

/* Does the generation hold a socket on this one of `listen`? Of unix: addresses nothing is known. */
bool adoption_has(struct director *director, uint64_t generation, size_t listen);

/* Does the generation hold at least one socket on every configured TCP and UDP address? */
bool adoption_is_complete(struct director *director, uint64_t generation);

/* The first address on which it has none, for messages; NULL if there is none. */
const struct address *adoption_missing(struct director *director, uint64_t generation);

/* Connections waiting in the accept queues of a group's sockets in a slot. */
uint32_t adoption_queued(struct director *director, uint32_t group, uint32_t slot);
