#include "plan.h"

#include "../lib/release.h"
#include "ahead.h"
#include "counters.h"
#include "failures.h"
#include "following.h"
#include "gate.h"
#include "gate_check.h"
#include "outlook.h"
#include "planning.h"
#include "release_trust.h"
#include "signing.h"
#include "status.h"
#include "unit.h"
#include <jansson.h>

#define BOUNDARIES_SHOWN 20
/* The rate is a mean over the last twenty blocks or so: its own error is about a quarter of what one block deviates. */
#define ERROR_OF_MEAN 0.25

static json_t *plan_boundary(struct director *director, const struct ahead_item *item, char *before);
static json_t *time_of(uint64_t blocks, double usec_per_block);

char *plan_text(struct director *director) {
        uint64_t height = planning_height(director);
        json_t *object = json_object(), *boundaries = json_array();
        char before[MACHINE_RELEASE_MAX], warning[700], unstartable[700];
        _cleanup_(ahead_done) struct ahead ahead = {0};
        const char *runs = outlook_release(director);
        text_copy(before, sizeof(before), runs);
        int r = ahead_list(director, &ahead);
        for (size_t i = 0; r >= 0 && i < ahead.n && i < BOUNDARIES_SHOWN; i++)
                (void) json_array_append_new(boundaries, plan_boundary(director, &ahead.items[i], before));
        (void) json_object_set_new(object, "node", json_string(director->config->node));
        (void) json_object_set_new(object, "release", json_string(runs));
        (void) json_object_set_new(object, "in_probation", json_boolean(outlook_is_in_probation(director)));
        outlook_put(director, object);
        (void) json_object_set_new(object, "height", height == MACHINE_NO_HEIGHT ? json_null() : json_integer((json_int_t) height));
        (void) json_object_set_new(object, "block_s",
                        planning_stands_still(director) ? json_null() : time_of(1, director->rate.usec_per_block));
        (void) json_object_set_new(object, "state_directory",
                        director->state_directory ? json_string(director->state_directory) : json_null());
        (void) json_object_set_new(object, "signer_warning",
                        signing_describe(director, warning, sizeof(warning)) ? json_string(warning) : json_null());
        (void) json_object_set_new(object, "release_problem",
                        status_describe_unstartable(director, unstartable, sizeof(unstartable)) ? json_string(unstartable)
                                                                                                : json_null());
        (void) json_object_set_new(object, "boundaries", boundaries);
        char *text = r < 0 ? NULL : json_dumps(object, JSON_INDENT(2));
        json_decref(object);
        return text;
}

static json_t *time_of(uint64_t blocks, double usec_per_block) {
        if (usec_per_block <= 0)
                return json_null();
        return json_real((double) blocks * usec_per_block / (double) USEC_PER_SEC);
}

static void put_time(struct director *director, json_t *object, uint64_t boundary) {
        uint64_t height = planning_height(director);
        bool is_known = !outlook_stands(director) && height != MACHINE_NO_HEIGHT && height < boundary;
        double error = director->rate.deviation * ERROR_OF_MEAN;
        (void) json_object_set_new(object, "eta_s",
                        is_known ? time_of(boundary - height, director->rate.usec_per_block) : json_null());
        (void) json_object_set_new(object, "eta_error_s", is_known ? time_of(boundary - height, error) : json_null());
}

static void problem(json_t *problems, const char *format, ...) _printf_(2, 3);

static void problem(json_t *problems, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;
        va_start(arguments, format);
        int n = vasprintf(&text, format, arguments);
        va_end(arguments);
        (void) json_array_append_new(problems, json_string(n < 0 ? "out of memory" : text));
}

static void check_rehearsal(struct director *director, const char *name, json_t *problems) {
        char reason[MACHINE_REASON_MAX], day[32] = "";
        uint64_t at;
        struct tm broken_down;
        if (!release_failed_rehearsal(director->releases_dir, name, reason, sizeof(reason), &at))
                return;
        time_t seconds = (time_t) (at / USEC_PER_SEC);
        if (localtime_r(&seconds, &broken_down))
                (void) strftime(day, sizeof(day), "%Y-%m-%d %H:%M", &broken_down);
        problem(problems,
                        "release %s failed its rehearsal on %s: %s; rehearse it again with `interrex rehearse %s %s`, or add another",
                        name, day, reason, director->config->node, name);
}

