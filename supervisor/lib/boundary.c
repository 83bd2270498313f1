#include "boundary.h"

#include "moment.h"

static const char *const unit_names[BOUNDARY_UNITS] = {"height", "view", "epoch", "time"};
static const char *const mode_names[BOUNDARY_MODES] = {"at", "before"};

static int parse_value(uint32_t unit, const char *text, uint64_t *ret_value);
static int take_words(char *words, struct boundary_rule *rule, char *why, size_t size);
static int take_range(const char *text, struct boundary_rule *rule, char *why, size_t size);
static int find_name(const char *const *names, size_t n, const char *name);

int boundary_parse_point(const char *text, uint32_t *ret_unit, uint64_t *ret_at) {
        const char *colon = strchr(text, ':');
        uint32_t unit = UNIT_HEIGHT;
        uint64_t at;
        char name[16];
        if (colon) {
                if ((size_t)(colon - text) >= sizeof(name))
                        return -EINVAL;
                text_copy(name, (size_t)(colon - text) + 1, text);
                int found = boundary_unit_find(name);
                if (found < 0)
                        return found;
                unit = (uint32_t)found;
                text = colon + 1;
        }
        int r = parse_value(unit, text, &at);
        if (r < 0)
                return r;
        *ret_unit = unit;
        *ret_at = at;
        return 0;
}

int boundary_parse(const char *point, const char *text, struct boundary_rule *ret_rule, char *ret_why,
                size_t why_size) {
        struct boundary_rule rule = {.from = BOUNDARY_NO_WINDOW};
        char words[BOUNDARY_TEXT_MAX];
        if (boundary_parse_point(point, &rule.unit, &rule.at) < 0)
                return why_not(ret_why, why_size,
                                "%.60s is not a height: write a number such as 1300, or view:N, epoch:N, "
                                "time:2026-12-01T00:00:00Z",
                                point);
        if (strlen(text) >= sizeof(words))
                return why_not(ret_why, why_size, "the line is longer than %d characters",
                                BOUNDARY_TEXT_MAX - 1);
        text_copy(words, sizeof(words), text);
        int r = take_words(words, &rule, ret_why, why_size);
        if (r >= 0)
                r = take_range(words, &rule, ret_why, why_size);
        if (r < 0)
                return r;
        if (rule.from != BOUNDARY_NO_WINDOW && rule.from >= rule.at)
                return why_not(ret_why, why_size,
                                "from= must lie before the boundary itself: the release may run from there "
                                "on");
        *ret_rule = rule;
        return 0;
}

static bool is_word(const char *text, size_t size) {
        size_t length = strnlen(text, size);
        for (size_t i = 0; i < length; i++)
                if (text[i] <= ' ' || text[i] > '~')
                        return false;
        return length < size;
}

int boundary_check(const struct boundary_rule *rule) {
        struct range range;
        bool is_whole = rule->unit < BOUNDARY_UNITS && rule->mode < BOUNDARY_MODES &&
                        rule->at <= BOUNDARY_POINT_MAX &&
                        (rule->from == BOUNDARY_NO_WINDOW || rule->from < rule->at) &&
                        memchr(rule->range, '\0', sizeof(rule->range)) &&
                        is_word(rule->protocol, sizeof(rule->protocol));
        return is_whole && range_parse(rule->range, &range) >= 0 && !range_is_empty(&range) ? 0 : -EINVAL;
}

void boundary_format_point(uint32_t unit, uint64_t at, char *text, size_t size) {
        char moment[MOMENT_TEXT_MAX];
        if (unit == UNIT_TIME && moment_format(at, moment) >= 0)
                (void)snprintf(text, size, "time:%s", moment);
        else
                (void)snprintf(text, size, "%s%s%lu", unit == UNIT_HEIGHT ? "" : boundary_unit_name(unit),
                                unit == UNIT_HEIGHT ? "" : ":", at);
}

void boundary_format(const struct boundary_rule *rule, char *text, size_t size) {
        char point[64], from[64], window[80] = "";
        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
        if (rule->from != BOUNDARY_NO_WINDOW) {
                boundary_format_point(rule->unit, rule->from, from, sizeof(from));
                (void)snprintf(window, sizeof(window), " from=%s", from);
        }
        (void)snprintf(text, size, "%s %s%s%s%s%s", point, *rule->range ? rule->range : "*", window,
                        rule->mode == MODE_BEFORE ? " mode=before" : "", *rule->protocol ? " protocol=" : "",
                        rule->protocol);
}

const char *boundary_unit_name(uint32_t unit) {
        INVARIANT(unit < BOUNDARY_UNITS);
        return unit_names[unit];
}

int boundary_unit_find(const char *name) {
        return find_name(unit_names, BOUNDARY_UNITS, name);
}

