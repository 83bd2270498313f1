/* What nodes write by themselves: output lines and notify datagrams. */
#pragma once

#include "context.h"

/* Takes ownership of FD. */
void watch_log(struct prober *prober, const struct prober_watch_log *request, int fd);
void watch_notify(struct prober *prober, const struct prober_watch_notify *request, int fd);
void watch_forget(struct prober *prober, uint64_t generation);
