/* The fence: lock requests of a generation wait in the kernel until the director has decided, and so do bind and listen
 * where the cgroup cannot have the kernel programs that would tell of them. The keeper receives them,
 * because a notification received by a process that then dies is not delivered again. Linux 5.5 (CONTINUE), better 5.19
 * (WAIT_KILLABLE_RECV). */
#pragma once

#include "context.h"

/* In the child, before exec: loads the filter, returns the listener's descriptor or -errno. */
int fence_install(bool for_locks, bool for_sockets);

/* Serves a generation's listener from now on. Takes ownership of LISTENER. */
int fence_serve(struct generation *generation, int listener);

/* The generation is past the fence: every lock that is waited for goes on, and every later one at once. */
void fence_pass(struct generation *generation);

/* One request goes on as it is, or (IS_DONE) returns 0 without. */
void fence_continue(struct generation *generation, uint64_t request, bool is_done);

/* Tells the director again what waits. */
int fence_tell(struct generation *generation);
