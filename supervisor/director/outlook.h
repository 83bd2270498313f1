/* What the node's phase is waiting for, and what then goes on by itself: said alike by the status and the plan. */
#pragma once

#include "context.h"
#include <jansson.h>

/* The phase, why it is held and what is left to be done there, and how long it takes until something goes on by itself. */
void outlook_put(struct director *director, json_t *object);

/* Users are steered to the candidate, which still has to prove itself. */
bool outlook_is_in_probation(const struct director *director);

/* The release that the next boundary will find, unless probation takes it back. */
const char *outlook_release(const struct director *director);

/* What has been begun and is not in force yet, or what the schedule asks for next: boundaries that the release in force may pass are
 * none. The contract's object, or null. */
json_t *outlook_next(struct director *director);

/* No block is made: nothing can be said of when a height or a view comes. */
bool outlook_stands(const struct director *director);

/* As JSON tells how long something takes: null for USEC_INFINITY. */
json_t *outlook_seconds(uint64_t usec);
