#include "render.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>

static void put_head(FILE *out, const json_t *status, const struct text_style *style);
static void put_next(FILE *out, const json_t *next);
static void put_pending(FILE *out, const json_t *pending);
static void put_listeners(FILE *out, const json_t *listeners);
static void put_generations(FILE *out, const json_t *generations);
static void put_last_swap(FILE *out, const json_t *swap, const char *said, const struct text_style *style);
static void put_warnings(FILE *out, const json_t *status, const struct text_style *style);

static const char *text_of(const json_t *object, const char *key, const char *otherwise) {
        const char *text = json_string_value(json_object_get(object, key));
        return text ? text : otherwise;
}

/* False: not a number, or not one that can be shown as a count. */
static bool number_of(const json_t *object, const char *key, uint64_t *ret_number) {
        const json_t *value = json_object_get(object, key);
        double number = json_number_value(value);
        if (!json_is_number(value) || number < 0 || number > 9e18)
                return false;
        *ret_number = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)number;
        return true;
}

/* "a, b, c" without counting: the first separator is empty. */
static void put_part(FILE *out, const char **separator, const char *format, ...) _printf_(3, 4);
static void put_part(FILE *out, const char **separator, const char *format, ...) {
        va_list arguments;
        (void)fputs(*separator, out);
        va_start(arguments, format);
        (void)vfprintf(out, format, arguments);
        va_end(arguments);
        *separator = ", ";
}

int render_status(const json_t *status, const struct text_style *style, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        put_head(out, status, style);
        put_warnings(out, status, style);
        put_next(out, json_object_get(status, "next"));
        put_pending(out, json_object_get(json_object_get(status, "schedule"), "pending"));
        put_generations(out, json_object_get(status, "generations"));
        put_listeners(out, json_object_get(status, "listeners"));
        put_last_swap(out, json_object_get(status, "last_swap"), text_of(status, "reason", ""), style);
        if (fclose(out) != 0)
                return -ENOMEM;
        *ret_text = TAKE_POINTER(text);
        return 0;
}

int render_status_line(const json_t *status, bool with_height, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        const json_t *next = json_object_get(status, "next");
        uint64_t number;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        text_put(out, text_of(status, "node", "?"));
        (void)fputc(' ', out);
        text_put(out, text_of(status, "phase", "?"));
        (void)fputc(' ', out);
        text_put(out, text_of(status, "release", "-"));
        if (number_of(status, "generation", &number))
                (void)fprintf(out, " g%" PRIu64, number);
        if (with_height && number_of(status, "height", &number))
                (void)fprintf(out, " height %" PRIu64, number);
        if (json_is_object(next)) {
                (void)fputs(" next ", out);
                text_put(out, text_of(next, "release", text_of(next, "range", "?")));
                if (number_of(next, "height", &number))
                        (void)fprintf(out, " at %" PRIu64, number);
        }
        const char *reason = text_of(status, "reason", NULL);
        if (reason) {
                (void)fputs(": ", out);
                text_put(out, reason);
        }
        (void)fputc('\n', out);
        if (fclose(out) != 0)
                return -ENOMEM;
        *ret_text = TAKE_POINTER(text);
        return 0;
}

static void put_phase(FILE *out, const char *phase, const struct text_style *style) {
        char upper[32];
        text_copy(upper, sizeof(upper), phase);
        for (char *c = upper; *c; c++)
                *c = (char)toupper((unsigned char)*c);
        text_put_coloured(out, style, text_colour_of(phase), upper);
}

static void put_head(FILE *out, const json_t *status, const struct text_style *style) {
        char duration[TEXT_DURATION_MAX];
        const char *separator = "  (";
        uint64_t number;
        text_put(out, text_of(status, "node", "?"));
        (void)fputs("  ", out);
        put_phase(out, text_of(status, "phase", "?"), style);
        (void)fputs("  ", out);
        text_put(out, text_of(status, "release", "no release"));
        if (number_of(status, "height", &number))
                (void)fprintf(out, "  height %" PRIu64, number);
        else if (!json_is_false(json_object_get(status, "has_heights")))
                (void)fputs("  height unknown", out);
        if (text_of(status, "height_problem", NULL) && number_of(status, "height_age_s", &number) &&
                        number < UINT64_MAX / USEC_PER_SEC) {
                text_duration(number * USEC_PER_SEC, duration);
                (void)fprintf(out, " (%s ago)", number == 0 ? "less than 1 s" : duration);
        }
        if (number_of(status, "generation", &number))
                put_part(out, &separator, "g%" PRIu64, number);
        if (number_of(status, "pid", &number) && number > 0)
                put_part(out, &separator, "pid %" PRIu64, number);
        if (json_is_integer(json_object_get(status, "pid")) && number_of(status, "uptime_s", &number) &&
                        number < UINT64_MAX / USEC_PER_SEC) {
                text_duration(number * USEC_PER_SEC, duration);
                put_part(out, &separator, "up %s", number == 0 ? "less than 1 s" : duration);
        }
        if (number_of(status, "restarts", &number) && number > 0)
                put_part(out, &separator, "%" PRIu64 " restart%s", number, number == 1 ? "" : "s");
        (void)fputs(*separator == ',' ? ")\n" : "\n", out);
}

