/* Parked threads: the committing thread that the gate stopped is seized with ptrace and kept in its stop, while SIGCONT
 * lets all others of its process run. The keeper is the tracer, because a thread runs on when its tracer dies. */
#pragma once

#include "context.h"

/* Begins; the director's request is answered when the thread is in its stop. -errno if it cannot begin. */
int park_begin(struct keeper *keeper, const struct keeper_park *request);

/* A wait status of some process or thread; 1 if it was that of a thread being parked. */
int park_stopped(struct keeper *keeper, const siginfo_t *how);

/* The generation's parked threads run on, those that are being parked as soon as they are. */
void park_end(struct keeper *keeper, uint64_t generation);
