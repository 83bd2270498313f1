/* A Flow node says up to which height its version can serve (compatible_range of /v1/node_version_info); the schedule says up
 * to which height it is to run. */
#pragma once

#include "context.h"

/* END: the last height, PROBER_HEIGHT_NONE: the node knows none. False: it has passed it. In both cases a sentence in TEXT, ""
 * if the two agree. */
bool flow_range_judge(struct director *director, uint64_t generation, uint64_t end, char *text, size_t size);