const char *boundary_mode_name(uint32_t mode) {
        INVARIANT(mode < BOUNDARY_MODES);
        return mode_names[mode];
}

int boundary_mode_find(const char *name) {
        return find_name(mode_names, BOUNDARY_MODES, name);
}

bool boundary_is_due(const struct boundary_rule *rule, uint64_t told, uint64_t ahead) {
        return rule->at <= told || (rule->unit == UNIT_VIEW && rule->at - told <= ahead);
}

bool boundary_is_same_point(const struct boundary_rule *a, const struct boundary_rule *b) {
        return a->unit == b->unit && a->at == b->at;
}

bool boundary_is_same(const struct boundary_rule *a, const struct boundary_rule *b) {
        return boundary_is_same_point(a, b) && a->mode == b->mode && a->from == b->from &&
               strcmp(a->range, b->range) == 0 && strcmp(a->protocol, b->protocol) == 0;
}

static int find_name(const char *const *names, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return (int)i;
        return -EINVAL;
}

static int parse_value(uint32_t unit, const char *text, uint64_t *ret_value) {
        uint64_t value;
        int r = unit == UNIT_TIME && strchr(text, 'T') ? moment_parse(text, &value)
                                                       : parse_u64(text, &value);
        if (r < 0)
                return r;
        if (value > BOUNDARY_POINT_MAX)
                return -ERANGE;
        *ret_value = value;
        return 0;
}

static int take_from(const char *text, struct boundary_rule *rule, char *why, size_t size) {
        uint32_t unit = rule->unit;
        /* The unit may be left out: it is the boundary's. */
        int r = strchr(text, ':') && !(rule->unit == UNIT_TIME && strchr(text, 'T') &&
                                                     strncmp(text, "time:", 5) != 0)
                                ? boundary_parse_point(text, &unit, &rule->from)
                                : parse_value(unit, text, &rule->from);
        return r < 0 || unit != rule->unit
                               ? why_not(why, size,
                                                 "from=%.60s is not a %s: write it as the boundary itself",
                                                 text, boundary_unit_name(rule->unit))
                               : 0;
}

static int take_word(const char *word, struct boundary_rule *rule, char *why, size_t size) {
        if (strncmp(word, "from=", 5) == 0)
                return take_from(word + 5, rule, why, size);
        if (strncmp(word, "mode=", 5) == 0) {
                int mode = boundary_mode_find(word + 5);
                if (mode < 0)
                        return why_not(why, size, "mode=%.60s: a mode is at or before", word + 5);
                rule->mode = (uint32_t)mode;
                return 0;
        }
        if (strncmp(word, "protocol=", 9) == 0) {
                size_t length = strlen(word + 9);
                for (size_t i = 0; i < length; i++)
                        if (word[9 + i] <= ' ' || word[9 + i] > '~')
                                length = BOUNDARY_PROTOCOL_MAX;
                if (length == 0 || length >= BOUNDARY_PROTOCOL_MAX)
                        return why_not(why, size,
                                        "protocol= takes a word of at most %d printable characters",
                                        BOUNDARY_PROTOCOL_MAX - 1);
                text_copy(rule->protocol, sizeof(rule->protocol), word + 9);
                return 0;
        }
        return why_not(why, size,
                        "%.60s: what may follow a range is from=POINT, mode=at|before and protocol=WORD",
                        word);
}

/* A range has no word with a letter before an equals sign, so what has one belongs to the boundary. Such words are taken off. */
static int take_words(char *words, struct boundary_rule *rule, char *why, size_t size) {
        char *end = words + strlen(words);
        for (;;) {
                while (end > words && (end[-1] == ' ' || end[-1] == '\t'))
                        *--end = '\0';
                char *word = end;
                while (word > words && word[-1] != ' ' && word[-1] != '\t')
                        word--;
                size_t letters = strspn(word, "abcdefghijklmnopqrstuvwxyz");
                if (letters < 2 || word[letters] != '=')
                        return 0;
                int r = take_word(word, rule, why, size);
                if (r < 0)
                        return r;
                *word = '\0';
                end = word;
        }
}

static int take_range(const char *text, struct boundary_rule *rule, char *why, size_t size) {
        struct range range;
        text += strspn(text, " \t");
        if (!*text)
                return why_not(why, size, "the range is missing: write HEIGHT RANGE, such as 1300 >=1.7.1");
        if (strlen(text) >= sizeof(rule->range))
                return why_not(why, size, "the range is longer than %d characters", RANGE_TEXT_MAX - 1);
        if (range_parse(text, &range) < 0)
                return why_not(why, size,
                                "%.200s is not a version range: write one like >=1.7.1 or >=1.4.0 <2.0.0",
                                text);
        if (range_is_empty(&range))
                return why_not(why, size, "%.200s allows no version at all", text);
        text_copy(rule->range, sizeof(rule->range), text);
        return 0;
}
