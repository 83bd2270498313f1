/* From a whole HTTP answer to healthy or not. Pure; hostile input is expected. */
#pragma once

#include "../lib/prober_protocol.h"

#define BODY_MAX (1024 * 1024)

/* 0: healthy, and *ret_height the height or PROBER_HEIGHT_NONE where none was asked for. Else -EBADMSG or
 * -EREMOTEIO, and a sentence in WHY that is to be cleaned before anybody reads it. BODY may hold any bytes,
 * or be NULL if SIZE is 0. */
int judge_answer(const struct prober_check *request, uint32_t status, const char *body, size_t size,
                uint64_t *ret_height, char *why, size_t why_size);
