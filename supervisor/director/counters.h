/* Views and epochs, by which boundaries are told on a node that counts in heights (`height.units`): what is believed of them. They
 * are asked for only while a boundary in them is pending. */
#pragma once

#include "context.h"

#define COUNTERS_PROBLEM_MAX 700

/* The unit that is asked for; UNIT_HEIGHT: none of them. */
static inline enum boundary_unit counters_unit(size_t asked) {
        return asked == ASKED_VIEW ? UNIT_VIEW : asked == ASKED_EPOCH ? UNIT_EPOCH : UNIT_HEIGHT;
}

/* Does the configuration say by what it is told? */
bool counters_have_source(const struct director *director, uint32_t unit);

/* Is it to be asked for just now? */
bool counters_are_wanted(const struct director *director, uint32_t unit);

/* A generation was asked. A good value that is believed places what is due. */
void counters_take(struct director *director, uint32_t unit, uint64_t generation, const struct prober_result *result);

/* What may be acted on: told just now, by the generation that serves, and not contradicted since. */
bool counters_value(const struct director *director, uint32_t unit, uint64_t *ret_value);

/* The last good value and its age; false: there is none. */
bool counters_last(const struct director *director, uint32_t unit, uint64_t *ret_value, uint64_t *ret_age);

/* In how long the point comes, as measured, if the node goes on; USEC_INFINITY: that is not known. */
uint64_t counters_eta(const struct director *director, const struct boundary_rule *rule);

/* Why the pending boundaries of the unit cannot come due just now, and what to do; "" if nothing is wrong. */
void counters_problem(struct director *director, uint32_t unit, char *text, size_t size);
