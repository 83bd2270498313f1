/* One question to a node over the network, or one text to read: begun, and answered once. */
#pragma once

#include "context.h"

/* Takes ownership of FD. The answer is sent as PROBER_RESULT in every case. */
void check_begin(struct prober *prober, const struct prober_check *request, int fd);
void check_begin_text(struct prober *prober, const struct prober_read_text *request, int fd);
void check_cancel(struct prober *prober, uint64_t id);

/* Sends the answer and frees the check. */
void check_finish(struct check *check, bool healthy, uint32_t status, uint64_t height, const char *text);

/* http.c */
int http_open(struct prober *prober);
int http_begin(struct check *check);
void http_end(struct check *check);
