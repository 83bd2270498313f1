/* What is believed of the heights that are told, how old it is, and what is wrong with it. */
#pragma once

#include "context.h"

/* A height was told of a generation. True: it is believed, and stands in the unit. */
bool heights_take(struct director *director, struct unit *unit, uint64_t height);

/* The generation stands there for certain: its gate says so. */
void heights_set(struct unit *unit, uint64_t height);

/* How long ago the height that the status shows was last told; USEC_INFINITY: none was. */
uint64_t heights_age(struct director *director);

/* Why the height that the status shows may not be the node's own any more; "" if nothing is wrong. */
void heights_problem(struct director *director, char *text, size_t size);
