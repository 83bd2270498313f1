/* The kernel programs and their maps: which socket gets a new connection. */
#pragma once

#include "context.h"

/* Loads the programs, taking over maps that a director before this one stored; attaches them to the parent cgroup. */
int steering_open(struct director *director);

/* A descriptor that the keeper had stored; 1 if it was one of the steering's (ownership taken). */
int steering_adopt_stored(struct director *director, const char *name, int fd);

/* What has been told of sockets so far is adopted when this returns, unless it is just being read. */
void steering_read_events(struct director *director);

int steering_hold(struct director *director, const struct address *address);

/* One atomic write: all addresses of the node at once. */
int steering_flip(struct director *director, uint64_t generation);

/* To the waiting room; on an address where it has no socket, still to the generation. */
int steering_flip_to_waiting(struct director *director, uint64_t generation);

/* New connections to the group go to the waiting room, whoever is routed to. */
int steering_set_waits(struct director *director, uint32_t group, bool waits);

/* After a flip: returns when no handshake is under way in the kernel that was begun with the route before. A listener that
 * closes while the last packet of a handshake looks at it resets that connection (seen on 6.1 and 6.18: the kernel asks for
 * the listener's state some 0.3 us before it queues the connection there). Blocks for an RCU grace period, 10 to 20 ms.
 * membarrier(2), Linux 4.3. Packets still on their way from another machine are not waited for. */
void steering_settle(void);

/* Puts a socket into its generation's slot of a group as member INDEX. The socket must be listening or bound, with
 * SO_REUSEPORT. */
int steering_add(struct director *director, uint32_t group, uint64_t generation, uint32_t index, int socket);
int steering_remove(struct director *director, uint32_t group, uint64_t generation, uint32_t index);
int steering_set_members(struct director *director, uint32_t group, uint64_t generation, uint32_t n);

/* The same for interrex's own socket in a group. */
int steering_set_waiting(struct director *director, uint32_t group, int socket);
int steering_unset_waiting(struct director *director, uint32_t group);

int steering_set_group(struct director *director, uint32_t group, const struct socket_address *address);

/* The groups that are set, also by directors before this one: the address behind *ADDRESS, or the first. -ENOENT: no more. */
int steering_next_group(struct director *director, struct socket_address *address, bool is_first, uint32_t *ret_group);

/* New connections of ours from this source port go to the generation. */
int steering_aim(struct director *director, uint16_t port, uint64_t generation);
void steering_unaim(struct director *director, uint16_t port);

/* The map of what steering_aim() aims, for other programs; borrowed. */
int steering_probe_ports(struct director *director);

/* Sums over CPUs. */
void steering_count(struct director *director, uint32_t group, uint32_t slot, struct steering_counters *ret_counters);

uint32_t steering_slot(uint64_t generation);

/* A generation's slot, or STEERING_WAITING. */
uint32_t steering_routed_slot(struct director *director);

/* The form in which all notations of one address are equal. */
struct held_address steering_held_form(const struct address *address);
