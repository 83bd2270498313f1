/* HTTP over a check's connected socket. */
#pragma once

#include "context.h"

/* Loads and prepares libcurl. Before the sandbox is closed: it opens files. Logs what is wrong. */
int http_open(struct prober *prober);

/* Transfers of their own, which ends with transfers_close(); what belongs to them has been ended before. */
int transfers_open(struct transfers *transfers, struct prober *prober);
void transfers_close(struct transfers *transfers);

/* The answer comes by check_finish(); of CHECK_ETHEREUM_HEADS, heads_connected() when the connection can be used. */
int http_begin(struct check *check, struct transfers *transfers);
void http_end(struct check *check);
