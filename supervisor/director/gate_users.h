/* Which releases ask the gate of `kind: notify` before each block, as libinterrex does: for those it is exact. It is learned from
 * what they say when they first ask, holds for the bytes that said it, and is forgotten with the keeper. */
#pragma once

#include "context.h"

bool gate_users_know(const struct gate_users *users, const char *release);

/* The unit has said that it asks; written to the journal. */
void gate_users_learn(struct director *director, const struct unit *unit);

/* The release may have other bytes now. */
void gate_users_forget(struct director *director, const char *release);
