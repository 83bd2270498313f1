/* Which releases were tried in vain since the last swap that was committed. Pure. */
#pragma once

#include "context.h"

/* How often; FOLLOW_TRIES_MAX: it is not tried again by itself. */
uint32_t failures_of(const struct follow *follow, const char *release);

/* The one of the range that was tried last of those that are not tried again by themselves; NULL: there is none. */
const char *failures_given_up(const struct follow *follow, const struct range *range);
