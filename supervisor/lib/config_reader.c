#include "config_reader.h"

#include "nearness.h"
#include <ctype.h>
#include <stdarg.h>

#define MISTAKES_MAX 1000
#define ENTRIES_MAX 1024 /* of one list or mapping */
#define KEYS_TEXT_MAX 512

static void add_mistake(struct reader *reader, unsigned line, char *text);
static void make_printable(char *text);
static const struct reader_key *find_key(const struct reader_key *keys, size_t n_keys, const char *name);
static void unknown_key(struct reader *reader, const yaml_node_t *node, const char *key, const char *section,
                const struct reader_key *keys, size_t n_keys);
static const char *text_of(const yaml_node_t *node);
static const yaml_node_pair_t *find_pair(struct reader *reader, const yaml_node_t *mapping, const char *key);

void reader_mistake(struct reader *reader, unsigned line, const char *format, ...) {
        char *text = NULL;
        va_list arguments;
        va_start(arguments, format);
        int n = vasprintf(&text, format, arguments);
        va_end(arguments);
        add_mistake(reader, line, n < 0 ? NULL : text);
}

void reader_wrong(struct reader *reader, const yaml_node_t *node, const char *format, ...) {
        _cleanup_free_ char *what = NULL;
        va_list arguments;
        va_start(arguments, format);
        int n = vasprintf(&what, format, arguments);
        va_end(arguments);
        const char *section = reader->section ? reader->section : "";
        if (n < 0) {
                what = NULL;
                reader->failed = true;
        } else if (reader->key)
                reader_mistake(reader, reader_line(node), "%s%s%s: %s", section, *section ? "." : "",
                                reader->key, what);
        else
                reader_mistake(reader, reader_line(node), "%s", what);
}

unsigned reader_line(const yaml_node_t *node) {
        return (unsigned)node->start_mark.line + 1;
}

void reader_section(struct reader *reader, const yaml_node_t *node, const char *section,
                const struct reader_key *keys, size_t n_keys, void *target) {
        const char *outer_section = reader->section, *outer_key = reader->key;
        unsigned outer_line = reader->line;
        if (!reader_is_mapping(reader, node))
                return;
        reader->section = section;
        for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
                        pair < node->data.mapping.pairs.top; pair++) {
                const yaml_node_t *key_node = yaml_document_get_node(reader->document, pair->key);
                reader->key = NULL;
                const char *key = reader_scalar(reader, key_node);
                if (!key)
                        continue;
                const struct reader_key *known = find_key(keys, n_keys, key);
                if (!known)
                        unknown_key(reader, key_node, key, section, keys, n_keys);
                else if (!reader_is_repeated(reader, node, pair)) {
                        reader->key = known->name;
                        reader->line = reader_line(key_node);
                        known->take(reader, yaml_document_get_node(reader->document, pair->value),
                                        (char *)target + known->offset);
                }
        }
        reader->section = outer_section;
        reader->key = outer_key;
        reader->line = outer_line;
}

bool reader_is_mapping(struct reader *reader, const yaml_node_t *node) {
        if (node->type != YAML_MAPPING_NODE)
                reader_wrong(reader, node, "this must be keys with values, as in {key: value}");
        else if (node->data.mapping.pairs.top - node->data.mapping.pairs.start > ENTRIES_MAX)
                reader_wrong(reader, node, "this has more than %d entries; is it the right file?",
                                ENTRIES_MAX);
        else
                return true;
        return false;
}

bool reader_is_list(struct reader *reader, const yaml_node_t *node) {
        if (node->type != YAML_SEQUENCE_NODE)
                reader_wrong(reader, node, "this must be a list, as in [\"one\", \"two\"]");
        else if (node->data.sequence.items.top - node->data.sequence.items.start > ENTRIES_MAX)
                reader_wrong(reader, node, "this has more than %d items; is it the right file?",
                                ENTRIES_MAX);
        else
                return true;
        return false;
}

bool reader_is_repeated(struct reader *reader, const yaml_node_t *mapping, const yaml_node_pair_t *pair) {
        const yaml_node_t *node = yaml_document_get_node(reader->document, pair->key);
        const char *key = text_of(node);
        const yaml_node_pair_t *first = key ? find_pair(reader, mapping, key) : pair;
        if (first == pair)
                return false;
        reader->key = NULL;
        reader_wrong(reader, node, "\"%.60s\" stands here twice, first in line %u; keep one", key,
                        reader_line(yaml_document_get_node(reader->document, first->key)));
        return true;
}

const yaml_node_t *reader_find(struct reader *reader, const yaml_node_t *mapping, const char *key) {
        const yaml_node_pair_t *pair = find_pair(reader, mapping, key);
        return pair ? yaml_document_get_node(reader->document, pair->value) : NULL;
}

unsigned reader_find_line(struct reader *reader, const yaml_node_t *mapping, const char *key) {
        const yaml_node_pair_t *pair = find_pair(reader, mapping, key);
        return reader_line(pair ? yaml_document_get_node(reader->document, pair->key) : mapping);
}

const char *reader_scalar(struct reader *reader, const yaml_node_t *node) {
        const char *text = text_of(node);
        if (!text)
                reader_wrong(reader, node, "a single value is needed here, not a list or a mapping");
        /* What stands behind a NUL would be hidden from every check. */
        else if (strlen(text) != node->data.scalar.length)
                reader_wrong(reader, node, "a value cannot have a NUL character in it");
        else
                return text;
        return NULL;
}

