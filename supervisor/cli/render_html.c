/* A swap as a page that stands for itself: no script, no font and no picture from elsewhere, so that it can be mailed. */
#include "render.h"

#include <inttypes.h>

#define NO_HEIGHT UINT64_MAX

static const char head[] =
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
                "body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: "
                "0 1rem; color: #222 }\n"
                "table { border-collapse: collapse; width: 100% } td, th { text-align: left; "
                "vertical-align: top; padding: .2rem .6rem }\n"
                "th { font-weight: 600; color: #555 } tbody tr:nth-child(odd) { background: #f4f4f4 }\n"
                "td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }\n"
                "div.bar { height: .8rem; min-width: 1px; background: #888 } .good { color: #176617 } .bad "
                "{ color: #a31515 }\n"
                ".busy { color: #7a5900 }\n</style>\n";

static void put_summary(FILE *out, const struct journal_swap *swap);
static void put_steps(FILE *out, const struct journal_step *steps, size_t n);

/* What a node wrote may stand in it: control characters are shown as '?' too. */
static void put_escaped(FILE *out, const char *text) {
        static const char special[] = "&<>\"";
        static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
        char plain[sizeof(((struct journal_swap *)NULL)->reason)];
        while (*text) {
                size_t length = strcspn(text, special);
                const char *found = length == 0 ? strchr(special, *text) : NULL;
                if (found) {
                        (void)fputs(entities[found - special], out);
                        text++;
                        continue;
                }
                length = length < sizeof(plain) ? length : sizeof(plain) - 1;
                memcpy(plain, text, length);
                plain[length] = '\0';
                text_put(out, plain);
                text += length;
        }
}

static const char *class_of(const char *outcome) {
        switch (text_colour_of(outcome)) {
        case COLOUR_GOOD:
                return "good";
        case COLOUR_BAD:
                return "bad";
        default:
                return "busy";
        }
}

int render_report_html(const char *node, const struct journal_swap *swap, const struct journal_step *steps,
                size_t n, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        const char *outcome = *swap->outcome ? swap->outcome : "under way";
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        (void)fprintf(out, "%s<title>", head);
        put_escaped(out, node);
        (void)fprintf(out, ": %s #%" PRIu64 "</title>\n</head>\n<body>\n<h1>", swap->kind, swap->id);
        put_escaped(out, node);
        (void)fprintf(out, ": %s #%" PRIu64 ", ", swap->kind, swap->id);
        put_escaped(out, swap->from);
        (void)fputs(" &rarr; ", out);
        put_escaped(out, swap->to);
        (void)fprintf(out, ": <span class=\"%s\">", class_of(outcome));
        put_escaped(out, outcome);
        (void)fputs("</span></h1>\n", out);
        put_summary(out, swap);
        put_steps(out, steps, n);
        (void)fputs("</body>\n</html>\n", out);
        if (fclose(out) != 0)
                return -ENOMEM;
        *ret_text = TAKE_POINTER(text);
        return 0;
}

static void put_row(FILE *out, const char *name, const char *value) {
        (void)fprintf(out, "<tr><th>%s</th><td>", name);
        put_escaped(out, value);
        (void)fputs("</td></tr>\n", out);
}

static void put_duration_row(FILE *out, const char *name, uint64_t usec) {
        char text[TEXT_DURATION_MAX];
        text_duration(usec, text);
        put_row(out, name, text);
}

static void put_summary(FILE *out, const struct journal_swap *swap) {
        char text[TEXT_TIME_MAX];
        (void)fputs("<table>\n", out);
        if (*swap->reason)
                put_row(out, "reason", swap->reason);
        text_time(swap->started_at, text);
        put_row(out, "started", text);
        if (swap->at_height != NO_HEIGHT) {
                (void)snprintf(text, sizeof(text), "%" PRIu64, swap->at_height);
                put_row(out, "height", text);
        }
        put_row(out, "mode", swap->mode);
        put_row(out, "snapshot", *swap->snapshot ? swap->snapshot : "none");
        if (swap->ended_at) {
                put_duration_row(out, "prepared in", swap->prepared_us);
                if (journal_swap_has_gap(swap))
                        put_duration_row(out, "nobody accepted for", swap->gap_us);
                else
                        put_row(out, "nobody accepted for", "0: connections were accepted all along");
                put_duration_row(out, "total", swap->total_us);
        }
        (void)fputs("</table>\n", out);
}

/* The bars stand where and as long as the step was, in parts of the whole swap. */
static void put_step(FILE *out, const struct journal_step *steps, size_t n, size_t i, size_t times) {
        uint64_t total = journal_step_between(&steps[0], &steps[n - 1]),
                 at = journal_step_between(&steps[0], &steps[i]);
        uint64_t took = i + times < n ? journal_step_between(&steps[i], &steps[i + times]) : 0;
        double scale = total > 0 ? 100.0 / (double)total : 0;
        char since[TEXT_DURATION_MAX], length[TEXT_DURATION_MAX] = "";
        text_duration(at, since);
        if (i + times < n)
                text_duration(took, length);
        (void)fprintf(out, "<tr><td class=\"number\">%s</td><td class=\"number\">%s</td><td>", since,
                        length);
        put_escaped(out, steps[i].phase);
        (void)fputs("</td><td>", out);
        put_escaped(out, steps[i].event);
        (void)fprintf(out,
                        "</td><td style=\"width: 30%%\"><div class=\"bar\" style=\"margin-left: %.2f%%; "
                        "width: %.2f%%\"></div></td><td>",
                        (double)at * scale, (double)took * scale);
        put_escaped(out, steps[i].note);
        if (times > 1)
                (void)fprintf(out, " (x%zu)", times);
        (void)fputs("</td></tr>\n", out);
}

static void put_steps(FILE *out, const struct journal_step *steps, size_t n) {
        if (n == 0) {
                (void)fputs("<p>No step of it is in the journal.</p>\n", out);
                return;
        }
        (void)fputs("<h2>Steps</h2>\n<table>\n<thead><tr><th>at</th><th>took</th><th>phase</th><th>event</"
                    "th><th></th><th>note</th>"
                    "</tr></thead>\n<tbody>\n",
                        out);
        for (size_t i = 0, times; i < n; i += times) {
                times = render_step_times(steps, n, i);
                put_step(out, steps, n, i, times);
        }
        (void)fputs("</tbody>\n</table>\n", out);
}
