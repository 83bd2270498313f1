/* Sockets on addresses that `listen` does not have, where that looks like a mistake: an address that it has is missing, or one that
 * differs by the host only is held. */
#pragma once

#include "context.h"

/* A socket began to listen, or was bound, at an address that is not held. What follows goes into the log, once for a generation,
 * when it has had a second to open the rest. */
void elsewhere_note(struct director *director, const struct address *address);

/* "listens on A, which ...", as the kernel knows it just now; of a generation to which an address is missing, that. False: there is
 * nothing to be told. */
bool elsewhere_describe(struct director *director, uint64_t generation, char *text, size_t size);
