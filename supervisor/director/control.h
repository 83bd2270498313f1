/* The control socket: sd-bus without a bus. */
#pragma once

#include "context.h"

/* Binds RUN/NODE/control, or takes over the listener that the keeper stored. */
int control_open(struct director *director);
int control_adopt_stored(struct director *director, const char *name, int fd);

/* Answers those who wait for the end of the swap that has just ended. */
void control_answer_waiters(struct director *director);
void control_answer_stop(struct director *director);

/* Something that status shows has changed. */
void control_emit_change(struct director *director);
