/* What a rehearsal finds of this machine: no network, the snapshot where the state is, and all else as it is but not to be written, nor to
 * be spoken to. For the process that becomes its supervisor; needs root. */
#pragma once

#include "rehearsal.h"

/* 0 or a negative errno; *ret_step is what could not be done. */
int rehearsal_enter_place(const struct rehearsal *rehearsal, const char **ret_step);
