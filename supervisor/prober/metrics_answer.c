/* The Prometheus text format, as far as finding one sample in it: name{label="value",...} number
 * [timestamp]. */
#include "answers.h"

#include <ctype.h>
#include <math.h>

/* What a double tells exactly. */
#define METRIC_MAX 9007199254740992.0
#define LABELS_MAX 32

struct span {
        const char *text;
        size_t size;
};

struct sample {
        struct span name;
        struct span labels[LABELS_MAX]; /* label="value", the quotes included */
        size_t n_labels;
        struct span rest; /* behind the closing brace */
};

static bool parse_sample(const char *line, size_t size, struct sample *ret_sample);
static bool is_wanted(const struct sample *sample, const struct sample *wanted);
static int parse_value(struct span rest, uint64_t *ret_height);

int answer_metrics(const char *body, size_t size, const char *metric, uint64_t *ret_height, char *why,
                size_t why_size) {
        struct sample wanted, sample;
        if (!parse_sample(metric, strlen(metric), &wanted) || wanted.rest.size > 0) {
                (void)snprintf(why, why_size,
                                "the metric %.100s in the configuration is neither a name nor "
                                "name{label=\"value\"}",
                                metric);
                return -EBADMSG;
        }
        for (size_t at = 0; at < size;) {
                const char *end = memchr(body + at, '\n', size - at);
                size_t length = end ? (size_t)(end - (body + at)) : size - at;
                const char *line = body + at;
                at += length + 1;
                if (!parse_sample(line, length, &sample) || !is_wanted(&sample, &wanted))
                        continue;
                if (parse_value(sample.rest, ret_height) == 0)
                        return 0;
                (void)snprintf(why, why_size,
                                "its metric %.100s has a value that is not a whole number from 0 to 2^53",
                                metric);
                return -EBADMSG;
        }
        (void)snprintf(why, why_size, "its answer does not hold the metric %.100s", metric);
        return -EBADMSG;
}

static bool is_name_character(char c) {
        return isalnum((unsigned char)c) || c == '_' || c == ':';
}

static size_t skip_blanks(const char *line, size_t size, size_t at) {
        while (at < size && (line[at] == ' ' || line[at] == '\t'))
                at++;
        return at;
}

/* One label="value"; a quote or backslash in the value stands behind a backslash. Returns the place behind
 * it, 0: none. */
static size_t parse_label(const char *line, size_t size, size_t at, struct span *ret_label) {
        size_t begin = at;
        while (at < size && is_name_character(line[at]))
                at++;
        if (at == begin || at + 1 >= size || line[at] != '=' || line[at + 1] != '"')
                return 0;
        for (at += 2; at < size && line[at] != '"'; at++)
                if (line[at] == '\\')
                        at++;
        if (at >= size)
                return 0;
        *ret_label = (struct span){line + begin, at + 1 - begin};
        return at + 1;
}

static bool parse_sample(const char *line, size_t size, struct sample *ret_sample) {
        size_t at = 0;
        ret_sample->n_labels = 0;
        while (at < size && is_name_character(line[at]))
                at++;
        if (at == 0)
                return false;
        ret_sample->name = (struct span){line, at};
        at = skip_blanks(line, size, at);
        if (at < size && line[at] == '{') {
                at = skip_blanks(line, size, at + 1);
                while (at < size && line[at] != '}') {
                        if (ret_sample->n_labels == LABELS_MAX)
                                return false;
                        at = parse_label(line, size, at, &ret_sample->labels[ret_sample->n_labels++]);
                        if (at == 0)
                                return false;
                        at = skip_blanks(line, size, at);
                        if (at < size && line[at] == ',')
                                at = skip_blanks(line, size, at + 1);
                        else if (at >= size || line[at] != '}')
                                return false;
                }
                if (at++ >= size)
                        return false;
        }
        at = skip_blanks(line, size, at);
        ret_sample->rest = (struct span){line + at, size - at};
        return true;
}

static bool is_same(struct span a, struct span b) {
        return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

static bool is_wanted(const struct sample *sample, const struct sample *wanted) {
        size_t found = 0;
        if (!is_same(sample->name, wanted->name))
                return false;
        for (size_t i = 0; i < wanted->n_labels; i++)
                for (size_t k = 0; k < sample->n_labels; k++)
                        if (is_same(wanted->labels[i], sample->labels[k])) {
                                found++;
                                break;
                        }
        return found == wanted->n_labels;
}

static int parse_value(struct span rest, uint64_t *ret_height) {
        char text[64], *end = NULL;
        size_t n = 0;
        while (n < rest.size && !strchr(" \t\r", rest.text[n]))
                n++;
        if (n == 0 || n >= sizeof(text) || !isdigit((unsigned char)rest.text[0]))
                return -EINVAL;
        memcpy(text, rest.text, n);
        text[n] = '\0';
        double number = strtod(text, &end);
        if (end != text + n || strpbrk(text, "xX") || !isfinite(number) || number > METRIC_MAX ||
                        number != (double)(uint64_t)number)
                return -EINVAL;
        *ret_height = (uint64_t)number;
        return 0;
}
