#include "schedule_reading.h"

#include "minisign.h"
#include "upgrade_info.h"
#include "version_beacon.h"
#include <stdarg.h>

static const char *const kind_names[READING_KINDS] = {"document", "cosmovisor", "flow"};

/* What the signer binds it to by words in the trusted comment. */
struct binding {
        uint64_t sequence;
        char node[NODE_NAME_MAX];
};

static int check_signature(const struct reading_order *order, const char *document, size_t length,
                const char *signature, struct binding *ret_binding, struct schedule_reading *reading);
static int read_binding(const char *comment, struct binding *binding, struct schedule_reading *reading);
static int apply_binding(const struct reading_order *order, const struct binding *binding, const char *node,
                struct schedule_reading *reading);
static int fail(struct schedule_reading *reading, int error, const char *format, ...) _printf_(3, 4);
static int read_document(const struct reading_order *order, const char *text, size_t length,
                const struct binding *binding, struct schedule_reading *reading);
static int read_cosmovisor(const struct reading_order *order, const char *text, size_t length,
                const struct binding *binding, struct schedule_reading *reading);
static int read_flow(const struct reading_order *order, const char *text, size_t length,
                const struct binding *binding, struct schedule_reading *reading);
static bool is_printable(const char *text, size_t size);

static void begin(struct schedule_reading *reading) {
        memset(reading, 0, sizeof(*reading));
        reading->magic = READING_MAGIC;
        reading->sequence = SCHEDULE_NO_SEQUENCE;
}

void schedule_reading_make(const struct reading_order *order, const char *document, size_t length,
                const char *signature, struct schedule_reading *ret_reading) {
        static int (*const readers[])(const struct reading_order *, const char *, size_t,
                        const struct binding *,
                        struct schedule_reading *) = {read_document, read_cosmovisor, read_flow};
        struct binding binding = {.sequence = SCHEDULE_NO_SEQUENCE};
        begin(ret_reading);
        INVARIANT(order->kind < READING_KINDS);
        int r = check_signature(order, document, length, signature, &binding, ret_reading);
        if (r >= 0)
                r = readers[order->kind](order, document, length, &binding, ret_reading);
        if (r >= 0)
                return;
        /* Nothing of what was refused goes on. */
        memset(ret_reading->rules, 0, sizeof(ret_reading->rules));
        ret_reading->n_rules = 0;
        ret_reading->error = r;
        if (!*ret_reading->text)
                text_copy(ret_reading->text, sizeof(ret_reading->text), strerror(-r));
        text_make_printable(ret_reading->text);
        for (size_t i = 0; i < ret_reading->n_mistakes; i++)
                text_make_printable(ret_reading->mistakes[i].text);
}

void schedule_reading_fail(int error, struct schedule_reading *ret_reading) {
        begin(ret_reading);
        ret_reading->error = error == -EFBIG ? fail(ret_reading, error,
                                                               "it is larger than 1 MiB (a signature: than "
                                                               "4 KiB): is it the right file?")
                                             : fail(ret_reading, error, "it cannot be read: %s",
                                                               strerror(-error));
}

int schedule_reading_check(const struct schedule_reading *reading) {
        if (reading->magic != READING_MAGIC || reading->error > 0 || reading->error < -4095 ||
                        reading->n_rules > BOUNDARIES_MAX || reading->n_mistakes > SCHEDULE_MISTAKES_MAX ||
                        reading->n_mistakes > reading->n_mistakes_in_all ||
                        (reading->sequence != SCHEDULE_NO_SEQUENCE &&
                                        reading->sequence > BOUNDARY_POINT_MAX) ||
                        !is_printable(reading->text, sizeof(reading->text)))
                return -EBADMSG;
        if (reading->error < 0 ? reading->n_rules > 0 || !*reading->text
                               : reading->n_rules == 0 || reading->n_mistakes > 0)
                return -EBADMSG;
        for (size_t i = 0; i < reading->n_mistakes; i++)
                if (!is_printable(reading->mistakes[i].text, sizeof(reading->mistakes[i].text)))
                        return -EBADMSG;
        for (size_t i = 0; i < reading->n_rules; i++) {
                if (boundary_check(&reading->rules[i]) < 0)
                        return -EBADMSG;
                for (size_t j = 0; j < i; j++)
                        if (boundary_is_same_point(&reading->rules[i], &reading->rules[j]))
                                return -EBADMSG;
        }
        return 0;
}

