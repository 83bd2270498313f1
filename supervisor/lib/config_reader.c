#include "config_reader.h"

#include <regex.h>
#include <stdarg.h>

void reader_mistake(struct reader *reader, unsigned line, const char *format, ...) {
        struct config_mistake mistake = {.line = line};
        va_list arguments;
        va_start(arguments, format);
        int n = vasprintf(&mistake.text, format, arguments);
        va_end(arguments);
        struct config_mistake *grown =
                        n < 0 ? NULL : reallocarray(reader->mistakes.items, reader->mistakes.n + 1, sizeof(*grown));
        if (!grown) {
                reader->failed = true;
                if (n >= 0)
                        free(mistake.text);
                return;
        }
        grown[reader->mistakes.n++] = mistake;
        reader->mistakes.items = grown;
}

unsigned reader_line(const yaml_node_t *node) {
        return (unsigned) node->start_mark.line + 1;
}

static const char *text_of(const yaml_node_t *node) {
        return node && node->type == YAML_SCALAR_NODE ? (const char *) node->data.scalar.value : NULL;
}

const char *reader_scalar(struct reader *reader, const yaml_node_t *node, const char *what) {
        const char *text = text_of(node);
        /* A NUL inside would hide the rest of the value from every check. */
        if (text && strlen(text) == node->data.scalar.length)
                return text;
        reader_mistake(reader, reader_line(node), "%s must be a single value", what);
        return NULL;
}

static unsigned distance(const char *a, const char *b) {
        unsigned row[64];
        size_t n = strlen(b);
        if (n >= ELEMENTS(row))
                return UINT32_MAX;
        for (unsigned j = 0; j <= n; j++)
                row[j] = j;
        for (unsigned i = 1; a[i - 1]; i++) {
                unsigned diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        unsigned above = row[j], cost = diagonal + (a[i - 1] != b[j - 1]);
                        diagonal = above;
                        row[j] = cost < above + 1 ? cost : above + 1;
                        if (row[j - 1] + 1 < row[j])
                                row[j] = row[j - 1] + 1;
                }
        }
        return row[n];
}

static void unknown_key(struct reader *reader, const yaml_node_t *node, const char *key, const char *section,
                const struct reader_key *keys, size_t n_keys) {
        size_t best = 0;
        for (size_t i = 1; i < n_keys; i++)
                if (distance(key, keys[i].name) < distance(key, keys[best].name))
                        best = i;
        reader_mistake(reader, reader_line(node), "unknown key \"%.60s\" in %s; did you mean \"%s\"?", key, section, keys[best].name);
}

static const struct reader_key *find_key(const struct reader_key *keys, size_t n_keys, const char *name) {
        for (size_t i = 0; i < n_keys; i++)
                if (strcmp(keys[i].name, name) == 0)
                        return &keys[i];
        return NULL;
}

static bool is_repeated(struct reader *reader, const yaml_node_t *mapping, const yaml_node_pair_t *pair, const char *key) {
        for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
                const char *text = text_of(yaml_document_get_node(reader->document, other->key));
                if (text && strcmp(text, key) == 0)
                        return true;
        }
        return false;
}

void reader_section(struct reader *reader, const yaml_node_t *node, const char *section, const struct reader_key *keys, size_t n_keys, void *target) {
        if (node->type != YAML_MAPPING_NODE) {
                reader_mistake(reader, reader_line(node), "%s must be a mapping of keys and values", section);
                return;
        }
        for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
                const yaml_node_t *key_node = yaml_document_get_node(reader->document, pair->key);
                const yaml_node_t *value = yaml_document_get_node(reader->document, pair->value);
                const char *key = reader_scalar(reader, key_node, "a key");
                if (!key)
                        continue;
                const struct reader_key *known = find_key(keys, n_keys, key);
                if (!known)
                        unknown_key(reader, key_node, key, section, keys, n_keys);
                else if (is_repeated(reader, node, pair, key))
                        reader_mistake(reader, reader_line(key_node), "\"%s\" stands twice in %s; keep one", key, section);
                else
                        known->take(reader, value, (char *) target + known->offset);
        }
}

const yaml_node_t *reader_find(struct reader *reader, const yaml_node_t *mapping, const char *key) {
        if (!mapping || mapping->type != YAML_MAPPING_NODE)
                return NULL;
        for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
                const char *text = text_of(yaml_document_get_node(reader->document, pair->key));
                if (text && strcmp(text, key) == 0)
                        return yaml_document_get_node(reader->document, pair->value);
        }
        return NULL;
}

int reader_choice(struct reader *reader, const yaml_node_t *node, const char *const *names, size_t n_names) {
        char list[300] = "";
        const char *text = reader_scalar(reader, node, "this");
        for (size_t i = 0; text && i < n_names; i++)
                if (names[i] && strcmp(names[i], text) == 0)
                        return (int) i;
        for (size_t i = 0; i < n_names; i++) {
                size_t used = strlen(list);
                if (names[i])
                        (void) snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", names[i]);
        }
        if (text)
                reader_mistake(reader, reader_line(node), "\"%.60s\" is none of: %s", text, list);
        return -1;
}

