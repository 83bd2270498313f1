#include "following.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "planning.h"
#include "unit.h"
#include <sys/inotify.h>

static int on_evaluate(sd_event_source *source, void *userdata);
static int on_releases_changed(sd_event_source *source, const struct inotify_event *event, void *userdata);

int following_open(struct director *director) {
        /* A release is renamed into its place when it is complete. */
        int r = sd_event_add_inotify(director->event, &director->releases_source, director->releases_dir,
                        IN_MOVED_TO | IN_CREATE | IN_ONLYDIR, on_releases_changed, director);
        return r < 0 ? log_errno(r, "cannot watch the releases in %s: one that is added is not noticed by itself",
                                       director->releases_dir)
                     : 0;
}

void following_evaluate(struct director *director) {
        if (!director->has_resumed)
                return;
        if (director->follow_source)
                (void) sd_event_source_set_enabled(director->follow_source, SD_EVENT_ONESHOT);
        else
                INVARIANT(sd_event_add_defer(director->event, &director->follow_source, on_evaluate, director) >= 0);
}

static void note_failure(struct follow *follow, const char *release) {
        for (uint32_t i = 0; i < follow->n_failed; i++)
                if (strcmp(follow->failed[i], release) == 0)
                        return;
        if (follow->n_failed < FOLLOW_FAILED_MAX)
                text_copy(follow->failed[follow->n_failed++], sizeof(follow->failed[0]), release);
}

void following_note(struct follow *follow, const struct machine *before, const struct machine *after,
                const struct machine_event *event) {
        bool was_held = before->phase == PHASE_HELD, is_held = after->phase == PHASE_HELD;
        if (is_held && !was_held && event->type == EVENT_GATE_HIT)
                follow->held_at = event->height + 1;
        else if (is_held && !was_held && before->breaking && before->boundary != MACHINE_NO_HEIGHT)
                follow->held_at = before->boundary;
        if (before->kind == SWAP_NONE || after->kind != SWAP_NONE)
                return;
        if (after->outcome == OUTCOME_COMMITTED)
                *follow = (struct follow){.held_at = MACHINE_NO_HEIGHT};
        else if (before->kind == SWAP_UPGRADE)
                note_failure(follow, before->candidate_release);
}

static bool has_failed(const struct follow *follow, const char *release) {
        if (follow->n_failed == FOLLOW_FAILED_MAX)
                return true; /* so many in a row need a person */
        for (uint32_t i = 0; i < follow->n_failed; i++)
                if (strcmp(follow->failed[i], release) == 0)
                        return true;
        return false;
}

/* The highest release that may run at the height and was not tried in vain. */
static int pick(struct director *director, uint64_t height, char *release, size_t size) {
        struct release *releases = NULL;
        size_t n = 0, n_left = 0;
        int r = release_list(director->releases_dir, &releases, &n);
        if (r < 0)
                return r;
        _cleanup_free_ struct version *versions = calloc(n + 1, sizeof(*versions));
        _cleanup_free_ size_t *of = calloc(n + 1, sizeof(*of));
        for (size_t i = 0; versions && of && i < n; i++)
                if (!has_failed(&director->record.follow, releases[i].text)) {
                        of[n_left] = i;
                        versions[n_left++] = releases[i].version;
                }
        int best = versions && of ? schedule_select(&director->schedule, versions, n_left, height) : -1;
        if (best >= 0)
                text_copy(release, size, releases[of[best]].text);
        release_list_free(releases, n);
        return best < 0 ? -ENOENT : 0;
}

bool following_describe(struct director *director, uint64_t height, char *text, size_t size) {
        char release[MACHINE_RELEASE_MAX];
        const struct range *range = schedule_range_at(&director->schedule, height);
        const struct follow *follow = &director->record.follow;
        if (pick(director, height, release, sizeof(release)) >= 0) {
                (void) snprintf(text, size, "the schedule asks for %s at height %lu", range ? range->text : "any release", height);
                return true;
        }
        (void) snprintf(text, size,
                        "the schedule asks for \"%s\" at height %lu, and no release here is in that range%s%s%s: add one with "
                        "`interrex release add %s VERSION PATH`, and it is started at once",
                        range ? range->text : "*", height, follow->n_failed ? " but " : "",
                        follow->n_failed ? follow->failed[follow->n_failed - 1] : "",
                        follow->n_failed ? ", which has been tried in vain" : "", director->config->node);
        return false;
}

/* The release in force may go no further: HEIGHT is the first that it must not begin. */
static uint64_t next_denied(struct director *director) {
        const struct machine *machine = &director->record.machine;
        struct unit *unit = unit_find(director, machine->current);
        struct version version;
        if (!unit || unit->height == MACHINE_NO_HEIGHT || version_parse(machine->current_release, &version) < 0)
                return MACHINE_NO_HEIGHT;
        return schedule_first_denied(&director->schedule, &version, unit->height + 1);
}

static void begin(struct director *director, uint64_t height, bool is_there) {
        char release[MACHINE_RELEASE_MAX];
        struct refusal refusal = {0};
        if (pick(director, height, release, sizeof(release)) < 0) {
                char text[MACHINE_REASON_MAX];
                if (director->missing_said_for == height)
                        return;
                director->missing_said_for = height;
                (void) following_describe(director, height, text, sizeof(text));
                log_warning("%s", text);
                return;
        }
        if (planning_follow(director, release, height, is_there, &refusal) < 0)
                log_warning("cannot go on to %s at height %lu as the schedule asks: %s", release, height, refusal.text);
}

static int on_evaluate(sd_event_source *source, void *userdata) {
        struct director *director = userdata;
        const struct machine *machine = &director->record.machine;
        (void) source;
        if (machine->phase == PHASE_HELD && director->record.follow.held_at != MACHINE_NO_HEIGHT)
                begin(director, director->record.follow.held_at, true);
        else if (machine->phase == PHASE_RUNNING && director->config->gate.kind != GATE_NONE) {
                uint64_t height = next_denied(director);
                if (height != MACHINE_NO_HEIGHT && planning_is_near_to(director, height))
                        begin(director, height, false);
        }
        return 0;
}

static int on_releases_changed(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) event;
        director->missing_said_for = 0;
        following_evaluate(director);
        return 0;
}
