/* One question to a node over the network, or one text to read: begun, and answered once. */
#pragma once

#include "context.h"

/* Take ownership of FD. The answer is sent as PROBER_RESULT in every case, unless the check is cancelled. */
void check_begin(struct prober *prober, const struct prober_check *request, int fd);
void check_begin_text(
                struct prober *prober, const struct prober_read_text *request, int fd); /* text_reader.c */
void check_cancel(struct prober *prober, uint64_t id);

/* A place for a check, its deadline running. NULL: there is none; it was answered, and FD closed. */
struct check *check_new(struct prober *prober, uint64_t id, uint32_t timeout_ms, int fd);

/* Sends a healthy answer to which others will follow. */
void check_tell(struct check *check, uint64_t height);

/* Sends the answer and frees the check. TEXT may hold any bytes. */
void check_finish(struct check *check, bool healthy, uint32_t status, uint64_t height, const char *text);
