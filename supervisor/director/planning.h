/* From what an operator asks for to a swap: is it possible, is it allowed by the schedule, what is written down about it. */
#pragma once

#include "context.h"
#include "refusal.h"

/* So close to its boundary a swap is made ready, whatever the rate. */
#define PLANNING_NEAR_BLOCKS 3

/* 0: the swap began or is armed, *ret_swap is its id. -1: *ret_refusal says why not; nothing has changed. */
int planning_upgrade(struct director *director, const char *version, uint64_t height, bool now, uint64_t *ret_swap,
                struct refusal *ret_refusal);
/* The schedule asks for VERSION from HEIGHT on; is_there: the node stands before it already. */
int planning_follow(struct director *director, const char *version, uint64_t height, bool is_there, struct refusal *ret_refusal);
int planning_rollback(struct director *director, uint64_t *ret_swap, struct refusal *ret_refusal);
int planning_restart(struct director *director, uint64_t *ret_swap, struct refusal *ret_refusal);
int planning_cancel(struct director *director, struct refusal *ret_refusal);
/* Does the schedule allow the release, whose name must be a version, at the height? */
bool planning_allows(const struct director *director, const char *release, uint64_t height);

/* Which release the node starts with when nothing was ever decided. -ENOENT with a sentence. */
int planning_first_release(struct director *director, char *release, size_t size, char *why, size_t why_size);

/* Which release the generation is, or will be, of the swap under way or of none. */
const char *planning_release_of(const struct director *director, uint64_t generation);

/* A gate there tells with its first block where the state stands. */
#define PLANNING_FIRST_BLOCK 1

/* What a node that is not stopped may have reached since its height was told, and one more; 0: that cannot be said. */
uint64_t planning_height_by_now(struct director *director);

/* The height before which the generation must stop: WANTED, or the first one at which the schedule denies its release;
 * PLANNING_FIRST_BLOCK: that cannot be said before its height is known. */
uint64_t planning_gate_height(struct director *director, uint64_t generation, uint64_t wanted);
/* The same, where what is wanted is the boundary of the swap under way, if the generation is the one in force. */
uint64_t planning_gate_height_now(struct director *director, uint64_t generation);

/* Is told with how the swap under way ends. */
void planning_note_in_swap(struct director *director, const char *note);

/* Somebody accepts again: the gap counts if it is the longest so far. False: there was none. */
bool planning_end_gap(struct director *director);
void planning_finish_swap(struct director *director, const char *outcome, const char *reason);

/* Height of the serving generation, for the rate. */
void planning_note_height(struct director *director, uint64_t height);
uint64_t planning_height(struct director *director);

/* Is the boundary of the armed swap so close that the candidate should come up? */
bool planning_is_near(struct director *director);
bool planning_is_near_to(struct director *director, uint64_t boundary);

/* Microseconds until HEIGHT by the measured rate; USEC_INFINITY: not known. */
uint64_t planning_eta(struct director *director, uint64_t height);

/* No block has come for much longer than the measured rate tells: that rate says nothing of what comes. */
bool planning_stands_still(const struct director *director);

/* The node was seen to take its state lock. */
void planning_note_lock(struct director *director);

/* After a restart of the director: a generation that the keeper knows. */
void planning_recover_unit(struct director *director, struct unit *unit, const struct keeper_generation *known);
