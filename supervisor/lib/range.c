/* npm-style ranges, desugared to plain comparators while they are parsed. */
#include "version.h"

#include <ctype.h>

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/* A version of which the tail may be missing or x. */
struct partial {
        unsigned n; /* how many numbers are given: 0 to 3 */
        struct version version;
};

static int parse_comparator(const char **at, struct range *range, bool *starts);
static int add_anything(struct range *range, bool *starts);
static bool find_lowest(const struct range *range, const struct version *from, struct version *ret_lowest);
static void skip_spaces(const char **at);
static bool comparator_allows(const struct range_comparator *comparator, const struct version *version);
static bool names_same_triple(const struct range_comparator *comparator, const struct version *version);

int range_parse(const char *text, struct range *ret_range) {
        struct range range = {0};
        const char *at = text;
        bool starts = true, is_empty_set = true;
        if (strlen(text) >= sizeof(range.text))
                return -E2BIG;
        text_copy(range.text, sizeof(range.text), text);
        for (;;) {
                skip_spaces(&at);
                if (*at == '\0' || strncmp(at, "||", 2) == 0) {
                        int r = is_empty_set ? add_anything(&range, &starts) : 0;
                        if (r < 0)
                                return r;
                        if (*at == '\0')
                                break;
                        at += 2;
                        starts = is_empty_set = true;
                        continue;
                }
                int r = parse_comparator(&at, &range, &starts);
                if (r < 0)
                        return r;
                is_empty_set = false;
        }
        *ret_range = range;
        return 0;
}

bool range_allows(const struct range *range, const struct version *version) {
        for (size_t i = 0; i < range->n_comparators;) {
                bool all = true, named = false;
                size_t j = i;
                do {
                        all = all && comparator_allows(&range->comparators[j], version);
                        named = named || names_same_triple(&range->comparators[j], version);
                        j++;
                } while (j < range->n_comparators && !range->comparators[j].starts_set);
                if (all && (!*version->prerelease || named))
                        return true;
                i = j;
        }
        return range->n_comparators == 0 && !*version->prerelease;
}

bool range_is_empty(const struct range *range) {
        const struct version lowest = {0};
        struct version found;
        return !find_lowest(range, &lowest, &found);
}

bool range_lies_below(const struct range *range, const struct range *other) {
        const struct version lowest = {0};
        struct version least, found;
        return find_lowest(other, &lowest, &least) && !find_lowest(range, &least, &found);
}

/* It, its own release if it is a pre-release, and what comes next. */
static void consider(const struct range *range, const struct version *version, const struct version *from,
                bool *found, struct version *lowest) {
        struct version candidates[] = {*version, *version, *version};
        struct version *next = &candidates[1], *release = &candidates[2];
        size_t length = strlen(next->prerelease);
        if (length > 0)
                (void)snprintf(next->prerelease + length, sizeof(next->prerelease) - length, ".0");
        else
                next->patch++;
        release->prerelease[0] = '\0';
        for (size_t i = 0; i < ELEMENTS(candidates); i++) {
                if (version_compare(&candidates[i], from) < 0 || !range_allows(range, &candidates[i]) ||
                                (*found && version_compare(&candidates[i], lowest) >= 0))
                        continue;
                *lowest = candidates[i];
                *found = true;
        }
}

/* The lowest version that a range allows from FROM on is FROM, a bound of it, or the next one after one of these. */
static bool find_lowest(const struct range *range, const struct version *from, struct version *ret_lowest) {
        bool found = false;
        struct version lowest = {0};
        consider(range, from, from, &found, &lowest);
        for (size_t i = 0; i < range->n_comparators; i++)
                consider(range, &range->comparators[i].bound, from, &found, &lowest);
        if (found)
                *ret_lowest = lowest;
        return found;
}

static void skip_spaces(const char **at) {
        while (isspace((unsigned char)**at))
                (*at)++;
}

static bool is_wildcard(char c) {
        return c == 'x' || c == 'X' || c == '*';
}

