/* Which kinds of sockets a generation may have that is cut off by its cgroup's programs, which see IPv4 and IPv6 only. */
#pragma once

#include "../lib/base.h"

/* From here on the calling process and its children make no sockets but unix, IPv4, IPv6 and netlink ones (EAFNOSUPPORT),
 * and have no io_uring, which makes sockets unseen (ENOSYS). Needs CAP_SYS_ADMIN. */
int families_restrict(void);