/* What an operator has armed all the same is his to try again. */
static void check_failures(struct director *director, const char *name, bool is_armed, json_t *problems) {
        uint32_t n = failures_of(&director->record.follow, name);
        const char *node = director->config->node;
        if (n > 0 && n < FOLLOW_TRIES_MAX)
                problem(problems,
                                "release %s has failed %u time%s already, and is tried %u time%s more by itself: see why with `interrex report "
                                "%s`, or add another",
                                name, n, n == 1 ? "" : "s", FOLLOW_TRIES_MAX - n, FOLLOW_TRIES_MAX - n == 1 ? "" : "s", node);
        else if (n > 0 && !is_armed)
                problem(problems,
                                "release %s has been tried in vain, and is not tried again by itself: try it again with `interrex upgrade %s "
                                "%s --now`, or add another with `interrex release add %s VERSION PATH`",
                                name, node, name, node);
}

/* The next boundary after this one needs the gate in this release as well. */
static void check_release(struct director *director, const char *name, json_t *object, json_t *problems) {
        struct release release = {0};
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        char digest[65], why[GATE_CHECK_TEXT_MAX];
        if (release_load(director->releases_dir, name, &release) < 0) {
                problem(problems, "release %s cannot be read: add it again with `interrex release add %s %s PATH`", name,
                                director->config->node, name);
                return;
        }
        int r = release_open_command(director->releases_dir, &release, director->config->exec.command, &path, &fd);
        if (r < 0)
                problem(problems, "release %s has no command %s that can be run: %s", name, director->config->exec.command,
                                strerror(-r));
        else if (gate_check_release(director, name, NULL, why, sizeof(why)) < 0)
                problem(problems, "the gate cannot be set in release %s: %s", name, why);
        for (size_t i = 0; i < release.n_files; i++)
                if (release.n_files == 1 || strcmp(release.files[i].path, director->config->exec.command) == 0) {
                        sha256_format(release.files[i].sha256, digest);
                        (void) json_object_set_new(object, "sha256", json_string(digest));
                }
        (void) json_object_set_new(object, "rehearsed", json_boolean(release_was_rehearsed(director->releases_dir, name)));
        check_rehearsal(director, name, problems);
        (void) json_object_set_new(object, "signed", json_boolean(release_is_signed(director->releases_dir, name)));
        if (release_trust_problem(director, name, why, sizeof(why)))
                problem(problems, "%s", why);
        release_done(&release);
}

/* Where in its window this node passes the boundary, or at once; its own height where that is not done. */
static uint64_t goes_over_at(struct director *director, const struct ahead_item *item) {
        const struct boundary *boundary = item->boundary;
        uint64_t height = planning_height(director), next = height == MACHINE_NO_HEIGHT ? 0 : height + 1;
        bool has_window = boundary->height != SCHEDULE_NO_HEIGHT || boundary->is_open;
        if (!has_window || item->is_armed || director->record.follow.went_back)
                return boundary->height;
        uint64_t point = schedule_rolling_point(&director->schedule, boundary, director->rolling_seed);
        return point > next ? point : next;
}

/* BEFORE is the release that it stops there. */
static void put_gate(struct director *director, const struct ahead_item *item, const char *before, json_t *object,
                json_t *problems) {
        uint64_t height = item->boundary->height;
        char text[GATE_CHECK_TEXT_MAX], failure[GATE_CHECK_TEXT_MAX];
        const char *function = "";
        enum gate_kind kind = director->config->gate.kind;
        gate_describe(director, before, height, text, sizeof(text));
        (void) json_object_set_new(object, "gate", json_string(gate_kind_name(kind)));
        (void) json_object_set_new(object, "gate_is_exact", json_boolean(gate_is_exact(director, before)));
        (void) json_object_set_new(object, "gate_promise", json_string(text));
        if (goes_over_at(director, item) != height)
                gate_describe_failure_in_window(before, height, failure, sizeof(failure));
        else
                gate_describe_failure(director, before, height, failure, sizeof(failure));
        (void) json_object_set_new(object, "on_failure", json_string(failure));
        if (kind == GATE_NONE || gate_check_breaking(director, before, text, sizeof(text)) < 0)
                problem(problems, "%s", text);
        if (gate_check_release(director, before, &function, text, sizeof(text)) < 0)
                problem(problems, "the gate cannot be set in release %s, which it is to stop there: %s", before, text);
        (void) json_object_set_new(object, "gate_function", *function ? json_string(function) : json_null());
}

