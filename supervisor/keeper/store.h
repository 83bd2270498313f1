/* Descriptors held by name for the director, over its death. */
#pragma once

#include "context.h"

/* Takes ownership of FD in every case. Replaces a descriptor of that name. -ENOSPC: the store is full. */
int store_put(struct keeper *keeper, const char *name, int fd);

void store_drop(struct keeper *keeper, const char *name);

/* Sends all of them to the director as STORED. */
int store_tell(struct keeper *keeper);

/* The node is gone: the files of its Unix sockets, to which nobody listens any more, go as well. */
void store_close(struct keeper *keeper);
