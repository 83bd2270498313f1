/* Whether a release will be let run, as far as it is known before it is verified: told by the plan, while there is time to do something. */
#pragma once

#include "context.h"

/* The archivist has verified it; WHY: it is not what was added or signed, NULL: it is. Remembered until something of it changes. */
void release_trust_note(struct director *director, const char *release, const char *why);

/* True: TEXT says why it would not be started: trust.keys ask for another signature, or it was refused before. The bytes of a release
 * are not read here. */
bool release_trust_problem(const struct director *director, const char *release, char *text, size_t size);