static void put_warning(FILE *out, const struct text_style *style, enum text_colour colour, const char *mark,
                const char *text) {
        if (!text)
                return;
        text_put_coloured(out, style, colour, mark);
        text_put(out, text);
        (void)fputc('\n', out);
}

/* False: nothing is known of it. */
static bool duration_of(const json_t *object, const char *key, char text[TEXT_DURATION_MAX]) {
        uint64_t number;
        if (!number_of(object, key, &number) || number >= UINT64_MAX / USEC_PER_SEC)
                return false;
        if (number == 0)
                text_copy(text, TEXT_DURATION_MAX, "less than 1 s");
        else
                text_duration(number * USEC_PER_SEC, text);
        return true;
}

void render_outlook(FILE *out, const json_t *object, const struct text_style *style) {
        char duration[TEXT_DURATION_MAX];
        put_warning(out, style, COLOUR_BAD, "! to go on: ", text_of(object, "way_out", NULL));
        if (duration_of(object, "next_try_s", duration)) {
                bool is_held = strcmp(text_of(object, "phase", ""), "held") == 0;
                text_put_coloured(out, style, COLOUR_BUSY, "! ");
                (void)fprintf(out, "%s in %s\n",
                                is_held ? "what failed is tried again by itself"
                                        : "the node is not up: next try",
                                duration);
        }
        if (duration_of(object, "probation_s", duration)) {
                (void)fprintf(out, "in probation, for %s more", duration);
                if (duration_of(object, "progress_s", duration))
                        (void)fprintf(out, ", and has to make its blocks within %s", duration);
                (void)fputc('\n', out);
        }
}

/* Who is cut off tells of it among what is degraded. */
static bool serves_while_held(const json_t *status) {
        const json_t *item;
        size_t i;
        bool serves = false;
        json_array_foreach(json_object_get(status, "generations"), i, item) serves =
                        serves || strcmp(text_of(item, "state", ""), "serving") == 0;
        return serves && strcmp(text_of(status, "phase", ""), "held") == 0 &&
               json_is_integer(json_object_get(status, "pid")) &&
               !json_is_number(json_object_get(status, "waiting_s")) &&
               !json_is_object(json_object_get(status, "cut_off"));
}

static void put_warnings(FILE *out, const json_t *status, const struct text_style *style) {
        const char *way_out = text_of(status, "way_out", NULL);
        char duration[TEXT_DURATION_MAX];
        const json_t *item;
        size_t i;
        put_warning(out, style, COLOUR_BAD, "! ", text_of(status, "reason", NULL));
        render_outlook(out, status, style);
        if (serves_while_held(status))
                (void)fputs("held, it makes no more blocks and goes on answering reads\n", out);
        if (duration_of(status, "waiting_s", duration)) {
                text_put_coloured(out, style, COLOUR_BUSY, "! ");
                (void)fprintf(out, "the node does not answer: connections wait, for %s so far\n", duration);
        }
        /* What programs find among the rest stands with the hold already. */
        json_array_foreach(json_object_get(status, "degraded"), i, item) {
                const char *said = json_is_string(item) ? json_string_value(item) : "?";
                if (!way_out || strcmp(said, way_out) != 0)
                        put_warning(out, style, COLOUR_BUSY, "! degraded: ", said);
        }
}

static void put_next(FILE *out, const json_t *next) {
        char duration[TEXT_DURATION_MAX];
        uint64_t number;
        if (!json_is_object(next))
                return;
        const char *release = text_of(next, "release", NULL), *range = text_of(next, "range", NULL);
        (void)fputs("next: ", out);
        if (release)
                text_put(out, release);
        else {
                const char *tried = text_of(next, "tried_in_vain", NULL);
                (void)fputs("a release in ", out);
                text_put(out, range ? range : "?");
                (void)fputs(tried ? " other than " : "", out);
                text_put(out, tried ? tried : "");
                (void)fputs(tried ? ", which was tried in vain," : ", which is not here,", out);
        }
        if (number_of(next, "height", &number))
                (void)fprintf(out, " at height %" PRIu64, number);
        if (number_of(next, "eta_s", &number) && number < UINT64_MAX / USEC_PER_SEC) {
                text_duration(number * USEC_PER_SEC, duration);
                (void)fprintf(out, number == 0 ? " (now)" : " (in about %s)", duration);
        }
        if (text_of(next, "gate", NULL)) {
                (void)fputs("; gate ", out);
                text_put(out, text_of(next, "gate", NULL));
        }
        (void)fputc('\n', out);
}

