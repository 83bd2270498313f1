/* The generations as the director knows them, and making new ones. */
#pragma once

#include "context.h"

struct unit *unit_find(struct director *director, uint64_t generation);

/* The record of a generation, made if there is none. NULL: the table is full. */
struct unit *unit_get(struct director *director, uint64_t generation);

/* Drops the record, its pipes and what the keeper stores for it. */
void unit_forget(struct director *director, struct unit *unit);

/* Starts a generation of a release; verifies the release's bytes first if that was not yet done. Does nothing if it
 * exists. The outcome comes as events. */
void unit_spawn(struct director *director, uint64_t generation, const char *release, enum machine_fence fence);

/* After verification: the clone itself. */
void unit_spawn_verified(struct director *director, struct unit *unit);

void unit_terminate(struct director *director, uint64_t generation);
void unit_control(struct director *director, uint64_t generation, enum keeper_cgroup_verb verb);

/* Lets a generation past its fence; one that waits at exec only if its release is still what was verified. */
void unit_pass(struct director *director, uint64_t generation);

/* After verification: it may execute. */
void unit_pass_verified(struct director *director, struct unit *unit);

/* One sentence: how it ended, with its last words. */
void unit_describe_ending(const struct unit *unit, char *text, size_t size);
