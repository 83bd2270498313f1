/* Stopping a generation exactly before a height. The uprobe gate is exact (gate_uprobe.h), notify is for a node that asks before each
 * block (gate_page.h); else notify, log and observe are as good as what the node says and how often it is asked. */
#pragma once

#include "context.h"

/* A descriptor that the keeper had stored; 1 if it was one of the gate's (ownership taken). */
int gate_adopt_stored(struct director *director, const char *name, int fd);

/* Loads the kernel program where the configuration has an uprobe gate. */
int gate_open(struct director *director);

/* From now on the generation may not begin HEIGHT. A generation that is not spawned yet is armed before it executes. */
int gate_arm(struct director *director, uint64_t generation, uint64_t height);

/* The schedule has changed: whoever it is armed for stops where that says now. */
void gate_follow_schedule(struct director *director);

void gate_disarm(struct director *director);

/* The generation has ended. */
void gate_forget(struct director *director, uint64_t generation);

/* Must this generation wait at exec until gate_apply() has armed it? */
bool gate_must_precede(const struct director *director, uint64_t generation);
int gate_apply(struct director *director, struct unit *unit);

/* The height before which the generation is to stop; MACHINE_NO_HEIGHT: none. */
uint64_t gate_height(const struct director *director, uint64_t generation);

/* What a generation that is about to be spawned needs to look at its gate: 1: *RET_FD, a descriptor for it; 0: nothing. */
int gate_hand_over(struct director *director, uint64_t generation, int *ret_fd);

/* A thread of the generation stands before HEIGHT. false: nothing is armed there any more, it may go on. */
bool gate_stands(struct director *director, uint64_t generation, uint64_t height);

/* The node has said that it asks its gate, and, unless HEIGHT is PROBER_HEIGHT_NONE, that it stands before that height. */
void gate_on_notification(struct director *director, uint64_t generation, uint64_t height);

/* A height that was told or asked for. true: the generation stands there, or is to be stopped there, and that was dealt with. */
bool gate_on_height(struct director *director, struct unit *unit, uint64_t height);

/* Events that nobody took while there was no director: parks what was stopped. */
void gate_resume(struct director *director);

/* Has whoever waits say so again; there is a new prober to hear it. */
void gate_ask_again(struct director *director);

/* Does the release stop before the boundary, whoever stops it? */
bool gate_is_exact(const struct director *director, const char *release);

/* Can the gate keep this release from going past the boundary while it goes on serving reads? */
bool gate_holds(const struct director *director, const char *release);
