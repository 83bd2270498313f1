/* What is asked of any listening TCP socket. */
#pragma once

#include "../lib/base.h"

/* More than any host's somaxconn: the kernel cuts it to what the host allows. */
#define LISTENER_BACKLOG 65535

/* Established connections in its accept queue; 0 where that cannot be said. */
uint32_t listener_queued(int fd);

bool listener_is_listening(int fd);
