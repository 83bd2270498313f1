/* The user the node runs as, looked up by name while the director may still read what the host keeps secret. */
#pragma once

#include "context.h"

/* 0, or an exit status (the reason is logged). */
int node_user_find(struct director *director);