char *reader_copy(struct reader *reader, const char *text) {
        size_t size = strlen(text) + 1;
        bool had_enough = reader->copied > CONFIG_BYTES_MAX;
        if (__builtin_add_overflow(reader->copied, size, &reader->copied))
                reader->copied = SIZE_MAX;
        if (reader->copied > CONFIG_BYTES_MAX) {
                if (!had_enough)
                        reader_mistake(reader, reader->line,
                                        "aliases and {state} make the values up to here larger than 1 MiB; "
                                        "shorten them");
                return NULL;
        }
        char *copy = strdup(text);
        reader->failed = reader->failed || !copy;
        return copy;
}

char *reader_text(struct reader *reader, const yaml_node_t *node) {
        static const char marker[] = "{state}";
        const char *text = reader_scalar(reader, node), *state = reader->state_directory;
        if (!text)
                return NULL;
        if (strstr(text, marker) && !state) {
                reader_wrong(reader, node, "{state} stands for state.directory, which is not set");
                return NULL;
        }
        size_t n = 0, length = strlen(text);
        for (const char *hit = text; (hit = strstr(hit, marker)); hit += strlen(marker))
                n++;
        /* Counted before it is made: a short value can ask for a very long one. */
        size_t grown = n * (state ? strlen(state) : 0) + length;
        if (grown > CONFIG_BYTES_MAX) {
                reader_wrong(reader, node, "{state} makes this larger than 1 MiB");
                return NULL;
        }
        _cleanup_free_ char *whole = malloc(grown + 1);
        if (!whole) {
                reader->failed = true;
                return NULL;
        }
        char *end = whole;
        for (const char *hit; (hit = strstr(text, marker)); text = hit + strlen(marker)) {
                INVARIANT(state);
                end = mempcpy(end, text, (size_t)(hit - text));
                end = stpcpy(end, state);
        }
        (void)stpcpy(end, text);
        return reader_copy(reader, whole);
}

int reader_choice(struct reader *reader, const yaml_node_t *node, const char *const *names, size_t n_names) {
        char list[300] = "";
        const char *text = reader_scalar(reader, node);
        for (size_t i = 0; text && i < n_names; i++)
                if (names[i] && strcmp(names[i], text) == 0)
                        return (int)i;
        for (size_t i = 0; i < n_names; i++) {
                size_t used = strlen(list);
                if (names[i])
                        (void)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", names[i]);
        }
        if (text)
                reader_wrong(reader, node, "\"%.60s\" is none of: %s", text, list);
        return -1;
}

/* Takes over TEXT; NULL: memory is out. */
static void add_mistake(struct reader *reader, unsigned line, char *text) {
        size_t n = reader->mistakes.n;
        _cleanup_free_ char *owned = text;
        if (n > MISTAKES_MAX)
                return;
        if (owned && n == MISTAKES_MAX) {
                free(owned);
                owned = strdup("there are more mistakes than these; mend them first");
        }
        struct config_mistake *grown =
                        owned ? reallocarray(reader->mistakes.items, n + 1, sizeof(*grown)) : NULL;
        if (!grown) {
                reader->failed = true;
                return;
        }
        make_printable(owned);
        grown[n] = (struct config_mistake){.line = line, .text = TAKE_POINTER(owned)};
        reader->mistakes.items = grown;
        reader->mistakes.n++;
}

/* Part of it may be quoted from the file and goes to a terminal, which would obey control characters, C1
 * ones in their UTF-8 form included. */
static void make_printable(char *text) {
        for (unsigned char *c = (unsigned char *)text; *c; c++)
                if (iscntrl(*c))
                        *c = '?';
                else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
                        c[0] = c[1] = '?';
}

static const struct reader_key *find_key(const struct reader_key *keys, size_t n_keys, const char *name) {
        for (size_t i = 0; i < n_keys; i++)
                if (strcmp(keys[i].name, name) == 0)
                        return &keys[i];
        return NULL;
}

/* Where none was nearly meant, all that there are. */
static void list_keys(const struct reader_key *keys, size_t n_keys, char *list, size_t size) {
        size_t used = 0;
        for (size_t i = 0; i < n_keys && used < size; i++)
                used += (size_t)snprintf(list + used, size - used, "%s%s", i ? ", " : "", keys[i].name);
}

static void unknown_key(struct reader *reader, const yaml_node_t *node, const char *key, const char *section,
                const struct reader_key *keys, size_t n_keys) {
        const char *dot = *section ? "." : "", *best = NULL;
        char list[KEYS_TEXT_MAX] = "";
        for (size_t i = 0; i < n_keys; i++)
                if (nearness(key, keys[i].name) < (best ? nearness(key, best) : NEARNESS_FAR))
                        best = keys[i].name;
        if (best) {
                reader_mistake(reader, reader_line(node),
                                "unknown key \"%s%s%.60s\"; did you mean \"%s%s%s\"?", section, dot, key,
                                section, dot, best);
                return;
        }
        list_keys(keys, n_keys, list, sizeof(list));
        reader_mistake(reader, reader_line(node), "unknown key \"%s%s%.60s\"; there are %s%s%s", section,
                        dot, key, list, *section ? " in " : "", section);
}

static const char *text_of(const yaml_node_t *node) {
        return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static const yaml_node_pair_t *find_pair(
                struct reader *reader, const yaml_node_t *mapping, const char *key) {
        if (!mapping || mapping->type != YAML_MAPPING_NODE)
                return NULL;
        for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
                        pair < mapping->data.mapping.pairs.top; pair++) {
                const char *text = text_of(yaml_document_get_node(reader->document, pair->key));
                if (text && strcmp(text, key) == 0)
                        return pair;
        }
        return NULL;
}
