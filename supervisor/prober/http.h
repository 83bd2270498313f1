/* HTTP over a check's connected socket. */
#pragma once

#include "context.h"

/* Loads and prepares libcurl. Before the sandbox is closed: it opens files. Logs what is wrong. */
int http_open(struct prober *prober);

/* The answer comes by check_finish(). */
int http_begin(struct check *check);
void http_end(struct check *check);
