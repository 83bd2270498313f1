/* Data to text for people, without any I/O. Every function gives a malloc'ed text that ends with a newline;
 * -ENOMEM. Thread safe: no state (times are local, by TZ). */
#pragma once

#include "../lib/journal.h"
#include "../lib/release.h"
#include "../lib/schedule_document.h"
#include "text.h"
#include <jansson.h>

/* The status object as the director gives it; what is missing in it or of another type is left out. */
int render_status(const json_t *status, const struct text_style *style, char **ret_text);

/* What is left to be done in a hold, and when something goes on by itself: of a status or of a plan. To OUT; no line where there is
 * nothing to be said. */
void render_outlook(FILE *out, const json_t *object, const struct text_style *style);

/* One line. Without the height it changes only when something happens. */
int render_status_line(const json_t *status, bool with_height, char **ret_text);

/* Newest first, as they come. */
int render_history(
                const struct journal_swap *swaps, size_t n, const struct text_style *style, char **ret_text);
int render_report(const struct journal_swap *swap, const struct journal_step *steps, size_t n,
                const struct text_style *style, char **ret_text);
/* How many steps from I on are the same as that one: they are shown as one. At least 1. */
size_t render_step_times(const struct journal_step *steps, size_t n, size_t i);
/* A whole page in HTML. */
int render_report_html(const char *node, const struct journal_swap *swap, const struct journal_step *steps,
                size_t n, char **ret_text);
/* PENDING: what the status says of the boundaries whose height is not known yet; NULL: nothing is known of them. */
int render_schedule(const struct journal_boundary *boundaries, size_t n, uint64_t document,
                const json_t *pending, char **ret_text);
/* What PENDING says that is told of the boundary's unit just now; NULL: nothing. */
const json_t *render_told(const json_t *pending, const struct journal_boundary *boundary);
/* ARE_GONE: for each release, whether files of it are not there any more. */
int render_releases(const struct release *releases, const bool *are_gone, size_t n, char **ret_text);

/* The same for programs. Texts that are no UTF-8 lose the bytes that are wrong. NULL: out of memory. */
json_t *render_history_json(const struct journal_swap *swaps, size_t n);
json_t *render_schedule_json(const struct journal_boundary *boundaries, size_t n, uint64_t sequence,
                const json_t *pending);
json_t *render_releases_json(const struct release *releases, const bool *are_gone, size_t n);
