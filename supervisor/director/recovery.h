/* The two ways a director begins: with nothing, or after another one has died. */
#pragma once

#include "context.h"

/* Takes in all that the keeper tells until RESUME. */
int recovery_listen(struct director *director);

/* The same with nothing to take in. */
int recovery_open_first(struct director *director);

/* Goes on from the journal's last row, or starts the node. */
int recovery_go_on(struct director *director);

/* The start has waited for the source of the schedule. */
void recovery_source_is_read(struct director *director);
