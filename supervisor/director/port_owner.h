/* Whose port it is, if it is not ours: asked before the node is started, because a node that cannot bind says so in a
 * hundred different ways. */
#pragma once

#include "context.h"

/* 0: every held address is free. -EADDRINUSE: *ret_text (of SIZE bytes) says which is taken and by whom. */
int port_owner_check(struct director *director, char *text, size_t size);
