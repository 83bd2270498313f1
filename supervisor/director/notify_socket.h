/* The sockets on which generations tell that they are ready, their height and that they ask their gate. */
#pragma once

#include "context.h"

/* Loads the kernel program that drops what others than the generation send, unless a director before this one stored it. Without
 * it everybody on the machine is believed, and director->no_notify_filter says so. */
void notify_socket_open(struct director *director);

/* A descriptor that the keeper had stored; 1 if it was one of ours (ownership taken). */
int notify_socket_adopt_stored(struct director *director, const char *name, int fd);

/* Makes the unit's, where the configuration has one told by it; PATH is empty where not. Before the generation's cgroup. */
int notify_socket_make(struct director *director, struct unit *unit, char *path, size_t size);

/* The generation is gone. */
void notify_socket_forget(struct director *director, struct unit *unit);
