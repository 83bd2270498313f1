/* What a node needs a release for. Pure: no I/O. */
#pragma once

#include "machine.h"

/* The start of a sentence ("it runs; ...") why a release may not be removed. False: nothing needs it. CONFIGURED is `release:` of the
 * configuration, or NULL. */
bool release_use(const struct machine *machine, const char *configured, const char *release, char *text, size_t size);

/* The swap machine's state in what the journal has under "machine". False: another version of interrex wrote it. */
bool release_use_machine(const void *value, size_t size, struct machine *ret_machine);
