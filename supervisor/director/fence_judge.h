/* Is a lock that a generation asks for the one that guards the node's state? */
#pragma once

#include "context.h"

void fence_judge(struct director *director, const struct keeper_fenced *fenced);
