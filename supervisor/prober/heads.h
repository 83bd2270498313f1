/* CHECK_ETHEREUM_HEADS: the heights of new blocks, told by the node over a WebSocket as long as it lives. At rest nothing
 * wakes the prober but a block. A long silence is ended by asking for the height over the same connection, and a node that
 * knows no newHeads is asked every so often. */
#pragma once

#include "context.h"

/* The check's socket is connected. Every height comes by check_tell(); check_finish() ends it. */
void heads_begin(struct check *check);
void heads_end(struct check *check);

/* http.c: the connection can be written to and read from. */
void heads_connected(struct check *check);

/* The check's deadline has come. False: an answer is owed already, so the check has failed. */
bool heads_ask(struct check *check);
