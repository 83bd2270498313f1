/* Whether the director still answers. One that hangs is as bad as one that died, and only death is told by the kernel. */
#pragma once

#include "context.h"

/* A new director was started; it is asked from now on. */
int liveness_watch(struct keeper *keeper);
void liveness_on_answer(struct keeper *keeper);
