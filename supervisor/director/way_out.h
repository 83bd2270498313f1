/* What an operator can do about a hold. */
#pragma once

#include "context.h"

#define WAY_OUT_MAX (MACHINE_REASON_MAX + 256)

/* False: the node is not held, or the reason tells it already. */
bool way_out_describe(struct director *director, char *text, size_t size);
