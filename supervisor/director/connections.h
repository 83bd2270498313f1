/* Established connections of a generation on its held ports, asked of the kernel by netlink. The cgroup condition:
 * Linux 5.9. */
#pragma once

#include "context.h"

/* 0 also where the kernel cannot say. */
uint32_t connections_count(struct director *director, uint64_t generation);

/* Ends all that it has accepted (CONFIG_INET_DIAG_DESTROY, CAP_NET_ADMIN): their clients learn at once that they must connect anew,
 * instead of waiting for a generation that is frozen. */
void connections_end(struct director *director, uint64_t generation);