static void put_counter(struct director *director, const struct boundary_rule *rule, json_t *object) {
        uint64_t told, age, eta = outlook_stands(director) ? USEC_INFINITY : counters_eta(director, rule);
        bool is_told = counters_last(director, rule->unit, &told, &age);
        (void) json_object_set_new(object, "unit", json_string(boundary_unit_name(rule->unit)));
        (void) json_object_set_new(object, "told", is_told ? json_integer((json_int_t) told) : json_null());
        (void) json_object_set_new(object, "eta_s", outlook_seconds(eta));
}

/* What of it is known where: a boundary in time, a view or an epoch has no height yet. */
static void put_rule(struct director *director, const struct ahead_item *item, json_t *object) {
        const struct boundary *boundary = item->boundary;
        const struct boundary_rule *rule = &boundary->rule;
        bool is_placed = boundary->height != SCHEDULE_NO_HEIGHT;
        char point[64];
        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
        (void) json_object_set_new(object, "height", is_placed ? json_integer((json_int_t) boundary->height) : json_null());
        (void) json_object_set_new(object, "point", json_string(point));
        (void) json_object_set_new(object, "range", json_string(boundary->range.text));
        (void) json_object_set_new(object, "mode", json_string(boundary_mode_name(rule->mode)));
        (void) json_object_set_new(object, "protocol", *rule->protocol ? json_string(rule->protocol) : json_null());
        uint64_t from = is_placed ? schedule_window_start(&director->schedule, boundary) : SCHEDULE_NO_HEIGHT;
        uint64_t rolls_at = goes_over_at(director, item);
        (void) json_object_set_new(object, "from", from < boundary->height ? json_integer((json_int_t) from) : json_null());
        (void) json_object_set_new(object, "rolls_at", from < boundary->height ? json_integer((json_int_t) rolls_at) : json_null());
        if (is_placed)
                put_time(director, object, boundary->height);
        else if (rule->unit == UNIT_TIME) {
                double ahead = (double) rule->at - (double) now_realtime() / (double) USEC_PER_SEC;
                (void) json_object_set_new(object, "eta_s", json_real(ahead > 0 ? ahead : 0));
        } else
                put_counter(director, rule, object);
}

static void check_told(struct director *director, const struct boundary *boundary, json_t *problems) {
        char text[COUNTERS_PROBLEM_MAX];
        counters_problem(director, boundary->rule.unit, text, sizeof(text));
        if (boundary->height == SCHEDULE_NO_HEIGHT && *text)
                problem(problems, "%s", text);
}

/* BEFORE is the release that it finds, and then the one that the next will find. */
static json_t *plan_boundary(struct director *director, const struct ahead_item *item, char *before) {
        const struct boundary *boundary = item->boundary;
        json_t *object = json_object(), *problems = json_array();
        char release[MACHINE_RELEASE_MAX], old[MACHINE_RELEASE_MAX], missing[MACHINE_REASON_MAX];
        struct version version;
        bool stays = !item->is_armed && version_parse(before, &version) >= 0 &&
                     (item->is_overtaken || range_allows(&boundary->range, &version));
        text_copy(old, sizeof(old), before);
        if (item->is_armed)
                text_copy(release, sizeof(release), director->record.machine.candidate_release);
        put_rule(director, item, object);
        if (stays)
                (void) json_object_set_new(object, "release", json_string(old));
        else if (item->is_armed || following_pick_for(director, boundary, release, sizeof(release)) >= 0) {
                (void) json_object_set_new(object, "release", json_string(release));
                check_release(director, release, object, problems);
                check_failures(director, release, item->is_armed, problems);
                text_copy(before, MACHINE_RELEASE_MAX, release);
        } else {
                (void) json_object_set_new(object, "release", json_null());
                following_describe_missing(director, &boundary->range, missing, sizeof(missing));
                problem(problems, "it asks for \"%s\", and %s", boundary->range.text, missing);
        }
        (void) json_object_set_new(object, "is_swap", json_boolean(!stays));
        if (!stays && *old) /* else nothing has run yet that is to stop there, or to come back */
                put_gate(director, item, old, object, problems);
        check_told(director, boundary, problems);
        (void) json_object_set_new(object, "snapshot",
                        *director->record.snapshot_kind ? json_string(director->record.snapshot_kind) : json_null());
        (void) json_object_set_new(object, "ok", json_boolean(json_array_size(problems) == 0));
        (void) json_object_set_new(object, "problems", problems);
        return object;
}
