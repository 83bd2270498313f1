/* Carries out what the swap machine decided. Every action may be carried out again after a restart. */
#pragma once

#include "context.h"

void perform(struct director *director, const struct machine_actions *actions);
