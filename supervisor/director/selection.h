/* Which release a node starts with: what the schedule asks for on the state as it is, where that can be read before anything
 * runs; else what ran last, which the gate stops at its first block if the state is not what it was. */
#pragma once

#include "context.h"

/* Starts the node, at once or when its height has been read. -errno: it cannot start, which was logged. */
int selection_begin(struct director *director);

/* The prober is there: a height that it has to read may be asked for. */
void selection_on_prober(struct director *director);

/* The height of the state that nothing runs on; MACHINE_NO_HEIGHT: it could not be read, TEXT says why. */
void selection_on_height(struct director *director, uint64_t height, const char *text);
