/* What is assumed of the node's signing where its configuration says nothing (lib/signer.h), from what archivists saw. */
#pragma once

#include "context.h"

/* Sets what of director->settings depends on it. */
void signing_apply(struct director *director);

/* An archivist has looked into the state directory as job LOOK: MARK is what it saw, NULL: nothing. Written to the journal. An
 * upgrade in overlap that has not gone too far is cancelled. Of looks that answer out of turn the one that was begun last counts. */
void signing_note(struct director *director, uint64_t look, const char *mark);

/* The node runs, and may have made its files only now: with overlap nobody looks again before two generations run. */
void signing_look_again(struct director *director);

/* Why the node is treated as a signer although nobody said so. False: it is not, and TEXT is untouched. */
bool signing_describe(const struct director *director, char *text, size_t size);
