#include "version_beacon.h"

#include <jansson.h>
#include <sodium.h>
#include <strings.h>

struct entry {
        uint64_t height;
        struct version version;
};

static int parse_beacon(const json_t *beacon, char *const *compatible, struct boundary_rule *rules,
                size_t *ret_n, uint64_t *ret_sequence, const char **twice, char *why, size_t size);
static int load_last_event(json_t **beacon);

static void json_decref_at(json_t **json) {
        json_decref(*json);
}

int version_beacon_parse(const char *text, size_t length, char *const *compatible,
                struct boundary_rule *rules, size_t *ret_n, uint64_t *ret_sequence, char *ret_why,
                size_t why_size) {
        json_error_t error;
        _cleanup_(json_decref_at) json_t *beacon = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
        if (!beacon)
                return why_not(ret_why, why_size, "it is not JSON: line %d: %.200s", error.line, error.text);
        if (json_is_array(beacon) && load_last_event(&beacon) < 0)
                return why_not(ret_why, why_size, "it is an answer about events without a whole one in it");
        const char *twice = NULL;
        int r = parse_beacon(beacon, compatible, rules, ret_n, ret_sequence, &twice, ret_why, why_size);
        return twice ? why_not(ret_why, why_size,
                                       "%s stands there twice (capitals do not count), and which one is "
                                       "meant is not known",
                                       twice)
                     : r;
}

/* What a member stands for: JSON-Cadence wraps each value with its type. */
static const json_t *unwrap(const json_t *value) {
        while (json_object_get(value, "type") && json_object_get(value, "value"))
                value = json_object_get(value, "value");
        return value;
}

/* Flow's Go types and its contract write the same names with and without a capital. NULL and *TWICE: more than one is meant. */
static const json_t *get(const json_t *value, const char *name, const char **twice) {
        const json_t *fields = json_object_get(value, "fields"), *field, *found = NULL;
        size_t n = 0;
        const char *key;
        json_t *member;
        size_t i;
        json_array_foreach(fields, i, field) {
                const char *named = json_string_value(json_object_get(field, "name"));
                if (named && strcasecmp(named, name) == 0) {
                        found = json_object_get(field, "value");
                        n++;
                }
        }
        json_object_foreach((json_t *)value, key, member) {
                if (strcasecmp(key, name) == 0) {
                        found = member;
                        n++;
                }
        }
        if (n > 1)
                *twice = name;
        return n == 1 ? unwrap(found) : NULL;
}

/* A JSON number, or the text of one. */
static int get_number(const json_t *value, uint64_t *ret_number) {
        uint64_t number;
        if (json_is_integer(value) && json_integer_value(value) >= 0)
                number = (uint64_t)json_integer_value(value);
        else if (!json_is_string(value) || parse_u64(json_string_value(value), &number) < 0)
                return -EINVAL;
        if (number > BOUNDARY_POINT_MAX)
                return -ERANGE;
        *ret_number = number;
        return 0;
}

static int get_version(const json_t *value, struct version *ret_version, const char **twice) {
        struct version version = {0};
        int r = 0;
        if (json_is_string(value))
                r = version_parse(json_string_value(value), &version);
        else {
                char text[VERSION_TEXT_MAX];
                const char *prerelease = json_string_value(get(value, "preRelease", twice));
                r = get_number(get(value, "major", twice), &version.major);
                if (r >= 0)
                        r = get_number(get(value, "minor", twice), &version.minor);
                if (r >= 0)
                        r = get_number(get(value, "patch", twice), &version.patch);
                (void)snprintf(text, sizeof(text), "%lu.%lu.%lu%s%s", version.major, version.minor,
                                version.patch, prerelease && *prerelease ? "-" : "",
                                prerelease ? prerelease : "");
                if (r >= 0)
                        r = version_parse(text, &version);
        }
        version.build[0] = '\0';
        if (r >= 0)
                *ret_version = version;
        return r;
}

static int read_entries(const json_t *boundaries, struct entry *entries, const char **twice, char *why,
                size_t size) {
        size_t i;
        const json_t *item;
        json_array_foreach(boundaries, i, item) {
                const json_t *boundary = unwrap(item);
                if (get_number(get(boundary, "BlockHeight", twice), &entries[i].height) < 0)
                        return why_not(why, size, "entry %zu has no BlockHeight that is a whole number",
                                        i + 1);
                if (get_version(get(boundary, "Version", twice), &entries[i].version, twice) < 0)
                        return why_not(why, size, "entry %zu has no Version like 0.37.0", i + 1);
                if (i > 0 && entries[i].height <= entries[i - 1].height)
                        return why_not(why, size, "the heights do not grow: %lu stands behind %lu",
                                        entries[i].height, entries[i - 1].height);
                if (i > 0 && version_compare(&entries[i].version, &entries[i - 1].version) < 0)
                        return why_not(why, size, "the version falls at height %lu", entries[i].height);
        }
        return 0;
}