int schedule_reading_load(int fd, size_t max, char **ret_text, size_t *ret_length) {
        _cleanup_free_ char *text = malloc(max + 2);
        size_t length = 0;
        ssize_t n;
        if (!text)
                return -ENOMEM;
        while (length <= max && (n = pread(fd, text + length, max + 1 - length, (off_t)length)) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                length += n > 0 ? (size_t)n : 0;
        }
        if (length > max)
                return -EFBIG;
        text[length] = '\0';
        *ret_text = TAKE_POINTER(text);
        *ret_length = length;
        return 0;
}

const char *reading_kind_name(enum reading_kind kind) {
        INVARIANT(kind < READING_KINDS);
        return kind_names[kind];
}

int reading_kind_find(const char *name) {
        for (int i = 0; i < READING_KINDS; i++)
                if (strcmp(kind_names[i], name) == 0)
                        return i;
        return -EINVAL;
}

static int check_signature(const struct reading_order *order, const char *document, size_t length,
                const char *signature, struct binding *ret_binding, struct schedule_reading *reading) {
        struct minisign_signature parsed;
        if (!order->keys || !*order->keys)
                return 0;
        if (!signature)
                return fail(reading, -ENOKEY,
                                "it is not signed, and trust.keys asks for it: sign it with `minisign -S -m "
                                "FILE` and keep "
                                "FILE.minisig beside it");
        if (minisign_parse(signature, &parsed) < 0)
                return fail(reading, -EBADMSG, "its signature is not one that minisign made");
        int r = minisign_verify(&parsed, order->keys, document, length);
        if (r == -ENOKEY)
                return fail(reading, r, "it was signed by a key that is not among trust.keys");
        if (r < 0)
                return fail(reading, r, "it is not what was signed: get it and its signature again");
        return read_binding(parsed.trusted_comment, ret_binding, reading);
}

/* Only read where the signature over it has been found right. */
static int read_binding(const char *comment, struct binding *binding, struct schedule_reading *reading) {
        char words[MINISIGN_COMMENT_MAX], *rest = words, *word;
        text_copy(words, sizeof(words), comment);
        while ((word = strsep(&rest, " \t"))) {
                if (strncmp(word, "node:", 5) == 0) {
                        if (!node_name_is_valid(word + 5))
                                return fail(reading, -EINVAL,
                                                "the signature's trusted comment names no node: %.100s",
                                                word);
                        text_copy(binding->node, sizeof(binding->node), word + 5);
                } else if (strncmp(word, "sequence:", 9) == 0 &&
                                (parse_u64(word + 9, &binding->sequence) < 0 ||
                                                binding->sequence > BOUNDARY_POINT_MAX))
                        return fail(reading, -EINVAL,
                                        "the signature's trusted comment has no sequence number: %.100s",
                                        word);
        }
        return 0;
}

/* NODE: whom the document itself names. */
static int apply_binding(const struct reading_order *order, const struct binding *binding, const char *node,
                struct schedule_reading *reading) {
        const char *named = *node && strcmp(node, order->node) != 0 ? node : binding->node;
        if (*named && strcmp(named, order->node) != 0)
                return fail(reading, -EINVAL, "it is the schedule of node %s, not of %s", named,
                                order->node);
        if (reading->sequence == SCHEDULE_NO_SEQUENCE)
                reading->sequence = binding->sequence;
        if (binding->sequence != SCHEDULE_NO_SEQUENCE && binding->sequence != reading->sequence)
                return fail(reading, -EINVAL, "it says sequence %lu, and its signature is for sequence %lu",
                                reading->sequence, binding->sequence);
        if (order->needs_sequence && reading->sequence == SCHEDULE_NO_SEQUENCE)
                return fail(reading, -EINVAL,
                                "it has no sequence number, so that an old edition could be passed off as a "
                                "new one: add a line "
                                "\"sequence 1\", and a higher number with each edition");
        return 0;
}

