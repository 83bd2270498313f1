#include "config_values.h"

#include "prober_protocol.h"
#include <ctype.h>

#define DURATION_MAX (UINT64_C(365) * 24 * 3600 * USEC_PER_SEC)
#define PATH_LENGTH_MAX 1000 /* HOME= and a NUL still fit where the node's environment is put together */

static void put_text(struct reader *reader, char **field, const char *text);
static void push_text(struct reader *reader, const yaml_node_t *item, const char *text, void *target);
static bool read_unsigned(struct reader *reader, const yaml_node_t *value, unsigned *ret_number);
static bool fits(struct reader *reader, const yaml_node_t *node, const char *text, size_t size);

void take_text(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text && !*text)
                reader_wrong(reader, value, "this must not be empty; leave the key out instead");
        else if (text)
                put_text(reader, target, text);
}

void take_short_text(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text && fits(reader, value, text, PROBER_PATTERN_MAX))
                take_text(reader, value, target);
}

void take_path(struct reader *reader, const yaml_node_t *value, void *target) {
        _cleanup_free_ char *text = reader_text(reader, value);
        if (!text || !fits(reader, value, text, PATH_LENGTH_MAX))
                return;
        for (const char *c = text; *c; c++)
                if (iscntrl((unsigned char)*c)) {
                        reader_wrong(reader, value, "a path cannot have control characters in it");
                        return;
                }
        if (*text != '/')
                reader_wrong(reader, value, "\"%.100s\" must be an absolute path, one that begins with /",
                                text);
        else
                put_text(reader, target, text);
}

static bool is_websocket(const char *url) {
        return strncmp(url, "ws:", 3) == 0 || strncmp(url, "wss:", 4) == 0;
}

void take_any_url(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        struct address address;
        if (!text || !is_websocket(text)) {
                if (text)
                        take_url(reader, value, target);
                return;
        }
        if (!fits(reader, value, text, PROBER_URL_MAX))
                return;
        if (address_from_url(text, &address) < 0)
                reader_wrong(reader, value,
                                "\"%.100s\" must have an IP address or localhost, as in "
                                "ws://127.0.0.1:8546/; "
                                "nothing here asks a name server",
                                text);
        else if (memchr(text, '@', strcspn(text, "?#")))
                reader_wrong(reader, value, "\"%.100s\" names a user, which ws:// and wss:// cannot do here",
                                text);
        else
                put_text(reader, target, text);
}

void take_url(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        struct address address;
        if (!text || !fits(reader, value, text, PROBER_URL_MAX))
                return;
        if (address_from_url(text, &address) < 0 || is_websocket(text))
                reader_wrong(reader, value,
                                "\"%.100s\" must be http:// or https:// with an IP address or localhost, as "
                                "in "
                                "http://127.0.0.1:8545/; nothing here asks a name server",
                                text);
        else
                put_text(reader, target, text);
}

void take_texts(struct reader *reader, const yaml_node_t *value, void *target) {
        take_each(reader, value, push_text, target);
}

void take_command(struct reader *reader, const yaml_node_t *value, void *target) {
        _cleanup_strv_ char **command = NULL;
        size_t n_before = reader->mistakes.n;
        take_texts(reader, value, &command);
        if (reader->mistakes.n > n_before || reader->failed)
                return;
        /* A bare name is looked up in the standard folders; anything between would depend on where interrex was started. */
        if (!command || !*command[0] || (*command[0] != '/' && strchr(command[0], '/')))
                reader_wrong(reader, value,
                                "a command is a list that begins with a name or an absolute path, as in "
                                "[\"/usr/bin/true\"]; a name is looked for in /usr/local/sbin, "
                                "/usr/local/bin, /usr/sbin, "
                                "/usr/bin, /sbin and /bin");
        else
                *(char ***)target = TAKE_POINTER(command);
}

void take_environment(struct reader *reader, const yaml_node_t *value, void *target) {
        if (!reader_is_mapping(reader, value))
                return;
        const char *outer_key = reader->key;
        for (const yaml_node_pair_t *pair = value->data.mapping.pairs.start;
                        pair < value->data.mapping.pairs.top; pair++) {
                const yaml_node_t *key_node = yaml_document_get_node(reader->document, pair->key);
                reader->key = outer_key;
                const char *key = reader_scalar(reader, key_node);
                _cleanup_free_ char *text =
                                reader_text(reader, yaml_document_get_node(reader->document, pair->value));
                _cleanup_free_ char *whole = NULL;
                if (!key || !text || reader_is_repeated(reader, value, pair))
                        continue;
                if (!*key || strchr(key, '='))
                        reader_wrong(reader, key_node, "\"%.60s\" cannot be a variable's name", key);
                else if (asprintf(&whole, "%s=%s", key, text) < 0) {
                        whole = NULL;
                        reader->failed = true;
                } else
                        push_text(reader, key_node, whole, target);
        }
        reader->key = outer_key;
}

void take_duration(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text)
                (void)read_duration(reader, value, text, target);
}

