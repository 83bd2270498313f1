#include "following.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "gate_users.h"
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
        if (!director->has_resumed || director->schedule.n == 0)
                return;
        if (director->follow_source)
                (void) sd_event_source_set_enabled(director->follow_source, SD_EVENT_ONESHOT);
        else
                INVARIANT(sd_event_add_defer(director->event, &director->follow_source, on_evaluate, director) >= 0);
}

/* What an operator began is his to try again. */
static void note_failure(struct follow *follow, const char *release, bool may_be_tried_again) {
        uint32_t i = 0;
        while (i < follow->n_failed && strcmp(follow->failed[i].release, release) != 0)
                i++;
        if (i == FOLLOW_FAILED_MAX)
                return;
        if (i == follow->n_failed) {
                text_copy(follow->failed[i].release, sizeof(follow->failed[i].release), release);
                follow->failed[i].tries = 0;
                follow->n_failed++;
        }
        follow->failed[i].tries = may_be_tried_again ? follow->failed[i].tries + 1 : FOLLOW_TRIES_MAX;
}

void following_note(struct follow *follow, const struct machine *before, const struct machine *after,
                const struct machine_event *event) {
        bool was_held = before->phase == PHASE_HELD, is_held = after->phase == PHASE_HELD;
        bool ran = before->phase == PHASE_RUNNING || before->phase == PHASE_STARTING;
        if (is_held && ran && event->type == EVENT_GATE_HIT)
                follow->held_at = event->height + 1;
        /* Not on a state that must not be gone on from. */
        else if (is_held && !was_held && before->breaking && before->boundary != MACHINE_NO_HEIGHT && !before->must_not_run)
                follow->held_at = before->boundary;
        if (before->kind == SWAP_NONE || after->kind != SWAP_NONE)
                return;
        if (after->outcome == OUTCOME_COMMITTED)
                *follow = (struct follow){.held_at = MACHINE_NO_HEIGHT};
        else if (before->kind == SWAP_UPGRADE)
                note_failure(follow, before->candidate_release, follow->is_ours && after->outcome != OUTCOME_CANCELLED);
        follow->is_ours = false;
}

static uint32_t tries_of(const struct follow *follow, const char *release) {
        for (uint32_t i = 0; i < follow->n_failed; i++)
                if (strcmp(follow->failed[i].release, release) == 0)
                        return follow->failed[i].tries;
        return follow->n_failed == FOLLOW_FAILED_MAX ? FOLLOW_TRIES_MAX : 0; /* so many in a row need a person */
}

/* The highest release that may run at the height; those that were tried least go before the others. */
static int pick(struct director *director, uint64_t height, char *release, size_t size, uint32_t *ret_tries) {
        struct release *releases = NULL;
        size_t n = 0;
        int r = release_list(director->releases_dir, &releases, &n), best = -1;
        if (r < 0)
                return r;
        _cleanup_free_ struct version *versions = calloc(n + 1, sizeof(*versions));
        _cleanup_free_ size_t *of = calloc(n + 1, sizeof(*of));
        uint32_t tries = 0;
        for (; versions && of && best < 0 && tries < FOLLOW_TRIES_MAX; tries += best < 0) {
                size_t n_left = 0;
                for (size_t i = 0; i < n; i++)
                        if (tries_of(&director->record.follow, releases[i].text) == tries) {
                                of[n_left] = i;
                                versions[n_left++] = releases[i].version;
                        }
                best = schedule_select(&director->schedule, versions, n_left, height);
        }
        if (best >= 0) {
                text_copy(release, size, releases[of[best]].text);
                *ret_tries = tries;
        }
        release_list_free(releases, n);
        return best < 0 ? -ENOENT : 0;
}

int following_pick(struct director *director, uint64_t height, char *release, size_t size) {
        uint32_t tries;
        return pick(director, height, release, size, &tries);
}

bool following_describe(struct director *director, uint64_t height, char *text, size_t size) {
        char release[MACHINE_RELEASE_MAX];
        uint32_t tries;
        const struct range *range = schedule_range_at(&director->schedule, height);
        const struct follow *follow = &director->record.follow;
        if (pick(director, height, release, sizeof(release), &tries) >= 0) {
                (void) snprintf(text, size, "the schedule asks for %s at height %lu", range ? range->text : "any release", height);
                return true;
        }
        (void) snprintf(text, size,
                        "the schedule asks for \"%s\" at height %lu, and no release here is in that range%s%s%s: add one with "
                        "`interrex release add %s VERSION PATH`, and it is started at once",
                        range ? range->text : "*", height, follow->n_failed ? " but " : "",
                        follow->n_failed ? follow->failed[follow->n_failed - 1].release : "",
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

static void say_missing(struct director *director, uint64_t height) {
        char text[MACHINE_REASON_MAX];
        if (director->missing_said_for == height)
                return;
        director->missing_said_for = height;
        (void) following_describe(director, height, text, sizeof(text));
        log_warning("%s", text);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) usec;
        director->retry_timer = sd_event_source_disable_unref(director->retry_timer);
        director->retry_is_due = true;
        following_evaluate(director);
        return 0;
}

/* What failed once may have failed by chance (the node was killed, the machine went down), but not at once again. */
static bool must_wait(struct director *director, uint32_t tries) {
        const struct machine_settings *settings = &director->settings;
        if (tries == 0 || director->retry_is_due)
                return false;
        size_t i = tries - 1 < settings->n_backoff ? tries - 1 : settings->n_backoff - 1;
        uint64_t delay = settings->n_backoff == 0 ? USEC_PER_SEC : settings->backoff_us[i];
        return director->retry_timer || sd_event_add_time_relative(director->event, &director->retry_timer, CLOCK_MONOTONIC, delay,
                                                        0, on_retry, director) >= 0;
}

static void begin(struct director *director, uint64_t height, bool is_there) {
        char release[MACHINE_RELEASE_MAX];
        uint32_t tries;
        struct refusal refusal = {0};
        if (pick(director, height, release, sizeof(release), &tries) < 0) {
                say_missing(director, height);
                return;
        }
        if (must_wait(director, tries))
                return;
        director->retry_is_due = false;
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
        if (event->len > 0)
                gate_users_forget(director, event->name);
        director->missing_said_for = 0;
        following_evaluate(director);
        return 0;
}