static void take_mistakes(const struct schedule_document *document, struct schedule_reading *reading) {
        for (size_t i = 0; i < document->n_mistakes; i++) {
                reading->mistakes[i].line = document->mistakes[i].line;
                text_copy(reading->mistakes[i].text, sizeof(reading->mistakes[i].text),
                                document->mistakes[i].text);
        }
        reading->n_mistakes = (uint32_t)document->n_mistakes;
        reading->n_mistakes_in_all = (uint32_t)document->n_mistakes_in_all;
        (void)fail(reading, -EINVAL, "line %u: %.300s", document->mistakes[0].line,
                        document->mistakes[0].text);
}

static int read_document(const struct reading_order *order, const char *text, size_t length,
                const struct binding *binding, struct schedule_reading *reading) {
        _cleanup_(schedule_document_done) struct schedule_document document = {0};
        if (memchr(text, '\0', length))
                return fail(reading, -EINVAL,
                                "it is not a text file: write a line \"HEIGHT RANGE\" for each boundary, "
                                "such as 1300 >=1.7.1");
        int r = schedule_document_parse(text, &document);
        if (r == -EINVAL)
                take_mistakes(&document, reading);
        if (r < 0)
                return r;
        INVARIANT(document.n_rules <= BOUNDARIES_MAX);
        reading->n_rules = (uint32_t)document.n_rules;
        memcpy(reading->rules, document.rules, document.n_rules * sizeof(*document.rules));
        reading->sequence = document.sequence;
        return apply_binding(order, binding, document.node, reading);
}

/* What the operator says of a name goes before what the name says itself. A version stands for itself and what is compatible with it,
 * for the release of the upgrade after it may be at hand already. */
static int find_range(const struct reading_order *order, const char *name, char *range, size_t size) {
        size_t length = strlen(name);
        const char *said = NULL;
        char text[VERSION_TEXT_MAX];
        struct version version;
        for (char *const *pair = order->names; !said && pair && *pair; pair++)
                if (strncmp(*pair, name, length) == 0 && (*pair)[length] == '=')
                        said = *pair + length + 1;
        if ((said ? version_parse(said, &version) : upgrade_name_to_version(name, &version)) >= 0) {
                version.build[0] = '\0';
                version_format(&version, text, sizeof(text));
                (void)snprintf(range, size, "^%s", text);
                return 0;
        }
        if (!said || strlen(said) >= size)
                return -EINVAL;
        text_copy(range, size, said);
        return 0;
}

static int read_cosmovisor(const struct reading_order *order, const char *text, size_t length,
                const struct binding *binding, struct schedule_reading *reading) {
        struct boundary_rule *rule = &reading->rules[0];
        char name[UPGRADE_NAME_MAX];
        uint64_t height;
        if (upgrade_info_parse(text, length, name, sizeof(name), &height) < 0)
                return fail(reading, -EINVAL,
                                "it is not an upgrade-info.json: a small object with name and height");
        *rule = (struct boundary_rule){.unit = UNIT_HEIGHT, .at = height, .from = BOUNDARY_NO_WINDOW};
        if (find_range(order, name, rule->range, sizeof(rule->range)) < 0 || boundary_check(rule) < 0)
                return fail(reading, -EINVAL,
                                "which release is the upgrade \"%.100s\" at height %lu? Say it in the "
                                "configuration: schedule: "
                                "{names: {\"%.100s\": \"2.0.0\"}}",
                                name, height, name);
        reading->n_rules = 1;
        return apply_binding(order, binding, "", reading);
}

static int read_flow(const struct reading_order *order, const char *text, size_t length,
                const struct binding *binding, struct schedule_reading *reading) {
        size_t n = 0;
        int r = version_beacon_parse(text, length, order->compatible, reading->rules, &n, &reading->sequence,
                        reading->text, sizeof(reading->text));
        if (r < 0)
                return r;
        reading->n_rules = (uint32_t)n;
        return apply_binding(order, binding, "", reading);
}

static bool is_printable(const char *text, size_t size) {
        size_t length = strnlen(text, size);
        for (size_t i = 0; i < length; i++)
                if (text[i] < ' ' || text[i] > '~')
                        return false;
        return length < size;
}

static int fail(struct schedule_reading *reading, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(reading->text, sizeof(reading->text), format, arguments);
        va_end(arguments);
        return error;
}
