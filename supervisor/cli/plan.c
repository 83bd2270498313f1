#include "../lib/log.h"
#include "commands.h"
#include "node.h"
#include "output.h"
#include "render.h"
#include "status.h"
#include "text.h"
#include <inttypes.h>
#include <sys/statvfs.h>

static void add_disk(json_t *plan);
static bool put_plan(FILE *out, const json_t *plan, const struct text_style *style);

int command_plan(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_(output_json_done) json_t *plan = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = status_ask_for(&node, "Plan", &plan);
        if (status != 0)
                return status;
        add_disk(plan);
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return output_text(-ENOMEM, NULL);
        struct text_style style = text_style_for(STDOUT_FILENO);
        bool is_ready = put_plan(out, plan, &style);
        if (fclose(out) != 0)
                return output_text(-ENOMEM, NULL);
        status = arguments->json ? output_json(plan) : output_text(0, text);
        return status != 0 ? status : is_ready ? EXIT_DONE : EXIT_FAILED;
}

/* Here, because the director may not ask about file systems. */
static void add_disk(json_t *plan) {
        const char *directory = json_string_value(json_object_get(plan, "state_directory"));
        struct statvfs disk;
        if (directory && statvfs(directory, &disk) == 0)
                (void)json_object_set_new(plan, "disk_free_bytes",
                                json_integer((json_int_t)disk.f_bavail * (json_int_t)disk.f_frsize));
}

static void put_duration(FILE *out, const char *before, const json_t *seconds, const char *behind) {
        char text[TEXT_DURATION_MAX];
        double value = json_number_value(seconds);
        if (!json_is_number(seconds) || value < 0 || value > 1e12)
                return;
        text_duration((uint64_t)(value * (double)USEC_PER_SEC), text);
        (void)fprintf(out, "%s%s%s", before, text, behind);
}

static void put_text(FILE *out, const char *before, const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));
        if (!text)
                return;
        (void)fputs(before, out);
        text_put(out, text);
}

static void put_preparation(FILE *out, const json_t *boundary) {
        const char *digest = json_string_value(json_object_get(boundary, "sha256"));
        const char *snapshot = json_string_value(json_object_get(boundary, "snapshot"));
        (void)fprintf(out, "    sha256 %.16s, %s, %s", digest ? digest : "unknown",
                        json_is_true(json_object_get(boundary, "signed")) ? "signed" : "not signed",
                        json_is_true(json_object_get(boundary, "rehearsed")) ? "rehearsed"
                                                                             : "not rehearsed");
        if (json_is_string(json_object_get(
                            boundary, "gate"))) { /* else nothing has run yet that it would stop */
                put_text(out, ", gate ", boundary, "gate");
                (void)fputs(json_is_true(json_object_get(boundary, "gate_is_exact")) ? " (exact)"
                                                                                     : " (not exact)",
                                out);
                put_text(out, " at ", boundary, "gate_function");
        }
        (void)fprintf(out, ", snapshot %s", snapshot ? snapshot : "not possible");
        put_text(out, "\n    ", boundary, "gate_promise");
        put_text(out, "\n    ", boundary, "on_failure");
        (void)fputc('\n', out);
}

/* Where it lies, if that is known, and what the schedule calls it, if that is another unit. */
static void put_point(FILE *out, const json_t *boundary) {
        const char *point = json_string_value(json_object_get(boundary, "point")) ?: "?";
        const char *colon = strchr(point, ':'), *number = colon ? colon + 1 : point;
        const json_t *height = json_object_get(boundary, "height");
        char digits[24] = "";
        if (json_is_integer(height))
                (void)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(height));
        bool is_own = !*digits || strcmp(digits, number) == 0;
        (void)fputs(*digits && (!is_own || !colon) ? "  height " : "  ", out);
        if (!is_own)
                (void)fprintf(out, "%s (", digits);
        text_put(out, point);
        (void)fputs(is_own ? "" : ")", out);
}

