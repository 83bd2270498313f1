/* Established connections of a generation on its held ports, asked of the kernel by netlink. The cgroup condition:
 * Linux 5.9. */
#pragma once

#include "context.h"

/* 0 also where the kernel cannot say. */
uint32_t connections_count(struct director *director, uint64_t generation);
