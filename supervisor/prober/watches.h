/* What nodes write by themselves: output lines and notify datagrams. What comes in one go (at most 64 KiB of
 * output, 64 datagrams) tells one height, the last one: a node that writes faster than the director reads
 * must not be made to wait. */
#pragma once

#include "context.h"

/* Take ownership of FD. A watch of the same generation is replaced. */
void watch_log(struct prober *prober, const struct prober_watch_log *request, int fd);
void watch_notify(struct prober *prober, const struct prober_watch_notify *request, int fd);

void watch_forget_log(struct prober *prober, uint64_t generation);
void watch_forget_notify(struct prober *prober, uint64_t generation);
