#include "render.h"

/* A reason may quote a node, and nodes write what they like. */
static json_t *text_json(const char *text) {
        json_t *value = json_string(text);
        if (value)
                return value;
        _cleanup_free_ char *ascii = strdup(text);
        for (char *c = ascii; c && *c; c++)
                if ((unsigned char)*c >= 0x80)
                        *c = '?';
        return ascii ? json_string(ascii) : NULL;
}

static json_t *text_or_null(const char *text) {
        return *text ? text_json(text) : json_null();
}

static json_t *number_or_null(uint64_t number, uint64_t none) {
        return number == none || number > INT64_MAX ? json_null() : json_integer((json_int_t)number);
}

static json_t *milliseconds(uint64_t usec) {
        return json_real((double)usec / 1000);
}

static json_t *swap_json(const struct journal_swap *swap) {
        return json_pack("{so so so so so so so so so so so so so so}", "id", number_or_null(swap->id, 0),
                        "kind", text_json(swap->kind), "from", text_json(swap->from), "to",
                        text_json(swap->to), "at_height", number_or_null(swap->at_height, UINT64_MAX),
                        "mode", text_json(swap->mode), "started_at_us", number_or_null(swap->started_at, 0),
                        "ended_at_us", number_or_null(swap->ended_at, 0), "outcome",
                        text_or_null(swap->outcome), "reason", text_or_null(swap->reason), "prepared_ms",
                        milliseconds(swap->prepared_us), "gap_ms",
                        journal_swap_has_gap(swap) ? milliseconds(swap->gap_us) : json_null(), "total_ms",
                        milliseconds(swap->total_us), "snapshot", text_or_null(swap->snapshot));
}

json_t *render_history_json(const struct journal_swap *swaps, size_t n) {
        json_t *array = json_array();
        for (size_t i = 0; array && i < n; i++)
                if (json_array_append_new(array, swap_json(&swaps[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

json_t *render_schedule_json(const struct journal_boundary *boundaries, size_t n, uint64_t sequence,
                const json_t *pending) {
        json_t *array = json_array();
        for (size_t i = 0; array && i < n; i++) {
                const struct boundary_rule *rule = &boundaries[i].rule;
                uint64_t height = rule->unit == UNIT_HEIGHT ? rule->at : boundaries[i].height;
                const json_t *told = render_told(pending, &boundaries[i]);
                json_t *item = json_pack("{so so so so so so so so so}", "height",
                                number_or_null(height, UINT64_MAX), "unit",
                                text_json(boundary_unit_name(rule->unit)), "at",
                                number_or_null(rule->at, UINT64_MAX), "range", text_json(rule->range),
                                "mode", text_json(boundary_mode_name(rule->mode)), "from",
                                number_or_null(rule->from, BOUNDARY_NO_WINDOW), "protocol",
                                text_or_null(rule->protocol), "set_at_us",
                                number_or_null(boundaries[i].set_at, 0), "told",
                                told ? json_integer(json_integer_value(told)) : json_null());
                if (json_array_append_new(array, item) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array ? json_pack("{so so}", "sequence", number_or_null(sequence, UINT64_MAX), "boundaries",
                                       array)
                     : NULL;
}

static json_t *release_json(const struct release *release, bool is_gone) {
        json_t *files = json_array();
        for (size_t i = 0; files && i < release->n_files; i++) {
                const struct release_file *file = &release->files[i];
                char digest[65];
                sha256_format(file->sha256, digest);
                json_t *item = json_pack("{so so so so}", "path", text_json(file->path), "mode",
                                json_integer((json_int_t)file->mode), "size",
                                number_or_null(file->size, UINT64_MAX), "sha256", text_json(digest));
                if (json_array_append_new(files, item) < 0) {
                        json_decref(files);
                        return NULL;
                }
        }
        return files ? json_pack("{so so sb so}", "version", text_json(release->text), "added_at_us",
                                       number_or_null(release->added_at, 0), "files_are_gone", (int)is_gone,
                                       "files", files)
                     : NULL;
}

json_t *render_releases_json(const struct release *releases, const bool *are_gone, size_t n) {
        json_t *array = json_array();
        for (size_t i = 0; array && i < n; i++)
                if (json_array_append_new(array, release_json(&releases[i], are_gone[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}
