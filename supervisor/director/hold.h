/* Held at a boundary, the old release is run cut off from its peers (bpf/hold.bpf.c), so that users read what it has. */
#pragma once

#include "context.h"

/* Loads the programs where the configuration has hold.serve, and says to the machine whether they are to be had. What is
 * missing is said aloud; then what is held is stopped. After steering_open(). */
int hold_open(struct director *director);

/* A descriptor that the keeper had stored; 1 if it was one of the hold's (ownership taken). */
int hold_adopt_stored(struct director *director, const char *name, int fd);

/* The generation, which is about to be spawned, is to be cut off before it executes anything. Repeatable. */
void hold_cut_off(struct director *director, uint64_t generation);

/* Must the generation wait at exec until it is cut off? */
bool hold_must_precede(const struct director *director, uint64_t generation);

/* Cuts it off, now that it has a cgroup and has not begun: for as long as the cgroup is there, whoever else dies. Repeatable. */
int hold_apply(struct director *director, const struct unit *unit);

/* New connections are about to go to the generation: if it is cut off, those to other addresses than the served ones begin
 * to wait; else they no longer do once it is routed to. Repeatable. */
void hold_before_flip(struct director *director, uint64_t generation);
void hold_after_flip(struct director *director, uint64_t generation);

/* A group has come up: where a generation that is cut off serves, its connections may have to wait. */
void hold_note_group(struct director *director, uint32_t group);

/* Do the connections of this group wait until the hold is left? */
bool hold_keeps_waiting(const struct director *director, uint32_t group);

/* The generation that is cut off runs. */
bool hold_is_on(const struct director *director);

/* By enum hold_way, over CPUs, since the first generation that was cut off under this keeper. */
void hold_count(struct director *director, uint64_t ret_counts[HOLD_WAYS]);
