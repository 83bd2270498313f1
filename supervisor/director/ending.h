/* How far the state has come when a generation has ended by itself, where the source of heights tells it without the node (a file, a
 * command): then it need not be guessed whether it stopped where it had to. */
#pragma once

#include "context.h"

/* False: it is being read, and events_ending_is_complete() is called again. Else the unit has it, if it could be read. */
bool ending_is_read(struct director *director, struct unit *unit);

/* What was read; MACHINE_NO_HEIGHT: nothing. */
void ending_on_height(struct director *director, uint64_t height);

/* There is a new prober to read it. */
void ending_ask_again(struct director *director);
