/* How near what somebody typed comes to a name that there is. Pure. */
#pragma once

#include "base.h"

#define NEARNESS_FAR SIZE_MAX

/* How many letters must be changed, added, left out or exchanged with their neighbour to make the one the other; NEARNESS_FAR if those are so
 * many for TYPED's length that the name was hardly meant. */
size_t nearness(const char *typed, const char *name);
