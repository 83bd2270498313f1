/* Semantic versions (semver 2.0) and npm-style version ranges. Pure: no I/O, no allocation kept. Thread safe. */
#pragma once

#include "base.h"

#define VERSION_TEXT_MAX 128
#define RANGE_TEXT_MAX 256
#define RANGE_COMPARATORS_MAX 32

struct version {
        uint64_t major, minor, patch;
        char prerelease[64]; /* without the '-', empty if none */
        char build[64];      /* without the '+', empty if none; takes no part in precedence */
};

/* One comparator of a range in its desugared form: version OPERATOR bound. */
enum range_operator { RANGE_LESS, RANGE_LESS_EQUAL, RANGE_EQUAL, RANGE_GREATER_EQUAL, RANGE_GREATER };

struct range_comparator {
        enum range_operator operator;
        struct version bound;
        bool starts_set; /* begins a new alternative (what stands after "||") */
};

struct range {
        size_t n_comparators; /* 0: any version that is not a pre-release ("*") */
        struct range_comparator comparators[RANGE_COMPARATORS_MAX];
        char text[RANGE_TEXT_MAX]; /* as the user wrote it */
};

/* Parses TEXT; a leading 'v' is accepted. -EINVAL: not a version. -ERANGE: a number over 2^53-1 or too long. */
int version_parse(const char *text, struct version *ret_version);

/* Writes the canonical text, no leading 'v'. Always terminated. */
void version_format(const struct version *version, char *text, size_t size);

/* TEXT as version_format() would write it, within TEXT; itself if it is no version. */
const char *version_canonical(const char *text);

/* Precedence by semver 2.0 section 11: <0, 0, >0. */
int version_compare(const struct version *a, const struct version *b);

/* Parses an npm-style range: primitives (<, <=, =, >=, >), hyphen ranges, x-ranges, ~, ^, "||", "*", "".
 * -EINVAL: not a range; -E2BIG: more comparators than fit. Stricter than node-semver in one thing: what stands behind a wildcard
 * ("1.x.3", "1.2.x-beta") is an error there too, instead of being ignored. */
int range_parse(const char *text, struct range *ret_range);

/* Does the range allow the version? Pre-releases only if a comparator of the same set names a pre-release
 * of the same major.minor.patch, as node-semver does. */
bool range_allows(const struct range *range, const struct version *version);

/* No version at all is in it, as with ">2 <1". */
bool range_is_empty(const struct range *range);

/* Each version that it allows is below each one that OTHER allows. */
bool range_lies_below(const struct range *range, const struct range *other);
