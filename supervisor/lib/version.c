#include "version.h"

#include <ctype.h>

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

static int parse_number(const char **at, uint64_t *ret_value);
static int parse_identifiers(const char **at, bool is_prerelease, char *text, size_t size);
static int compare_numbers(uint64_t a, uint64_t b);
static int compare_prereleases(const char *a, const char *b);

int version_parse(const char *text, struct version *ret_version) {
        struct version version = {0};
        const char *c = *text == 'v' ? text + 1 : text;
        /* A longer one would be cut where it is written, and two releases could get one name. */
        if (strlen(c) >= VERSION_TEXT_MAX)
                return -ERANGE;
        int r = parse_number(&c, &version.major);
        if (r >= 0)
                r = *c == '.' ? (c++, parse_number(&c, &version.minor)) : -EINVAL;
        if (r >= 0)
                r = *c == '.' ? (c++, parse_number(&c, &version.patch)) : -EINVAL;
        if (r >= 0 && *c == '-') {
                c++;
                r = parse_identifiers(&c, true, version.prerelease, sizeof(version.prerelease));
        }
        if (r >= 0 && *c == '+') {
                c++;
                r = parse_identifiers(&c, false, version.build, sizeof(version.build));
        }
        if (r < 0 || *c)
                return r < 0 ? r : -EINVAL;
        *ret_version = version;
        return 0;
}

void version_format(const struct version *version, char *text, size_t size) {
        (void)snprintf(text, size, "%lu.%lu.%lu%s%s%s%s", version->major, version->minor, version->patch,
                        *version->prerelease ? "-" : "", version->prerelease, *version->build ? "+" : "",
                        version->build);
}

/* Nothing else in it can be written in two ways. */
const char *version_canonical(const char *text) {
        struct version version;
        return *text == 'v' && version_parse(text, &version) >= 0 ? text + 1 : text;
}

int version_compare(const struct version *a, const struct version *b) {
        int r = compare_numbers(a->major, b->major);
        if (!r)
                r = compare_numbers(a->minor, b->minor);
        if (!r)
                r = compare_numbers(a->patch, b->patch);
        return r ? r : compare_prereleases(a->prerelease, b->prerelease);
}

static int parse_number(const char **at, uint64_t *ret_value) {
        const char *c = *at;
        uint64_t value = 0;
        if (!isdigit((unsigned char)*c) || (*c == '0' && isdigit((unsigned char)c[1])))
                return -EINVAL;
        for (; isdigit((unsigned char)*c); c++) {
                value = value * 10 + (uint64_t)(*c - '0');
                if (value > NUMBER_MAX)
                        return -ERANGE;
        }
        *at = c;
        *ret_value = value;
        return 0;
}

static bool is_identifier_character(char c) {
        return isalnum((unsigned char)c) || c == '-';
}

/* Dot-separated identifiers, none empty; numeric ones without leading zeros where IS_PRERELEASE. */
static int parse_identifiers(const char **at, bool is_prerelease, char *text, size_t size) {
        const char *begin = *at, *c = begin;
        for (;;) {
                const char *part = c;
                bool is_numeric = true;
                while (is_identifier_character(*c)) {
                        is_numeric = is_numeric && isdigit((unsigned char)*c);
                        c++;
                }
                if (c == part || (is_prerelease && is_numeric && c - part > 1 && *part == '0'))
                        return -EINVAL;
                if (*c != '.')
                        break;
                c++;
        }
        if ((size_t)(c - begin) >= size)
                return -ERANGE;
        memcpy(text, begin, (size_t)(c - begin));
        text[c - begin] = '\0';
        *at = c;
        return 0;
}

static int compare_numbers(uint64_t a, uint64_t b) {
        return a < b ? -1 : a > b;
}

static int compare_identifier(const char *a, size_t a_length, const char *b, size_t b_length) {
        bool a_numeric = strspn(a, "0123456789") >= a_length,
             b_numeric = strspn(b, "0123456789") >= b_length;
        if (a_numeric != b_numeric)
                return a_numeric ? -1 : 1;
        if (a_numeric && a_length != b_length)
                return a_length < b_length ? -1 : 1;
        int r = memcmp(a, b, a_length < b_length ? a_length : b_length);
        return r ? r : compare_numbers(a_length, b_length);
}

static int compare_prereleases(const char *a, const char *b) {
        if (!*a || !*b)
                return (*a ? -1 : 0) + (*b ? 1 : 0);
        for (;;) {
                size_t a_length = strcspn(a, "."), b_length = strcspn(b, ".");
                int r = compare_identifier(a, a_length, b, b_length);
                if (r)
                        return r;
                a += a_length;
                b += b_length;
                if (!*a || !*b)
                        return (*a ? 1 : 0) - (*b ? 1 : 0);
                a++;
                b++;
        }
}