static bool ends_token(char c) {
        return c == '\0' || c == '|' || isspace((unsigned char)c);
}

/* One of the numbers of a partial version, or a wildcard; after a wildcard only wildcards make sense. */
static int parse_part(const char **at, struct partial *partial, unsigned i, bool *is_open) {
        uint64_t *numbers[] = {&partial->version.major, &partial->version.minor, &partial->version.patch};
        size_t digits = strspn(*at, "0123456789");
        char number[24];
        if (is_wildcard(**at)) {
                *is_open = true;
                (*at)++;
                return 0;
        }
        if (digits == 0 || digits >= sizeof(number) || *is_open || (digits > 1 && **at == '0'))
                return -EINVAL;
        memcpy(number, *at, digits);
        number[digits] = '\0';
        if (parse_u64(number, numbers[i]) < 0 || *numbers[i] > NUMBER_MAX)
                return -EINVAL;
        partial->n = i + 1;
        *at += digits;
        return 0;
}

static int parse_partial(const char **at, struct partial *ret_partial) {
        struct partial partial = {0};
        char token[VERSION_TEXT_MAX + 1];
        size_t length = 0;
        bool is_open = false;
        while (!ends_token((*at)[length]))
                length++;
        if (length == 0 || length >= sizeof(token))
                return -EINVAL;
        memcpy(token, *at, length);
        token[length] = '\0';
        *at += length;
        if (version_parse(token, &partial.version) >= 0) {
                partial.n = 3;
                *ret_partial = partial;
                return 0;
        }
        const char *c = token[0] == 'v' ? token + 1 : token;
        for (unsigned i = 0; i < 3; i++, c++) {
                int r = parse_part(&c, &partial, i, &is_open);
                if (r < 0)
                        return r;
                if (*c == '\0' && partial.n < 3) {
                        *ret_partial = partial;
                        return 0;
                }
                if (*c != '.')
                        return -EINVAL;
        }
        return -EINVAL;
}

static int add(struct range *range, bool *starts, enum range_operator operator,
                const struct version * bound) {
        if (range->n_comparators == RANGE_COMPARATORS_MAX)
                return -E2BIG;
        /* What is above the highest version is none. */
        if (bound->major > NUMBER_MAX || bound->minor > NUMBER_MAX || bound->patch > NUMBER_MAX)
                return -EINVAL;
        range->comparators[range->n_comparators++] = (struct range_comparator){
                        .operator= operator, .bound = * bound, .starts_set = *starts};
        *starts = false;
        return 0;
}

/* The first version that is above everything the first N numbers stand for. "-0" so that no pre-release of
 * it counts. */
static struct version above(const struct partial *partial, unsigned n) {
        struct version bound = {.prerelease = "0"};
        bound.major = n == 1 ? partial->version.major + 1 : partial->version.major;
        bound.minor = n == 2 ? partial->version.minor + 1 : n == 1 ? 0 : partial->version.minor;
        bound.patch = n == 3 ? partial->version.patch + 1 : 0;
        return bound;
}

static int add_between(struct range *range, bool *starts, const struct partial *partial, unsigned n) {
        struct version upper = above(partial, n);
        int r = add(range, starts, RANGE_GREATER_EQUAL, &partial->version);
        return r < 0 ? r : add(range, starts, RANGE_LESS, &upper);
}

static int add_anything(struct range *range, bool *starts) {
        struct version zero = {0};
        return add(range, starts, RANGE_GREATER_EQUAL, &zero);
}

static int add_nothing(struct range *range, bool *starts) {
        struct version bound = {.prerelease = "0"};
        return add(range, starts, RANGE_LESS, &bound);
}

static int add_caret(struct range *range, bool *starts, const struct partial *partial) {
        if (partial->n == 0)
                return add_anything(range, starts);
        if (partial->version.major > 0 || partial->n == 1)
                return add_between(range, starts, partial, 1);
        if (partial->version.minor > 0 || partial->n == 2)
                return add_between(range, starts, partial, 2);
        return add_between(range, starts, partial, 3);
}

