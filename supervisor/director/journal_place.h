/* A journal that somebody moves away is written on, and the next director does not find it. */
#pragma once

#include "context.h"

/* 0: it lies where it was opened. Else -errno, and director->journal_complaint says so and what to do; the log says it once. */
int journal_place_check(struct director *director);

/* Something lives that the journal does not know: it is not the one under which that was started. */
bool journal_place_is_strange(const struct director *director, bool was_started_here);

/* Then what lives is taken as it is, and held: which release may run until when is not known any more. False: nothing
 * lives. */
bool journal_place_begin_anew(struct director *director);

/* Its gate stays as it was set until there is a schedule again. */
bool journal_place_leaves_gate(const struct director *director, uint64_t generation);
