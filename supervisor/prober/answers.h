/* From the text of an answer to a height. Pure; hostile input is expected. */
#pragma once

#include "../lib/base.h"
#include <regex.h>

/* Each: 0 and *ret_height, or -EBADMSG and a sentence in WHY. */
int answer_ethereum(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);
int answer_bitcoin(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);
int answer_cometbft(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);
int answer_flow(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);

/* METRIC is a name, or a name with labels that must all be there. */
int answer_metrics(const char *body, const char *metric, uint64_t *ret_height, char *why, size_t why_size);

/* The whole text, trimmed; or the first group of PATTERN's first match. */
int answer_number(const char *text, uint64_t *ret_height);
int answer_pattern(const char *text, const regex_t *pattern, uint64_t *ret_height);
