#include "schedule_document.h"

#include <stdarg.h>

static int parse_line(char *line, unsigned number, struct schedule_document *document);
static int parse_about_all(
                const char *word, const char *value, unsigned number, struct schedule_document *document);
static int add_rule(struct schedule_document *document, unsigned number, const struct boundary_rule *rule);
static int add_mistake(struct schedule_document *document, unsigned line, const char *format, ...)
                _printf_(3, 4);

int schedule_document_parse(const char *text, struct schedule_document *ret_document) {
        _cleanup_(schedule_document_done) struct schedule_document document = {
                        .sequence = SCHEDULE_NO_SEQUENCE};
        _cleanup_free_ char *copy = strdup(text);
        unsigned number = 0;
        int r = copy ? 0 : -ENOMEM;
        char *rest = copy, *line;
        while (r >= 0 && document.n_rules <= BOUNDARIES_MAX && (line = strsep(&rest, "\n")))
                r = parse_line(line, ++number, &document);
        if (r >= 0 && document.n_rules > BOUNDARIES_MAX)
                r = add_mistake(&document, number, "more than %d boundaries", BOUNDARIES_MAX);
        if (r >= 0 && document.n_rules == 0 && document.n_mistakes == 0)
                r = add_mistake(&document, number,
                                "there is no boundary in it: a line is HEIGHT RANGE, such as 1300 >=1.7.1");
        if (r < 0)
                return r;
        r = document.n_mistakes > 0 ? -EINVAL : 0;
        *ret_document = document;
        document = (struct schedule_document){0};
        return r;
}

void schedule_document_done(struct schedule_document *document) {
        free(document->rules);
        free(document->mistakes);
        *document = (struct schedule_document){.sequence = SCHEDULE_NO_SEQUENCE};
}

static void trim(char *text) {
        size_t length = strlen(text);
        while (length > 0 && strchr(" \t\r", text[length - 1]))
                text[--length] = '\0';
}

static int parse_line(char *line, unsigned number, struct schedule_document *document) {
        struct boundary_rule rule;
        char why[320];
        line[strcspn(line, "#")] = '\0';
        trim(line);
        line += strspn(line, " \t");
        if (!*line)
                return 0;
        char *rest = line + strcspn(line, " \t");
        if (*rest) {
                *rest++ = '\0';
                rest += strspn(rest, " \t");
        }
        if (strcmp(line, "sequence") == 0 || strcmp(line, "node") == 0)
                return parse_about_all(line, rest, number, document);
        if (boundary_parse(line, rest, &rule, why, sizeof(why)) < 0)
                return add_mistake(document, number, "%s", why);
        return add_rule(document, number, &rule);
}

static int parse_about_all(
                const char *word, const char *value, unsigned number, struct schedule_document *document) {
        uint64_t sequence;
        if (strcmp(word, "node") == 0) {
                if (*document->node)
                        return add_mistake(document, number,
                                        "node stands in the file twice: keep one of the two lines");
                if (!node_name_is_valid(value))
                        return add_mistake(document, number, "%.60s is not a node's name", value);
                text_copy(document->node, sizeof(document->node), value);
                return 0;
        }
        if (document->sequence != SCHEDULE_NO_SEQUENCE)
                return add_mistake(document, number,
                                "sequence stands in the file twice: keep one of the two lines");
        if (parse_u64(value, &sequence) < 0 || sequence > BOUNDARY_POINT_MAX)
                return add_mistake(document, number,
                                "sequence %.60s: give a whole number that grows with each edition", value);
        document->sequence = sequence;
        return 0;
}

static int add_rule(struct schedule_document *document, unsigned number, const struct boundary_rule *rule) {
        char point[64], present[BOUNDARY_TEXT_MAX];
        for (size_t i = 0; i < document->n_rules; i++)
                if (boundary_is_same_point(&document->rules[i], rule)) {
                        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
                        boundary_format(&document->rules[i], present, sizeof(present));
                        return add_mistake(document, number,
                                        "%s stands in the file twice (\"%.200s\" before): keep one of the "
                                        "two lines",
                                        point, present);
                }
        struct boundary_rule *grown = reallocarray(document->rules, document->n_rules + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        document->rules = grown;
        grown[document->n_rules++] = *rule;
        return 0;
}

static int add_mistake(struct schedule_document *document, unsigned line, const char *format, ...) {
        va_list arguments;
        document->n_mistakes_in_all++;
        if (document->n_mistakes == SCHEDULE_MISTAKES_MAX)
                return 0;
        struct schedule_mistake *grown =
                        reallocarray(document->mistakes, document->n_mistakes + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        document->mistakes = grown;
        grown[document->n_mistakes].line = line;
        va_start(arguments, format);
        (void)vsnprintf(grown[document->n_mistakes].text, sizeof(grown->text), format, arguments);
        va_end(arguments);
        document->n_mistakes++;
        return 0;
}
