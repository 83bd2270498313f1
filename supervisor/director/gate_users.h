/* Which releases ask the gate of `kind: notify` before each block, as libinterrex does: for those it is exact. It is learned from
 * what they say when they first ask, lies in the journal before anything relies on it, and holds for the bytes that said it, executed
 * in the same way, until a generation of them is seen to go on without asking. */
#pragma once

#include "context.h"

bool gate_users_know(const struct gate_users *users, const char *release);

/* Has this generation said so itself? Only of the newest of its release is it known; older ones are taken to have said it. */
bool gate_users_heard(const struct gate_users *users, const struct unit *unit);

/* The unit has said that it asks. Not known, and logged, where it cannot be written to the journal. */
void gate_users_learn(struct director *director, const struct unit *unit);

/* The unit has told HEIGHT. True: it goes on without asking, although generations of its release before it asked, and its release is
 * not known to ask any more. BOUNDARY is where its gate stands, as gate_height() says. */
bool gate_users_doubt(struct director *director, struct unit *unit, uint64_t height, uint64_t boundary);

/* The release may have other bytes now. */
void gate_users_forget(struct director *director, const char *release);

/* Forgets those that were replaced, or are executed in another way, since it was written down. */
void gate_users_recover(struct director *director);
