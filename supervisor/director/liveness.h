/* The keeper asks now and then whether the director still answers. On that occasion the director asks the prober. */
#pragma once

#include "context.h"

void liveness_on_ping(struct director *director);

/* The prober said something, or is a new one. */
void liveness_note_prober(struct director *director);