static bool is_compatible(const struct version *version, char *const *compatible) {
        struct version listed;
        for (; compatible && *compatible; compatible++)
                if (version_parse(*compatible, &listed) >= 0 && version_compare(&listed, version) == 0)
                        return true;
        return false;
}

/* The first version that semver calls incompatible, below its pre-releases. */
static struct version next_breaking(const struct version *version) {
        struct version next = {.prerelease = "0"};
        if (version->major > 0)
                next.major = version->major + 1;
        else if (version->minor > 0)
                next.minor = version->minor + 1;
        else
                next.patch = version->patch + 1;
        return next;
}

/* No boundary tells yet with which version the last entry ends. A release that is made ready for one would be taken too early, so
 * what semver calls incompatible with it is not, unless somebody has listed it. */
static struct version highest_compatible(const struct version *version, char *const *compatible) {
        struct version highest = *version, listed;
        for (; compatible && *compatible; compatible++)
                if (version_parse(*compatible, &listed) >= 0 && version_compare(&listed, &highest) > 0)
                        highest = listed;
        return highest;
}

static int make_rule(const struct entry *entries, size_t n, size_t i, char *const *compatible,
                struct boundary_rule *ret_rule) {
        static const struct version nothing = {0};
        struct boundary_rule rule = {
                        .unit = UNIT_HEIGHT, .at = entries[i].height, .from = BOUNDARY_NO_WINDOW};
        const struct version *version = &entries[i].version;
        struct version end;
        char least[VERSION_TEXT_MAX], above[VERSION_TEXT_MAX];
        size_t next = i + 1;
        while (next < n && (version_compare(&entries[next].version, version) == 0 ||
                                           is_compatible(&entries[next].version, compatible)))
                next++;
        if (next < n)
                end = entries[next].version;
        else {
                end = highest_compatible(&entries[n - 1].version, compatible);
                end = next_breaking(&end);
        }
        version_format(version, least, sizeof(least));
        version_format(&end, above, sizeof(above));
        /* The contract's table begins with 0.0.0 at height 0, which asks for nothing. */
        bool asks = next < n || version_compare(&entries[n - 1].version, &nothing) != 0;
        int length = snprintf(rule.range, sizeof(rule.range), asks ? ">=%s <%s" : ">=%s", least, above);
        if (length < 0 || (size_t)length >= sizeof(rule.range) || boundary_check(&rule) < 0)
                return -EINVAL;
        *ret_rule = rule;
        return 0;
}

static int parse_beacon(const json_t *beacon, char *const *compatible, struct boundary_rule *rules,
                size_t *ret_n, uint64_t *ret_sequence, const char **twice, char *why, size_t size) {
        const json_t *event = unwrap(beacon), *boundaries = get(event, "VersionBoundaries", twice);
        size_t n = json_array_size(boundaries);
        uint64_t sequence;
        if (n == 0 || n > BOUNDARIES_MAX)
                return why_not(why, size,
                                "it is not a Version Beacon: VersionBoundaries must be a list of 1 to %d "
                                "entries",
                                BOUNDARIES_MAX);
        if (get_number(get(event, "Sequence", twice), &sequence) < 0)
                return why_not(why, size, "it is not a Version Beacon: Sequence must be a whole number");
        _cleanup_free_ struct entry *entries = calloc(n, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        int r = read_entries(boundaries, entries, twice, why, size);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (make_rule(entries, n, i, compatible, &rules[i]) < 0)
                        r = why_not(why, size, "the version at height %lu makes no range",
                                        entries[i].height);
        if (r < 0)
                return r;
        *ret_n = n;
        *ret_sequence = sequence;
        return 0;
}

/* An Access node's answer: blocks with events, whose payload is JSON-Cadence in base64. */
static int load_last_event(json_t **beacon) {
        const char *payload = NULL;
        const json_t *block, *event;
        size_t i, j, length = 0;
        json_array_foreach(*beacon, i, block) {
                json_array_foreach(json_object_get(block, "events"), j, event) {
                        payload = json_string_value(json_object_get(event, "payload"));
                }
        }
        size_t room = payload ? strlen(payload) : 0;
        _cleanup_free_ unsigned char *bytes = room ? malloc(room) : NULL;
        if (!bytes || sodium_base642bin(bytes, room, payload, room, "\n", &length, NULL,
                                      sodium_base64_VARIANT_ORIGINAL) != 0)
                return -EINVAL;
        json_t *inner = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, NULL);
        if (!inner)
                return -EINVAL;
        json_decref(*beacon);
        *beacon = inner;
        return 0;
}