static void put_boundary(FILE *out, const json_t *boundary, const struct text_style *style) {
        bool is_ready = json_is_true(json_object_get(boundary, "ok"));
        bool is_swap = json_is_true(json_object_get(boundary, "is_swap"));
        const json_t *item;
        size_t i;
        text_put_coloured(out, style, is_ready ? COLOUR_GOOD : COLOUR_BAD,
                        is_ready ? "ready    " : "NOT READY");
        put_point(out, boundary);
        if (json_is_integer(json_object_get(boundary, "told")))
                (void)fprintf(out, "  (%" JSON_INTEGER_FORMAT " now)",
                                json_integer_value(json_object_get(boundary, "told")));
        put_duration(out, "  in about ", json_object_get(boundary, "eta_s"), "");
        put_duration(out, " (give or take ", json_object_get(boundary, "eta_error_s"), ")");
        put_text(out, "  ", boundary, "range");
        put_text(out, is_swap ? "  -> " : "  stays with ", boundary, "release");
        put_text(out, "  protocol ", boundary, "protocol");
        (void)fputc('\n', out);
        if (is_swap && json_is_string(json_object_get(boundary, "release")))
                put_preparation(out, boundary);
        if (is_swap && json_is_integer(json_object_get(boundary, "from")))
                (void)fprintf(out,
                                "    it may run from height %" JSON_INTEGER_FORMAT
                                " on; this node %s over at %" JSON_INTEGER_FORMAT "\n",
                                json_integer_value(json_object_get(boundary, "from")),
                                json_is_string(json_object_get(boundary, "release")) ? "goes" : "would go",
                                json_integer_value(json_object_get(boundary, "rolls_at")));
        json_array_foreach(json_object_get(boundary, "problems"), i, item) {
                text_put_coloured(out, style, COLOUR_BAD, "    ! ");
                text_put(out, json_is_string(item) ? json_string_value(item) : "?");
                (void)fputc('\n', out);
        }
}

/* True: there is one. */
static bool put_warning(FILE *out, const json_t *plan, const char *key, enum text_colour colour,
                const struct text_style *style) {
        const char *warning = json_string_value(json_object_get(plan, key));
        if (!warning)
                return false;
        text_put_coloured(out, style, colour, "! ");
        text_put(out, warning);
        (void)fputc('\n', out);
        return true;
}

/* True: it is held, and goes to no boundary until what keeps it there has gone. */
static bool put_hold(FILE *out, const json_t *plan, const struct text_style *style) {
        const char *phase = json_string_value(json_object_get(plan, "phase"));
        bool is_held = phase && strcmp(phase, "held") == 0;
        if (is_held) {
                text_put_coloured(out, style, COLOUR_BAD, "HELD");
                put_text(out, "  ", plan, "reason");
                (void)fputc('\n', out);
        }
        render_outlook(out, plan, style);
        return is_held;
}

/* True: ready for all of them. */
static bool put_plan(FILE *out, const json_t *plan, const struct text_style *style) {
        const json_t *boundaries = json_object_get(plan, "boundaries"), *boundary,
                     *free = json_object_get(plan, "disk_free_bytes");
        bool is_ready;
        size_t i;
        put_text(out, "", plan, "node");
        const char *release = json_string_value(json_object_get(plan, "release"));
        (void)fputs("  ", out);
        text_put(out, release && *release ? release : "no release");
        if (json_is_true(json_object_get(plan, "in_probation")))
                (void)fputs(" (in probation)", out);
        if (json_is_integer(json_object_get(plan, "height")))
                (void)fprintf(out, "  height %" JSON_INTEGER_FORMAT,
                                json_integer_value(json_object_get(plan, "height")));
        put_duration(out, "  ", json_object_get(plan, "block_s"), " a block");
        if (json_is_integer(free))
                (void)fprintf(out, "  %.1f GB free", (double)json_integer_value(free) / 1e9);
        (void)fputc('\n', out);
        (void)put_warning(out, plan, "signer_warning", COLOUR_BUSY, style);
        bool is_held = put_hold(out, plan, style);
        is_ready = !put_warning(out, plan, "release_problem", COLOUR_BAD, style) && !is_held;
        if (json_array_size(boundaries) == 0)
                (void)fputs("no boundary lies ahead: set them with `interrex schedule set` or `interrex "
                            "schedule import`\n",
                                out);
        json_array_foreach(boundaries, i, boundary) {
                put_boundary(out, boundary, style);
                is_ready = is_ready && json_is_true(json_object_get(boundary, "ok"));
        }
        return is_ready;
}
