/* Regular expressions are compiled here once so that a wrong one is a mistake and not a node without a
 * height. How large they become is estimated first: regcomp() copies what is repeated, so that 25 characters
 * can ask for gigabytes. */
#include "config_values.h"

#include "prober_protocol.h"
#include <ctype.h>
#include <regex.h>

#define COST_MAX 10000 /* copies of characters; compiled in some ten milliseconds */

/* A group that is open, or the whole pattern. */
struct group {
        uint64_t cost, last; /* of all in it, and of what a repetition that follows would repeat */
};

static bool is_bearable(const char *pattern);
static void add_atom(struct group *group, uint64_t cost);
static bool repeat_last(struct group *group, uint64_t times);
static uint64_t take_bounds(const char **at);
static const char *skip_brackets(const char *at);

/* What other kinds of regular expressions have: here such a letter would stand for itself, and nothing would ever match. The
 * letters that mean something to the C library are left. */
static bool has_foreign_escape(struct reader *reader, const yaml_node_t *value, const char *pattern) {
        for (const char *c = pattern; (c = strchr(c, '\\')) && c[1]; c += 2) {
                if (!isalpha((unsigned char)c[1]) || strchr("wWsSbB", c[1]))
                        continue;
                const char *right = c[1] == 'd'   ? "write [0-9]"
                                    : c[1] == 'D' ? "write [^0-9]"
                                                  : "write the character itself";
                reader_wrong(reader, value, "POSIX extended regular expressions have no \\%c: %s", c[1],
                                right);
                return true;
        }
        return false;
}

/* False: a mistake, reported. */
static bool compiles(
                struct reader *reader, const yaml_node_t *value, const char *text, bool *ret_has_group) {
        regex_t compiled;
        char why[120];
        if (has_foreign_escape(reader, value, text))
                return false;
        if (!is_bearable(text)) {
                reader_wrong(reader, value,
                                "the repetitions (+ and {n,m}) in this pattern multiply too far; repeat "
                                "less, or use *");
                return false;
        }
        int r = regcomp(&compiled, text, REG_EXTENDED);
        if (r != 0) {
                (void)regerror(r, &compiled, why, sizeof(why));
                reader_wrong(reader, value, "this is not a POSIX extended regular expression: %s", why);
                return false;
        }
        *ret_has_group = compiled.re_nsub > 0;
        regfree(&compiled);
        return true;
}

void take_pattern(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        bool has_group;
        if (!text)
                return;
        if (strlen(text) >= PROBER_PATTERN_MAX)
                take_short_text(reader, value, target);
        else if (compiles(reader, value, text, &has_group)) {
                if (has_group)
                        take_short_text(reader, value, target);
                else
                        reader_wrong(reader, value,
                                        "the pattern needs a group around the number, as in "
                                        "'height=([0-9]+)'");
        }
}

/* A back reference makes matching slow without bounds, in a binary that may have been made for it. */
static bool has_back_reference(const char *pattern) {
        for (const char *c = pattern; (c = strchr(c, '\\')) && c[1]; c += 2)
                if (isdigit((unsigned char)c[1]))
                        return true;
        return false;
}

void take_symbol_pattern(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        bool has_group;
        if (!text)
                return;
        bool is_refused_as_text = !*text || strlen(text) >= PROBER_PATTERN_MAX;
        if (!is_refused_as_text && has_back_reference(text))
                reader_wrong(reader, value, "a pattern for symbols cannot refer back with \\1 to \\9");
        else if (is_refused_as_text || compiles(reader, value, text, &has_group))
                take_short_text(reader, value, target);
}

static bool is_bearable(const char *pattern) {
        struct group groups[PROBER_PATTERN_MAX] = {0};
        size_t depth = 0;
        for (const char *c = pattern; *c;) {
                struct group *group = &groups[depth];
                char character = *c++;
                uint64_t times = 1;
                switch (character) {
                case '(':
                        INVARIANT(depth + 1 < ELEMENTS(groups));
                        groups[++depth] = (struct group){0};
                        continue;
                case ')':
                        if (depth > 0)
                                add_atom(&groups[--depth], group->cost + 1);
                        continue;
                case '[':
                        c = skip_brackets(c);
                        add_atom(group, 1);
                        continue;
                case '\\':
                        c += *c != '\0';
                        add_atom(group, 1);
                        continue;
                case '|':
                        add_atom(group, 0);
                        continue;
                case '+':
                        times = 2;
                        break;
                case '{':
                        times = take_bounds(&c) + 1;
                        break;
                case '*':
                case '?':
                        break;
                default:
                        add_atom(group, 1);
                        continue;
                }
                if (!repeat_last(group, times))
                        return false;
        }
        return true;
}

static void add_atom(struct group *group, uint64_t cost) {
        group->last = cost;
        group->cost += cost;
}

static bool repeat_last(struct group *group, uint64_t times) {
        if (times > COST_MAX || group->last > COST_MAX)
                return false;
        group->cost += group->last * (times - 1);
        group->last *= times;
        return group->cost <= COST_MAX;
}

/* The larger of the two numbers of "n,m}". */
static uint64_t take_bounds(const char **at) {
        uint64_t largest = 1;
        while (isdigit((unsigned char)**at) || **at == ',') {
                char *end;
                uint64_t number = strtoull(*at, &end, 10);
                largest = number > largest ? number : largest;
                *at = end + (*end == ',');
        }
        *at += **at == '}';
        return largest < COST_MAX ? largest : COST_MAX;
}

/* To behind the bracket that ends a list of characters; in it, "]" may stand first, and within [: :], [. .],
 * [= =]. */
static const char *skip_brackets(const char *at) {
        at += *at == '^';
        at += *at == ']';
        while (*at && *at != ']') {
                if (*at == '[' && at[1] && strchr(":.=", at[1])) {
                        const char closing[] = {at[1], ']', '\0'};
                        const char *end = strstr(at + 2, closing);
                        at = end ? end + 1 : at;
                }
                at++;
        }
        return *at ? at + 1 : at;
}
