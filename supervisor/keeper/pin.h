/* The gate's link, pinned in a file system of its own. Who is killed closes his descriptors before his children get the signal of his
 * death, and closing the last one of a uprobe takes long: if all of interrex is killed at once, the node would run without its gate
 * meanwhile. A pin holds until it is taken away. (BPF_OBJ_PIN of links: Linux 5.7; fsopen(2), move_mount(2): 5.2.) */
#pragma once

#include "context.h"

/* Mounts it in the node's run folder, in place of what a keeper before has left, whose generations must have ended. -errno: nothing
 * is pinned. */
int pin_open(struct keeper *keeper);

/* Only the gate's link is pinned, the one that is put last. -errno: it is not. */
int pin_put(struct keeper *keeper, const char *name, int fd);
void pin_drop(struct keeper *keeper, const char *name);

/* After the last generation. */
void pin_close(struct keeper *keeper);
