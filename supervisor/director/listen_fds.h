/* Sockets for nodes that take LISTEN_FDS: made here for each generation, in the same reuseport groups, so that they are
 * steered like adopted ones. */
#pragma once

#include "context.h"

/* Makes the sockets of all unix: addresses, once. Logs. */
int listen_fds_make_unix(struct director *director);

/* One descriptor for each configured address, in order. The descriptors belong to the director's tables; FDS holds
 * borrowed numbers for the spawn message. -ENOSPC: more addresses than a message carries. */
int listen_fds_make(struct director *director, const struct unit *unit, int *ret_fds, size_t capacity, size_t *ret_n);
