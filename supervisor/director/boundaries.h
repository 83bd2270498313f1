/* The schedule in the journal and in memory: it is read, changed by an operator or by a document, and its boundaries of other
 * units than the node counts in are placed at a height when their time has come. */
#pragma once

#include "../lib/schedule_document.h"
#include "context.h"
#include "refusal.h"

/* Reads the schedule from the journal. */
int boundaries_load(struct director *director);

/* All of N rules, or none (-1). SEQUENCE SCHEDULE_NO_SEQUENCE: they are added to what is there. Else they are all of the
 * schedule from the node's height on: what lies ahead and is not among them goes, and a sequence number below the last one
 * is refused. What has run already cannot be contradicted. An upgrade that is armed and is not asked for any more is cancelled. */
int boundaries_set(struct director *director, const struct boundary_rule *rules, size_t n, uint64_t sequence,
                struct refusal *ret_refusal);
/* None of N rules, given by hand, denies the release that runs a height which that may have passed by now. */
int boundaries_check_near(struct director *director, const struct boundary_rule *rules, size_t n, struct refusal *ret_refusal);
int boundaries_remove(struct director *director, uint32_t unit, uint64_t at, struct refusal *ret_refusal);

/* All of them stand there just so, under that number. */
bool boundaries_are_in_force(struct director *director, const struct boundary_rule *rules, size_t n, uint64_t sequence);

/* An upgrade that the schedule had armed and does not ask for any more is cancelled, as soon as that is possible. */
void boundaries_cancel_obsolete(struct director *director);

/* The boundary of a cancelled swap leaves the schedule, if the swap had put it there. */
void boundaries_forget_own(struct director *director);

/* Boundaries whose point has come, or comes with a block AHEAD from here, are placed at HEIGHT. True: one was. */
bool boundaries_place_due(struct director *director, uint64_t height, uint64_t ahead);
/* The node that serves told HEIGHT: what is due is placed so far ahead that the gate, which is armed anew, comes in time. */
void boundaries_note_height(struct director *director, uint64_t height);
/* Time has passed, or a view or an epoch was told: the same. */
void boundaries_look(struct director *director);

/* Would it place anything if VALUE of the unit were told? */
bool boundaries_would_be_due(const struct director *director, uint32_t unit, uint64_t value);
