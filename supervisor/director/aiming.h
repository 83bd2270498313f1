/* What an operator's command asks (a probe or height of kind exec) must be answered by the generation it was started for, not by
 * whom users are steered to just now. The command is any program, so the kernel is told: a program at its cgroup aims the source
 * port of each connection that it makes. */
#pragma once

#include "context.h"

/* Loads the program, if the configuration has commands. A host that cannot have it is told of in director->no_aim. */
void aiming_open(struct director *director);

/* From now on connections from this cgroup, which is the command's, go to the generation. The descriptor keeps it so; -errno. */
int aiming_begin(struct director *director, int cgroup_fd, uint64_t command, uint64_t generation);

/* Forgets all ports that the command still has. */
void aiming_end(struct director *director, uint64_t command);
