/* From the text of an answer to a height. Pure; hostile input is expected. */
#pragma once

#include "../lib/prober_protocol.h"
#include <regex.h>

/* Each: 0 and *ret_height; or a sentence in WHY, which may repeat bytes of the answer and is to be cleaned
 * before anybody reads it, and -EBADMSG: this is not the answer to the question, or -EREMOTEIO: the node
 * says that it has an error. BODY may hold any bytes. */
int answer_ethereum(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);
int answer_bitcoin(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);
int answer_cometbft(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);
int answer_flow(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);

/* The last height that the node's version can serve, as it says. *ret_height stays untouched where it knows no end. */
int answer_flow_version(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);

/* One message over a connection on which newHeads was subscribed to with the id HEADS_SUBSCRIBE and eth_blockNumber asked
 * with the id HEADS_NUMBER. */
enum head_answer { HEAD_HEIGHT, HEAD_SUBSCRIBED, HEAD_NO_SUBSCRIPTION, HEAD_ELSE };
#define HEADS_SUBSCRIBE 1
#define HEADS_NUMBER 2

/* What the message is: HEIGHT with *ret_height; SUBSCRIBED; NO_SUBSCRIPTION, the node refuses it, with a sentence in WHY;
 * ELSE, it is about something else. Or an error, as above. */
int answer_head(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size);

/* metrics_answer.c. METRIC is a name, or a name with labels, name{a="1",b="2"}, that must all be there. */
int answer_metrics(const char *body, size_t size, const char *metric, uint64_t *ret_height, char *why,
                size_t why_size);

/* The whole text, trimmed, as decimal number or 0x and hexadecimal digits: -EINVAL or -ERANGE if it is none.
 */
int answer_number(const char *text, uint64_t *ret_height);

/* The first group of PATTERN's first match: -ENOENT if it does not match, else as answer_number(). */
int answer_pattern(const char *text, const regex_t *pattern, uint64_t *ret_height);
