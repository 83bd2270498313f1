/* Whose port it is, if it is not ours: asked before the node is started, because a node that cannot bind says so in a
 * hundred different ways. */
#pragma once

#include "context.h"

/* Is every held address free? */
bool port_owner_is_nobody(struct director *director);

/* No process has it any more: the kernel keeps a port for a minute where the one that had it closed its connections first and had not
 * allowed others to follow (TIME_WAIT). */
bool port_owner_has_ended(struct director *director);

/* Which address is taken and by whom. It may take seconds, because it looks into every process. */
void port_owner_describe(struct director *director, char *text, size_t size);
