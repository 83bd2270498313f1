#include "render.h"

#include <inttypes.h>

#define NO_HEIGHT UINT64_MAX
#define OUTCOME_WIDTH 11

static void put_swap_line(FILE *out, const struct journal_swap *swap, const struct text_style *style);
static void put_steps(
                FILE *out, const struct journal_swap *swap, const struct journal_step *steps, size_t n);

static int finish(FILE *out, char **text, char **ret_text) {
        if (fclose(out) != 0)
                return -ENOMEM;
        *ret_text = TAKE_POINTER(*text);
        return 0;
}

int render_history(const struct journal_swap *swaps, size_t n, const struct text_style *style,
                char **ret_text) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        if (n == 0)
                (void)fputs("no swap yet\n", out);
        else
                (void)fprintf(out, "%5s  %-19s  %-8s  %-25s  %10s  %-11s  %8s  %8s\n", "SWAP", "STARTED",
                                "KIND", "RELEASES", "HEIGHT", "OUTCOME", "GAP", "TOTAL");
        for (size_t i = 0; i < n; i++)
                put_swap_line(out, &swaps[i], style);
        return finish(out, &text, ret_text);
}

static void format_height(uint64_t height, char *text, size_t size) {
        if (height == NO_HEIGHT)
                text_copy(text, size, "-");
        else
                (void)snprintf(text, size, "%" PRIu64, height);
}

/* Padding is counted in letters, and colour codes are none. */
static void put_padded_outcome(FILE *out, const char *outcome, const struct text_style *style) {
        const char *word = *outcome ? outcome : "under way";
        text_put_coloured(out, style, text_colour_of(word), word);
        for (size_t length = strlen(word); length < OUTCOME_WIDTH; length++)
                (void)fputc(' ', out);
}

static void put_swap_line(FILE *out, const struct journal_swap *swap, const struct text_style *style) {
        char started[TEXT_TIME_MAX], gap[TEXT_DURATION_MAX] = "-", total[TEXT_DURATION_MAX] = "-",
                                     height[24];
        char releases[sizeof(swap->from) + sizeof(swap->to) + 8];
        text_time(swap->started_at, started);
        format_height(swap->at_height, height, sizeof(height));
        if (swap->ended_at)
                text_duration(swap->total_us, total);
        if (swap->ended_at && journal_swap_has_gap(swap))
                text_duration(swap->gap_us, gap);
        (void)snprintf(releases, sizeof(releases), "%s -> %s", swap->from, swap->to);
        (void)fprintf(out, "%5" PRIu64 "  %-19s  %-8s  %-25s  %10s  ", swap->id, started, swap->kind,
                        releases, height);
        put_padded_outcome(out, swap->outcome, style);
        (void)fprintf(out, "  %8s  %8s\n", gap, total);
        if (*swap->reason) {
                (void)fputs("       ", out);
                text_put(out, swap->reason);
                (void)fputc('\n', out);
        }
}

int render_report(const struct journal_swap *swap, const struct journal_step *steps, size_t n,
                const struct text_style *style, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        char started[TEXT_TIME_MAX], prepared[TEXT_DURATION_MAX], gap[TEXT_DURATION_MAX],
                        total[TEXT_DURATION_MAX];
        const char *outcome = *swap->outcome ? swap->outcome : "under way";
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        text_time(swap->started_at, started);
        (void)fprintf(out, "%s #%" PRIu64 "  %s -> %s  ", swap->kind, swap->id, swap->from, swap->to);
        text_put_coloured(out, style, text_colour_of(outcome), outcome);
        (void)fprintf(out, "\nstarted:   %s\n", started);
        if (swap->at_height != NO_HEIGHT)
                (void)fprintf(out, "height:    %" PRIu64 "\n", swap->at_height);
        (void)fprintf(out, "mode:      %s, snapshot: %s\n", swap->mode,
                        *swap->snapshot ? swap->snapshot : "none");
        if (swap->ended_at) {
                text_duration(swap->prepared_us, prepared);
                text_duration(swap->gap_us, gap);
                text_duration(swap->total_us, total);
                bool has_gap = journal_swap_has_gap(swap);
                (void)fprintf(out, "timings:   prepared in %s, %s%s, total %s\n", prepared,
                                has_gap ? "nobody accepted for " : "connections were accepted all along",
                                has_gap ? gap : "", total);
        }
        if (*swap->reason) {
                (void)fputs("reason:    ", out);
                text_put(out, swap->reason);
                (void)fputc('\n', out);
        }
        put_steps(out, swap, steps, n);
        return finish(out, &text, ret_text);
}

size_t render_step_times(const struct journal_step *steps, size_t n, size_t i) {
        size_t times = 1;
        while (i + times < n && strcmp(steps[i].phase, steps[i + times].phase) == 0 &&
                        strcmp(steps[i].event, steps[i + times].event) == 0 &&
                        strcmp(steps[i].note, steps[i + times].note) == 0)
                times++;
        return times;
}

