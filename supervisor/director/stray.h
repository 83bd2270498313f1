/* A process of a generation that moved itself out of its cgroup, as one that runs as root can. Nothing that is done to the cgroup
 * reaches it, and an empty cgroup says nothing about it. It is found as a child of the keeper, who takes in what has no parent. */
#pragma once

#include "context.h"

/* True: such a process has a file of the state open, so that the generation, whose cgroup is empty, must not count as ended (I2);
 * director->stray says who. When it ends, events_ending_is_complete() is called. */
bool stray_keeps_state(struct director *director, const struct unit *unit);
