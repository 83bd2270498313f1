/* What an operator can do about a hold. */
#pragma once

#include "context.h"

/* False: the node is not held, or the reason tells it already. */
bool way_out_describe(struct director *director, char *text, size_t size);
