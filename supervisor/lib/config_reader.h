/* Walking a YAML document and collecting every mistake with its line, instead of stopping at the first. */
#pragma once

#include "config.h"
#include <yaml.h>

#define CONFIG_BYTES_MAX ((size_t)1024 * 1024)

struct reader {
        yaml_document_t *document;
        struct config_mistakes mistakes;
        const char *state_directory; /* for {state}; NULL: none */
        const char *section, *key;   /* whose value is being read, for messages; NULL: the document itself */
        unsigned line;               /* of that key */
        size_t copied;               /* bytes taken over; aliases can make them many times the file's */
        bool failed;                 /* out of memory */
};

/* Loads TEXT into *ret_document (yaml_document_delete). -EINVAL: what is wrong was added to the mistakes;
 * -ENOMEM. Refused is also what costs far more to read than to write: deep nesting, a multitude of anchors.
 */
int reader_load(struct reader *reader, const char *text, size_t length, yaml_document_t *ret_document);

void reader_mistake(struct reader *reader, unsigned line, const char *format, ...) _printf_(3, 4);

/* The same at a node's line, with the key that is being read named first. */
void reader_wrong(struct reader *reader, const yaml_node_t *node, const char *format, ...) _printf_(3, 4);
unsigned reader_line(const yaml_node_t *node);

/* One key of a section and what takes its value. */
struct reader_key {
        const char *name;
        void (*take)(struct reader *reader, const yaml_node_t *value, void *target);
        size_t offset; /* of the field in the section's structure */
};

/* Reads a mapping; unknown and repeated keys are mistakes. SECTION is its name, "" for the whole file. */
void reader_section(struct reader *reader, const yaml_node_t *node, const char *section,
                const struct reader_key *keys, size_t n_keys, void *target);

/* Is it a mapping, is it a list, of a length that anybody would write? If not, a mistake. */
bool reader_is_mapping(struct reader *reader, const yaml_node_t *node);
bool reader_is_list(struct reader *reader, const yaml_node_t *node);

/* Does the key of PAIR stand in MAPPING before? Then it is a mistake. */
bool reader_is_repeated(struct reader *reader, const yaml_node_t *mapping, const yaml_node_pair_t *pair);

/* The value of a key of a mapping, or NULL; the line of that key, or of the mapping. */
const yaml_node_t *reader_find(struct reader *reader, const yaml_node_t *mapping, const char *key);
unsigned reader_find_line(struct reader *reader, const yaml_node_t *mapping, const char *key);

/* The text of a scalar; NULL and a mistake if it is none. Owned by the document. */
const char *reader_scalar(struct reader *reader, const yaml_node_t *node);

/* A copy of TEXT; NULL if the file asks for too much (a mistake) or memory is out (reader->failed). */
char *reader_copy(struct reader *reader, const char *text);

/* A copy of a scalar's text with {state} replaced, for the caller to free; NULL as above. */
char *reader_text(struct reader *reader, const yaml_node_t *node);

/* An index into NAMES (NULL entries cannot be chosen), or -1 and a mistake that lists them. */
int reader_choice(struct reader *reader, const yaml_node_t *node, const char *const *names, size_t n_names);

/* A reader_key.take for an enumeration whose names stand in its order. */
#define TAKE_CHOICE(function, type, ...)                                                      \
        static void function(struct reader *reader, const yaml_node_t *value, void *target) { \
                static const char *const names[] = {__VA_ARGS__};                             \
                int choice = reader_choice(reader, value, names, ELEMENTS(names));            \
                if (choice >= 0)                                                              \
                        *(type *)target = (type)choice;                                       \
        }
