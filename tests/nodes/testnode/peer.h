/* What a node is told by another one. */
#pragma once

#include <stdint.h>

/* The height of the test node at IP:PORT; 0 if it cannot be asked, which is told on stdout when it changes. */
uint64_t peer_height(const char *address);