void take_some_time(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        uint64_t usec;
        if (!text || !read_duration(reader, value, text, &usec))
                return;
        if (usec == 0)
                reader_wrong(reader, value, "this must be longer than 0, or it would always be over");
        else
                *(uint64_t *)target = usec;
}

void take_period(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        uint64_t usec;
        if (!text || !read_duration(reader, value, text, &usec))
                return;
        if (usec < 10 * USEC_PER_MSEC || usec > 3600 * USEC_PER_SEC)
                reader_wrong(reader, value, "\"%.40s\" must be from 10ms to 1h", text);
        else
                *(uint64_t *)target = usec;
}

void take_bool(struct reader *reader, const yaml_node_t *value, void *target) {
        static const char *const names[] = {"false", "true"};
        int choice = reader_choice(reader, value, names, ELEMENTS(names));
        if (choice >= 0)
                *(bool *)target = choice == 1;
}

void take_unsigned(struct reader *reader, const yaml_node_t *value, void *target) {
        (void)read_unsigned(reader, value, target);
}

void take_count(struct reader *reader, const yaml_node_t *value, void *target) {
        unsigned number;
        if (!read_unsigned(reader, value, &number))
                return;
        if (number == 0)
                reader_wrong(reader, value, "this must be at least 1");
        else
                *(unsigned *)target = number;
}

void take_size(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct {
                const char *suffix;
                unsigned shift;
        } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
        const char *text = reader_scalar(reader, value);
        char digits[21] = "";
        uint64_t number = 0;
        size_t n = text ? strspn(text, "0123456789") : 0;
        if (!text)
                return;
        if (n < sizeof(digits))
                memcpy(digits, text, n);
        for (size_t i = 0; parse_u64(digits, &number) >= 0 && i < ELEMENTS(units); i++)
                if (strcmp(text + n, units[i].suffix) == 0 && number <= UINT64_MAX >> units[i].shift) {
                        *(uint64_t *)target = number << units[i].shift;
                        return;
                }
        reader_wrong(reader, value, "\"%.40s\" is not a size; write it like 512MiB or 2GiB", text);
}

bool read_address(struct reader *reader, const yaml_node_t *item, const char *text,
                struct address *ret_address) {
        const char *why = "";
        if (address_parse(text, ret_address, &why) >= 0)
                return true;
        reader_wrong(reader, item, "\"%.100s\": %s", text, why);
        return false;
}

void push_address(struct reader *reader, const yaml_node_t *item, const struct address *address,
                struct address **list, size_t *n) {
        if (address_stands_in(*list, *n, address)) {
                reader_wrong(reader, item, "\"%.100s\" stands here twice; keep one", address->text);
                return;
        }
        struct address *grown = reallocarray(*list, *n + 1, sizeof(*grown));
        if (!grown) {
                reader->failed = true;
                return;
        }
        grown[(*n)++] = *address;
        *list = grown;
}

void take_each(struct reader *reader, const yaml_node_t *value,
                void (*take)(struct reader *reader, const yaml_node_t *item, const char *text, void *target),
                void *target) {
        if (!reader_is_list(reader, value))
                return;
        for (const yaml_node_item_t *item = value->data.sequence.items.start;
                        item < value->data.sequence.items.top; item++) {
                const yaml_node_t *node = yaml_document_get_node(reader->document, *item);
                _cleanup_free_ char *text = reader_text(reader, node);
                if (text)
                        take(reader, node, text, target);
        }
}

bool read_duration(struct reader *reader, const yaml_node_t *node, const char *text, uint64_t *ret_usec) {
        uint64_t usec = 0;
        int r = parse_duration(text, &usec);
        if (r == -EINVAL)
                reader_wrong(reader, node, "\"%.40s\" is not a duration; write it like 500ms, 20s, 5m or 1h",
                                text);
        else if (r < 0 || usec > DURATION_MAX)
                reader_wrong(reader, node, "\"%.40s\" is longer than a year (8760h)", text);
        else {
                *ret_usec = usec;
                return true;
        }
        return false;
}

static void put_text(struct reader *reader, char **field, const char *text) {
        char *copy = reader_copy(reader, text);
        if (!copy)
                return;
        free(*field);
        *field = copy;
}

static void push_text(struct reader *reader, const yaml_node_t *item, const char *text, void *target) {
        (void)item;
        if (strv_push(target, text) < 0)
                reader->failed = true;
}

static bool read_unsigned(struct reader *reader, const yaml_node_t *value, unsigned *ret_number) {
        const char *text = reader_scalar(reader, value);
        uint64_t number;
        if (!text)
                return false;
        if (parse_u64(text, &number) < 0 || number > UINT32_MAX) {
                reader_wrong(reader, value, "\"%.40s\" is not a number from 0 to %u", text, UINT32_MAX);
                return false;
        }
        *ret_number = (unsigned)number;
        return true;
}

static bool fits(struct reader *reader, const yaml_node_t *node, const char *text, size_t size) {
        if (strlen(text) < size)
                return true;
        reader_wrong(reader, node, "this is longer than %zu characters", size - 1);
        return false;
}