static char *replace_state(struct reader *reader, const yaml_node_t *node, const char *text) {
        static const char marker[] = "{state}";
        char *result = NULL;
        size_t size = 0;
        if (strstr(text, marker) && !reader->state_directory) {
                reader_mistake(reader, reader_line(node), "{state} stands for state.directory, which is not set");
                return NULL;
        }
        FILE *out = open_memstream(&result, &size);
        if (!out)
                return NULL;
        for (const char *hit; (hit = strstr(text, marker)); text = hit + strlen(marker)) {
                (void) fwrite(text, 1, (size_t) (hit - text), out);
                (void) fputs(reader->state_directory, out);
        }
        (void) fputs(text, out);
        if (fclose(out) != 0)
                reader->failed = true;
        return result;
}

static void put_text(struct reader *reader, char **field, char *text) {
        if (!text)
                return;
        free(*field);
        *field = text;
        (void) reader;
}

void take_text(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        if (text && !*text)
                reader_mistake(reader, reader_line(value), "this must not be empty");
        else if (text)
                put_text(reader, target, strdup(text));
}

void take_path(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        if (text)
                put_text(reader, target, replace_state(reader, value, text));
}

void take_texts(struct reader *reader, const yaml_node_t *value, void *target) {
        if (value->type != YAML_SEQUENCE_NODE) {
                reader_mistake(reader, reader_line(value), "this must be a list, as in [\"one\", \"two\"]");
                return;
        }
        for (const yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
                const yaml_node_t *node = yaml_document_get_node(reader->document, *item);
                const char *text = reader_scalar(reader, node, "a list's item");
                _cleanup_free_ char *replaced = text ? replace_state(reader, node, text) : NULL;
                if (replaced && strv_push(target, replaced) < 0)
                        reader->failed = true;
        }
}

void take_environment(struct reader *reader, const yaml_node_t *value, void *target) {
        if (value->type != YAML_MAPPING_NODE) {
                reader_mistake(reader, reader_line(value), "env must be a mapping, as in {RUST_LOG: info}");
                return;
        }
        for (const yaml_node_pair_t *pair = value->data.mapping.pairs.start; pair < value->data.mapping.pairs.top; pair++) {
                const yaml_node_t *key_node = yaml_document_get_node(reader->document, pair->key);
                const yaml_node_t *value_node = yaml_document_get_node(reader->document, pair->value);
                const char *key = reader_scalar(reader, key_node, "a variable's name"), *text = reader_scalar(reader, value_node, "a variable's value");
                _cleanup_free_ char *replaced = key && text ? replace_state(reader, value_node, text) : NULL;
                _cleanup_free_ char *whole = NULL;
                if (!replaced)
                        continue;
                if (!*key || strchr(key, '='))
                        reader_mistake(reader, reader_line(key_node), "\"%.60s\" cannot be a variable's name", key);
                else if (asprintf(&whole, "%s=%s", key, replaced) < 0 || strv_push(target, whole) < 0)
                        reader->failed = true;
        }
}

void take_duration(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        if (text && parse_duration(text, target) < 0)
                reader_mistake(reader, reader_line(value), "\"%.40s\" is not a duration; write it like 500ms, 20s, 5m or 1h", text);
}

void take_bool(struct reader *reader, const yaml_node_t *value, void *target) {
        static const char *const names[] = {"false", "true"};
        int choice = reader_choice(reader, value, names, ELEMENTS(names));
        if (choice >= 0)
                *(bool *) target = choice == 1;
}

void take_unsigned(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        uint64_t number;
        if (!text)
                return;
        if (parse_u64(text, &number) < 0 || number > UINT32_MAX)
                reader_mistake(reader, reader_line(value), "\"%.40s\" is not a number from 0 to %u", text, UINT32_MAX);
        else
                *(unsigned *) target = (unsigned) number;
}

void take_size(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct {
                const char *suffix;
                unsigned shift;
        } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
        const char *text = reader_scalar(reader, value, "this");
        char digits[21] = "";
        uint64_t number = 0;
        size_t n = text ? strspn(text, "0123456789") : 0;
        if (!text)
                return;
        if (n > 0 && n < sizeof(digits))
                memcpy(digits, text, n);
        for (size_t i = 0; parse_u64(digits, &number) >= 0 && i < ELEMENTS(units); i++)
                if (strcmp(text + n, units[i].suffix) == 0 && number <= UINT64_MAX >> units[i].shift) {
                        *(uint64_t *) target = number << units[i].shift;
                        return;
                }
        reader_mistake(reader, reader_line(value), "\"%.40s\" is not a size; write it like 512MiB or 2GiB", text);
}

void take_pattern(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        regex_t compiled;
        char why[120];
        if (!text)
                return;
        int r = regcomp(&compiled, text, REG_EXTENDED);
        if (r != 0) {
                (void) regerror(r, &compiled, why, sizeof(why));
                reader_mistake(reader, reader_line(value), "not a POSIX extended regular expression: %s", why);
                return;
        }
        if (compiled.re_nsub < 1)
                reader_mistake(reader, reader_line(value), "the pattern needs a group around the number, as in 'height=([0-9]+)'");
        regfree(&compiled);
        put_text(reader, target, strdup(text));
}

void take_url(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        struct address address;
        if (text && address_from_url(text, &address) < 0)
                reader_mistake(reader, reader_line(value), "\"%.100s\" must be http:// or https:// with an IP address or localhost: nothing here asks a name server", text);
        else if (text)
                put_text(reader, target, strdup(text));
}
