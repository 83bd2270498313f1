/* One function for each kind of value, for reader_key.take: each checks, and leaves its target untouched if
 * the value is wrong. What a value may be at most is what the processes that get it can carry: nothing is
 * cut on the way. */
#pragma once

#include "config_reader.h"

void take_text(struct reader *reader, const yaml_node_t *value, void *target); /* char *, not empty */
void take_path(struct reader *reader, const yaml_node_t *value,
                void *target);                                                /* char *, absolute, {state} */
void take_url(struct reader *reader, const yaml_node_t *value, void *target); /* char *, http or https */
void take_any_url(struct reader *reader, const yaml_node_t *value,
                void *target); /* char *, also ws or wss, without a user */
void take_pattern(struct reader *reader, const yaml_node_t *value,
                void *target); /* char *, an ERE with a group (config_pattern.c) */
void take_symbol_pattern(struct reader *reader, const yaml_node_t *value,
                void *target); /* char *, an ERE (config_pattern.c) */
void take_texts(struct reader *reader, const yaml_node_t *value, void *target); /* char **, {state} */
void take_command(struct reader *reader, const yaml_node_t *value,
                void *target); /* char **, [0] is absolute */
void take_environment(
                struct reader *reader, const yaml_node_t *value, void *target); /* char **, NAME=VALUE */
void take_duration(
                struct reader *reader, const yaml_node_t *value, void *target); /* uint64_t, usec; 0 too */
void take_some_time(struct reader *reader, const yaml_node_t *value, void *target); /* the same, over 0 */
void take_period(struct reader *reader, const yaml_node_t *value, void *target); /* the same, 10ms to 1h */
void take_bool(struct reader *reader, const yaml_node_t *value, void *target);
void take_unsigned(struct reader *reader, const yaml_node_t *value, void *target); /* unsigned */
void take_count(struct reader *reader, const yaml_node_t *value, void *target);    /* unsigned, at least 1 */
void take_size(struct reader *reader, const yaml_node_t *value, void *target);     /* uint64_t, bytes */

/* A text as long as a field of a message of the prober may be. */
void take_short_text(struct reader *reader, const yaml_node_t *value, void *target); /* char * */

/* The address in TEXT. False: it is none, and the mistake is noted. */
bool read_address(struct reader *reader, const yaml_node_t *item, const char *text,
                struct address *ret_address);

/* Adds it to a list in which each may stand once; a second one is a mistake. */
void push_address(struct reader *reader, const yaml_node_t *item, const struct address *address,
                struct address **list, size_t *n);

/* Calls TAKE for each item of a list, with its text ({state} replaced). */
void take_each(struct reader *reader, const yaml_node_t *value,
                void (*take)(struct reader *reader, const yaml_node_t *item, const char *text, void *target),
                void *target);

/* A duration up to a year: anything longer would overflow where deadlines are added up. False: a mistake. */
bool read_duration(struct reader *reader, const yaml_node_t *node, const char *text, uint64_t *ret_usec);
