/* Walking a YAML document and collecting every mistake with its line, instead of stopping at the first. */
#pragma once

#include "config.h"
#include <yaml.h>

struct reader {
        yaml_document_t *document;
        struct config_mistakes mistakes;
        const char *state_directory; /* for {state}; NULL: none */
        bool failed;                 /* out of memory */
};

void reader_mistake(struct reader *reader, unsigned line, const char *format, ...) _printf_(3, 4);
unsigned reader_line(const yaml_node_t *node);

/* One key of a section and what takes its value. */
struct reader_key {
        const char *name;
        void (*take)(struct reader *reader, const yaml_node_t *value, void *target);
        size_t offset; /* of the field in the section's structure */
};

/* Reads a mapping; unknown and repeated keys are mistakes. */
void reader_section(struct reader *reader, const yaml_node_t *node, const char *section, const struct reader_key *keys, size_t n_keys, void *target);

/* The value of a key of a mapping, or NULL. */
const yaml_node_t *reader_find(struct reader *reader, const yaml_node_t *mapping, const char *key);

/* The text of a scalar; NULL and a mistake if it is none. */
const char *reader_scalar(struct reader *reader, const yaml_node_t *node, const char *what);

/* An index into NAMES, or -1 and a mistake that lists them. */
int reader_choice(struct reader *reader, const yaml_node_t *node, const char *const *names, size_t n_names);

/* For reader_key.take. */
void take_text(struct reader *reader, const yaml_node_t *value, void *target);      /* char * */
void take_path(struct reader *reader, const yaml_node_t *value, void *target);      /* char *, {state} replaced */
void take_texts(struct reader *reader, const yaml_node_t *value, void *target);     /* char **, {state} replaced */
void take_environment(struct reader *reader, const yaml_node_t *value, void *target); /* char **, NAME=VALUE */
void take_duration(struct reader *reader, const yaml_node_t *value, void *target);  /* uint64_t, usec */
void take_bool(struct reader *reader, const yaml_node_t *value, void *target);
void take_unsigned(struct reader *reader, const yaml_node_t *value, void *target);
void take_size(struct reader *reader, const yaml_node_t *value, void *target);      /* uint64_t, bytes */
void take_pattern(struct reader *reader, const yaml_node_t *value, void *target);   /* char *, an ERE with a group */
void take_url(struct reader *reader, const yaml_node_t *value, void *target);       /* char * */