static void put_pending(FILE *out, const json_t *pending) {
        char duration[TEXT_DURATION_MAX];
        uint64_t number;
        const json_t *item;
        size_t i;
        json_array_foreach(pending, i, item) {
                const char *separator = "  (";
                (void)fputs("pending: ", out);
                text_put(out, text_of(item, "range", "?"));
                (void)fputs(" from ", out);
                text_put(out, text_of(item, "point", "?"));
                (void)fputs(" on", out);
                if (number_of(item, "told", &number)) {
                        put_part(out, &separator, "%s", "");
                        text_put(out, text_of(item, "unit", "?"));
                        (void)fprintf(out, " %" PRIu64 " now", number);
                }
                if (number_of(item, "eta_s", &number) && number < UINT64_MAX / USEC_PER_SEC) {
                        text_duration(number * USEC_PER_SEC, duration);
                        put_part(out, &separator, number == 0 ? "now" : "in about %s", duration);
                }
                (void)fputs(*separator == ',' ? ")\n" : "\n", out);
        }
}

/* One generation is what the first line says already. */
static void put_generations(FILE *out, const json_t *generations) {
        const json_t *item;
        uint64_t number;
        size_t i;
        if (json_array_size(generations) < 2)
                return;
        json_array_foreach(generations, i, item) {
                const char *separator = "  (";
                (void)fputs("generation: ", out);
                if (number_of(item, "generation", &number))
                        (void)fprintf(out, "g%" PRIu64 " ", number);
                text_put(out, text_of(item, "release", "?"));
                (void)fputc(' ', out);
                text_put(out, text_of(item, "state", ""));
                if (number_of(item, "slot", &number))
                        put_part(out, &separator, "slot %" PRIu64, number);
                if (number_of(item, "pid", &number) && number > 0)
                        put_part(out, &separator, "pid %" PRIu64, number);
                if (number_of(item, "connections", &number))
                        put_part(out, &separator, "%" PRIu64 " connections", number);
                (void)fputs(*separator == ',' ? ")\n" : "\n", out);
        }
}

static void put_listeners(FILE *out, const json_t *listeners) {
        static const char *const counts[] = {"queued", "steered", "migrated"};
        const json_t *item;
        uint64_t number;
        size_t i;
        json_array_foreach(listeners, i, item) {
                const char *separator = "  ";
                (void)fputs("listens: ", out);
                text_put(out, text_of(item, "address", "?"));
                if (number_of(item, "slot", &number))
                        put_part(out, &separator, "slot %" PRIu64, number);
                else
                        put_part(out, &separator, "nobody accepts");
                for (size_t c = 0; c < ELEMENTS(counts); c++)
                        if (number_of(item, counts[c], &number))
                                put_part(out, &separator, "%" PRIu64 " %s", number, counts[c]);
                (void)fputc('\n', out);
        }
}

static void put_timing(
                FILE *out, const json_t *swap, const char *key, const char *name, const char **separator) {
        char duration[TEXT_DURATION_MAX];
        const json_t *value = json_object_get(swap, key);
        double milliseconds = json_number_value(value);
        if (!json_is_number(value) || milliseconds < 0 || milliseconds > 1e15)
                return;
        text_duration((uint64_t)(milliseconds * 1000), duration);
        put_part(out, separator, "%s %s", name, duration);
}

/* SAID: what stands above already. */
static void put_last_swap(FILE *out, const json_t *swap, const char *said, const struct text_style *style) {
        const char *separator = "  (", *outcome = text_of(swap, "outcome", "under way");
        uint64_t number;
        if (!json_is_object(swap))
                return;
        (void)fputs("last swap: ", out);
        if (number_of(swap, "id", &number))
                (void)fprintf(out, "#%" PRIu64 " ", number);
        text_put(out, text_of(swap, "from", "?"));
        (void)fputs(" -> ", out);
        text_put(out, text_of(swap, "to", "?"));
        if (number_of(swap, "at_height", &number))
                (void)fprintf(out, " at height %" PRIu64, number);
        (void)fputs("  ", out);
        text_put_coloured(out, style, text_colour_of(outcome), outcome);
        put_timing(out, swap, "gap_ms", "gap", &separator);
        put_timing(out, swap, "prepared_ms", "prepared in", &separator);
        put_timing(out, swap, "total_ms", "total", &separator);
        (void)fputs(*separator == ',' ? ")\n" : "\n", out);
        const char *reason = text_of(swap, "reason", NULL);
        if (reason && *reason && !strstr(said, reason)) {
                (void)fputs("           ", out);
                text_put(out, reason);
                (void)fputc('\n', out);
        }
}
