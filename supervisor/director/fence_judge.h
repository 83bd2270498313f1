/* A generation's call waits for our answer: is the lock it asks for the one that guards the node's state, is the address it
 * binds a held one? */
#pragma once

#include "context.h"

void fence_judge(struct director *director, const struct keeper_fenced *fenced);
