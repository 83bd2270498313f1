/* The lock that a node holds below its state directory, where it was not asked about when it was taken: a generation that waits at
 * exec, because its gate must be armed, runs without the fence that would tell. */
#pragma once

#include "context.h"

/* Remembers it, if a process of the generation holds one just now (flock, fcntl, OFD): the next release is parked there. */
void state_lock_look(struct director *director, const struct unit *unit);
