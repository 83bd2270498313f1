/* Sockets of a generation on held addresses that are not held, because there are more of them than can be. */
#pragma once

#include "context.h"

/* One sentence about each address where it has such: how many, and what follows. As the kernel knows it just now. */
void unheld_describe(struct director *director, uint64_t generation, void (*say)(const char *text, void *userdata), void *userdata);

/* A socket of it could not be held. The same goes into the log, once for a generation, when it has had time to open the rest. */
void unheld_note(struct director *director, uint64_t generation);