static void put_steps(
                FILE *out, const struct journal_swap *swap, const struct journal_step *steps, size_t n) {
        if (n == 0) {
                (void)fprintf(out, "no step of swap %" PRIu64 " is in the journal\n", swap->id);
                return;
        }
        (void)fprintf(out, "\n%10s  %10s  %-13s %-16s %s\n", "AT", "STEP TOOK", "PHASE", "EVENT", "NOTE");
        for (size_t i = 0, times; i < n; i += times) {
                char since[TEXT_DURATION_MAX], took[TEXT_DURATION_MAX] = "";
                times = render_step_times(steps, n, i);
                text_duration(journal_step_between(&steps[0], &steps[i]), since);
                if (i + times < n)
                        text_duration(journal_step_between(&steps[i], &steps[i + times]), took);
                (void)fprintf(out, "%10s  %10s  %-13s %-16s ", since, took, steps[i].phase, steps[i].event);
                text_put(out, steps[i].note);
                if (times > 1)
                        (void)fprintf(out, "%s(x%zu)", *steps[i].note ? " " : "", times);
                (void)fputc('\n', out);
        }
}

const json_t *render_told(const json_t *pending, const struct journal_boundary *boundary) {
        const json_t *item;
        char point[64];
        size_t i;
        boundary_format_point(boundary->rule.unit, boundary->rule.at, point, sizeof(point));
        json_array_foreach(pending, i, item) {
                const char *its = json_string_value(json_object_get(item, "point"));
                const json_t *told = json_object_get(item, "told");
                if (boundary->height == UINT64_MAX && its && strcmp(its, point) == 0 &&
                                json_is_integer(told))
                        return told;
        }
        return NULL;
}

static void put_boundary(FILE *out, const struct journal_boundary *boundary, const json_t *told) {
        const struct boundary_rule *rule = &boundary->rule;
        char set_at[TEXT_TIME_MAX], point[64], from[64];
        text_time(boundary->set_at, set_at);
        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
        (void)fprintf(out, "%12s  %-32s %-19s ", point, rule->range, set_at);
        if (rule->from != BOUNDARY_NO_WINDOW) {
                boundary_format_point(rule->unit, rule->from, from, sizeof(from));
                (void)fprintf(out, " from=%s", from);
        }
        if (rule->mode != MODE_AT)
                (void)fprintf(out, " mode=%s", boundary_mode_name(rule->mode));
        if (*rule->protocol)
                (void)fprintf(out, " protocol=%s", rule->protocol);
        if (boundary->height != UINT64_MAX)
                (void)fprintf(out, " height=%" PRIu64, boundary->height);
        if (told)
                (void)fprintf(out, " (%s %" JSON_INTEGER_FORMAT " now)", boundary_unit_name(rule->unit),
                                json_integer_value(told));
        (void)fputc('\n', out);
}

int render_schedule(const struct journal_boundary *boundaries, size_t n, uint64_t document,
                const json_t *pending, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        if (n == 0)
                (void)fputs("no boundary: every release is allowed at every height\n", out);
        else
                (void)fprintf(out, "%12s  %-32s %-19s  %s\n", "FROM HEIGHT", "ALLOWED", "SET", "MORE");
        for (size_t i = 0; i < n; i++)
                put_boundary(out, &boundaries[i], render_told(pending, &boundaries[i]));
        if (document != SCHEDULE_NO_SEQUENCE)
                (void)fprintf(out,
                                "from a schedule with sequence %" PRIu64
                                ": one with a lower number is refused\n",
                                document);
        return finish(out, &text, ret_text);
}

static uint64_t total_size(const struct release *release) {
        uint64_t total = 0;
        for (size_t i = 0; i < release->n_files; i++)
                if (__builtin_add_overflow(total, release->files[i].size, &total))
                        return UINT64_MAX;
        return total;
}

int render_releases(const struct release *releases, const bool *are_gone, size_t n, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        if (n == 0)
                (void)fputs("no release: add one with `interrex release add VERSION PATH`\n", out);
        else
                (void)fprintf(out, "%-24s  %-19s  %6s  %10s\n", "VERSION", "ADDED", "FILES", "MIB");
        for (size_t i = 0; i < n; i++) {
                char added[TEXT_TIME_MAX];
                text_time(releases[i].added_at, added);
                (void)fprintf(out, "%-24s  %-19s  %6zu  %10.1f%s\n", releases[i].text, added,
                                releases[i].n_files, (double)total_size(&releases[i]) / (1024 * 1024),
                                are_gone[i] ? "  its files are gone: add it again" : "");
        }
        return finish(out, &text, ret_text);
}