static int add_primitive(
                struct range *range, bool *starts, const char *operator, const struct partial * partial) {
        struct version upper = above(partial, partial->n), lower = partial->version;
        /* Everything is at most and at least anything, and nothing is less or more than it. */
        if (partial->n == 0)
                return strcmp(operator, "<") == 0 || strcmp(operator, ">") == 0
                                       ? add_nothing(range, starts)
                                       : add_anything(range, starts);
        if (partial->n < 3) {
                if (strcmp(operator, ">") == 0) {
                        upper.prerelease[0] = '\0';
                        return add(range, starts, RANGE_GREATER_EQUAL, &upper);
                }
                if (strcmp(operator, "<=") == 0)
                        return add(range, starts, RANGE_LESS, &upper);
                if (strcmp(operator, "<") == 0) {
                        text_copy(lower.prerelease, sizeof(lower.prerelease), "0");
                        return add(range, starts, RANGE_LESS, &lower);
                }
                return strcmp(operator, ">=") == 0 ? add(range, starts, RANGE_GREATER_EQUAL, &lower)
                                                   : add_between(range, starts, partial, partial->n);
        }
        return add(range, starts,
                        strcmp(operator, ">") == 0    ? RANGE_GREATER
                        : strcmp(operator, ">=") == 0 ? RANGE_GREATER_EQUAL
                        : strcmp(operator, "<") == 0  ? RANGE_LESS
                        : strcmp(operator, "<=") == 0 ? RANGE_LESS_EQUAL
                                                      : RANGE_EQUAL,
                        &lower);
}

static const char *take_operator(const char **at) {
        static const char *const operators[] = {"<=", ">=", "<", ">", "=", "~>", "~", "^"};
        for (size_t i = 0; i < ELEMENTS(operators); i++)
                if (strncmp(*at, operators[i], strlen(operators[i])) == 0) {
                        *at += strlen(operators[i]);
                        skip_spaces(at);
                        return operators[i];
                }
        return "";
}

static int parse_comparator(const char **at, struct range *range, bool *starts) {
        struct partial partial, upper;
        const char *operator= take_operator(at);
        int r = parse_partial(at, &partial);
        if (r < 0)
                return r;
        if (*operator== '~')
                return partial.n == 0 ? add_anything(range, starts)
                                      : add_between(range, starts, &partial, partial.n == 1 ? 1 : 2);
        if (*operator== '^')
                return add_caret(range, starts, &partial);
        const char *after = *at;
        skip_spaces(&after);
        if (*operator== '\0' && after != * at && * after == '-' && isspace((unsigned char)after[1])) {
                *at = after + 1;
                skip_spaces(at);
                r = parse_partial(at, &upper);
                if (r >= 0)
                        r = partial.n == 0 ? add_anything(range, starts)
                                           : add(range, starts, RANGE_GREATER_EQUAL, &partial.version);
                if (r >= 0 && upper.n > 0)
                        r = add_primitive(range, starts, "<=", &upper);
                return r;
        }
        return add_primitive(range, starts, operator, & partial);
}

static bool comparator_allows(const struct range_comparator *comparator, const struct version *version) {
        int r = version_compare(version, &comparator->bound);
        switch (comparator->operator) {
        case RANGE_LESS:
                return r < 0;
        case RANGE_LESS_EQUAL:
                return r <= 0;
        case RANGE_EQUAL:
                return r == 0;
        case RANGE_GREATER_EQUAL:
                return r >= 0;
        case RANGE_GREATER:
                return r > 0;
        }
        return false;
}

static bool names_same_triple(const struct range_comparator *comparator, const struct version *version) {
        const struct version *bound = &comparator->bound;
        return *bound->prerelease && bound->major == version->major && bound->minor == version->minor &&
               bound->patch == version->patch;
}
