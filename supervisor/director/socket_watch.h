/* Where the cgroup cannot have kernel programs (another program sits there alone, or the kernel lacks them), the node's bind
 * and listen are told by seccomp notifications instead. The effect is the same: a socket that binds a held address may
 * share it, and is held once it listens. io_uring's bind and listen (Linux 6.11) are not seen. */
#pragma once

#include "context.h"

/* True: what was asked for is done on the very socket, and the call is to return 0. False: it goes on as it is. */
bool socket_watch_judge(struct director *director, const struct unit *unit, const struct keeper_fenced *fenced);
