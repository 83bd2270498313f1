#include "following.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "boundaries.h"
#include "failures.h"
#include "gate_check.h"
#include "gate_node.h"
#include "gate_users.h"
#include "planning.h"
#include "record.h"
#include "unit.h"
#include "verification.h"
#include <sodium.h>
#include <sys/inotify.h>
#include <systemd/sd-id128.h>

/* In which the last try of a release is looked for. */
#define SWAPS_LOOKED_THROUGH 32

/* Names this use of the machine's id, which is not to be told elsewhere. */
#define ROLLING_ID SD_ID128_MAKE(3e, 58, 1d, 6c, 0a, 41, 4e, 7b, 92, 55, c8, 77, 1f, 0e, b3, 9d)

static int on_evaluate(sd_event_source *source, void *userdata);
static int on_releases_changed(sd_event_source *source, const struct inotify_event *event, void *userdata);

/* Two nodes of one role go over at different heights of a window, and one node always at the same. */
static uint64_t rolling_seed(const struct director *director) {
        sd_id128_t machine = SD_ID128_NULL;
        uint64_t seed;
        (void) sd_id128_get_machine_app_specific(ROLLING_ID, &machine); /* without one, nodes of one name go over together */
        (void) crypto_generichash((unsigned char *) &seed, sizeof(seed), (const unsigned char *) director->config->node,
                        strlen(director->config->node), machine.bytes, sizeof(machine.bytes));
        return seed;
}

int following_open(struct director *director) {
        director->rolling_seed = rolling_seed(director);
        /* A release is renamed into its place when it is complete. */
        int r = sd_event_add_inotify(director->event, &director->releases_source, director->releases_dir,
                        IN_MOVED_TO | IN_CREATE | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR, on_releases_changed, director);
        return r < 0 ? log_errno(r, "cannot watch the releases in %s: one that is added is not noticed by itself",
                                       director->releases_dir)
                     : 0;
}

void following_evaluate(struct director *director) {
        bool is_followed = director->schedule.n + director->schedule.n_pending > 0;
        bool is_held = director->record.follow.held_at != MACHINE_NO_HEIGHT;
        if (!director->has_resumed || (!is_followed && !is_held && director->config->gate.kind != GATE_NODE))
                return;
        if (director->follow_source)
                (void) sd_event_source_set_enabled(director->follow_source, SD_EVENT_ONESHOT);
        else
                INVARIANT(sd_event_add_defer(director->event, &director->follow_source, on_evaluate, director) >= 0);
}

void following_note(struct follow *follow, const struct machine *before, const struct machine *after,
                const struct machine_event *event) {
        bool was_held = before->phase == PHASE_HELD, is_held = after->phase == PHASE_HELD;
        bool has_overshot = event->type == EVENT_GATE_HIT && event->height >= before->boundary;
        if (event->type == EVENT_STATE_ACCEPTED)
                follow->held_at = follow->found_at = MACHINE_NO_HEIGHT;
        /* What an operator ended is his to try again; where interrex itself cancels, it says why. */
        if (event->type == EVENT_ROLLBACK || (event->type == EVENT_CANCEL && !event->text))
                follow->is_ours = false;
        bool ran = before->phase == PHASE_RUNNING || before->phase == PHASE_STARTING || before->phase == PHASE_BACKOFF;
        if (after->phase == PHASE_RUNNING || after->phase == PHASE_ARMED)
                follow->found_at = MACHINE_NO_HEIGHT;
        if (event->type == EVENT_GATE_HIT && event->generation == before->candidate && event->flag)
                follow->found_at = event->height;
        if (is_held && ran && event->type == EVENT_GATE_HIT)
                follow->held_at = event->height + 1;
        /* Not on a state that must not be gone on from. */
        else if (is_held && !was_held && before->breaking && before->boundary != MACHINE_NO_HEIGHT && !before->must_not_run &&
                        !has_overshot)
                follow->held_at = before->boundary;
        if (before->kind == SWAP_NONE || after->kind != SWAP_NONE)
                return;
        if (after->outcome == OUTCOME_COMMITTED)
                *follow = (struct follow){.held_at = MACHINE_NO_HEIGHT,
                                .found_at = MACHINE_NO_HEIGHT,
                                .went_back = before->kind == SWAP_ROLLBACK};
        else if (before->kind == SWAP_UPGRADE || follow->is_ours)
                failures_note(follow, before->candidate_release, follow->is_ours, event->type == EVENT_VERIFY_FAILED);
        follow->is_ours = false;
}

/* The index of the highest of those that were tried so often, may run at the height and can be gated, as they must be when they
 * start; *UNFIT: of the highest that cannot, unless there is one already. */
static int pick_tried(struct director *director, const struct release *releases, size_t n, uint32_t tries, uint64_t height,
                const struct range *also, int *unfit) {
        _cleanup_free_ struct version *versions = calloc(n + 1, sizeof(*versions));
        _cleanup_free_ int *of = calloc(n + 1, sizeof(*of));
        char why[GATE_CHECK_TEXT_MAX];
        size_t n_left = 0;
        for (size_t i = 0; versions && of && i < n; i++)
                if (failures_of(&director->record.follow, releases[i].text) == tries) {
                        of[n_left] = (int) i;
                        versions[n_left++] = releases[i].version;
                }
        for (int best; n_left > 0 && (best = schedule_select(&director->schedule, versions, n_left, height, also)) >= 0;) {
                if (gate_check_release(director, releases[of[best]].text, NULL, why, sizeof(why)) >= 0)
                        return of[best];
                *unfit = *unfit < 0 ? of[best] : *unfit;
                n_left--;
                of[best] = of[n_left];
                versions[best] = versions[n_left];
        }
        return -ENOENT;
}

/* The highest release that may run at the height, and is in ALSO where that is not NULL; those that were tried least go before the
 * others. 1: only such that cannot be gated are left, and RELEASE is the highest of them. */
static int pick(struct director *director, uint64_t height, const struct range *also, char *release, size_t size,
                uint32_t *ret_tries) {
        struct release *releases = NULL;
        size_t n = 0;
        int r = release_list(director->releases_dir, &releases, &n), best = -1, unfit = -1;
        if (r < 0)
                return r;
        uint32_t tries = 0;
        for (; best < 0 && tries < FOLLOW_TRIES_MAX; tries += best < 0)
                best = pick_tried(director, releases, n, tries, height, also, &unfit);
        r = best >= 0 ? 0 : unfit >= 0 ? 1 : -ENOENT;
        if (r >= 0) {
                text_copy(release, size, releases[r == 0 ? best : unfit].text);
                *ret_tries = tries;
        }
        release_list_free(releases, n);
        return r;
}

int following_pick(struct director *director, uint64_t height, char *release, size_t size) {
        uint32_t tries;
        return pick(director, height, NULL, release, size, &tries);
}

/* Below the height of one that has none, anything of its range will do that is allowed now. */
int following_pick_for(struct director *director, const struct boundary *boundary, char *release, size_t size) {
        struct release *releases = NULL;
        size_t n = 0;
        int best = -1;
        if (boundary->height != SCHEDULE_NO_HEIGHT)
                return following_pick(director, boundary->height, release, size);
        int r = release_list(director->releases_dir, &releases, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (range_allows(&boundary->range, &releases[i].version) &&
                                (best < 0 || version_compare(&releases[i].version, &releases[best].version) > 0))
                        best = (int) i;
        if (best >= 0)
                text_copy(release, size, releases[best].text);
        release_list_free(releases, n);
        return r < 0 ? r : best < 0 ? -ENOENT : 0;
}

/* " (last in swap 7, 2026-11-25 09:44 UTC)"; empty where the journal does not tell. */
static void describe_last_try(const struct director *director, const char *release, char *text, size_t size) {
        _cleanup_free_ struct journal_swap *swaps = NULL;
        size_t n = 0;
        char at[32];
        struct tm utc;
        text[0] = '\0';
        if (journal_swap_list(director->journal, SWAPS_LOOKED_THROUGH, &swaps, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                time_t ended_at = (time_t) (swaps[i].ended_at / USEC_PER_SEC);
                if (strcmp(swaps[i].to, release) != 0 || swaps[i].ended_at == 0 || !gmtime_r(&ended_at, &utc) ||
                                strftime(at, sizeof(at), "%Y-%m-%d %H:%M UTC", &utc) == 0)
                        continue;
                (void) snprintf(text, size, " (last in swap %lu, %s)", swaps[i].id, at);
                return;
        }
}

void following_describe_missing(struct director *director, const struct range *range, char *text, size_t size) {
        const char *tried = failures_given_up(&director->record.follow, range), *node = director->config->node;
        char when[80];
        if (!tried) {
                (void) snprintf(text, size, "no release here is in that range: add one with `interrex release add %s VERSION PATH`",
                                node);
                return;
        }
        describe_last_try(director, tried, when, sizeof(when));
        (void) snprintf(text, size,
                        "no release here is in that range but %s, which has been tried in vain%s: try it again with `interrex upgrade "
                        "%s %s --now`, or add another with `interrex release add %s VERSION PATH`",
                        tried, when, node, tried, node);
}

bool following_describe(struct director *director, uint64_t height, char *text, size_t size) {
        char release[MACHINE_RELEASE_MAX];
        uint32_t tries;
        const struct range *range = schedule_range_at(&director->schedule, height);
        char why[GATE_CHECK_TEXT_MAX] = "", missing[MACHINE_REASON_MAX];
        int r = pick(director, height, NULL, release, sizeof(release), &tries);
        if (r == 0) {
                (void) snprintf(text, size, "the schedule asks for %s at height %lu", range ? range->text : "any release", height);
                return true;
        }
        if (r > 0) {
                (void) gate_check_release(director, release, NULL, why, sizeof(why));
                (void) snprintf(text, size,
                                "the schedule asks for \"%s\" at height %lu, but the gate cannot be set in release %s: %s",
                                range ? range->text : "*", height, release, why);
                return false;
        }
        following_describe_missing(director, range, missing, sizeof(missing));
        (void) snprintf(text, size, "the schedule asks for \"%s\" at height %lu, and %s, and it is started at once",
                        range ? range->text : "*", height, missing);
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

/* ALSO: the range of a boundary ahead, whose window is open; what is missing for it is not missing yet. False: no release is here. */
static bool begin(struct director *director, uint64_t height, bool is_there, const struct range *also) {
        char release[MACHINE_RELEASE_MAX];
        uint32_t tries;
        struct refusal refusal = {0};
        if (pick(director, height, also, release, sizeof(release), &tries) != 0) {
                if (!also)
                        say_missing(director, height);
                return false;
        }
        if (must_wait(director, tries))
                return true;
        director->retry_is_due = false;
        if (planning_follow(director, release, height, is_there, &refusal) >= 0 || director->missing_said_for == height)
                return true;
        director->missing_said_for = height;
        log_warning("cannot go on to %s at height %lu as the schedule asks: %s", release, height, refusal.text);
        return true;
}

/* A boundary ahead may be passed early: this node goes over at a height of its own in the window, so that not all of a role are
 * away at once. True: it has done so or will. */
static bool roll(struct director *director) {
        const struct machine *machine = &director->record.machine;
        uint64_t height = planning_height(director);
        char release[MACHINE_RELEASE_MAX];
        uint32_t tries;
        struct version version;
        if (director->record.follow.went_back || height == MACHINE_NO_HEIGHT ||
                        version_parse(machine->current_release, &version) < 0)
                return false;
        const struct boundary *boundary = schedule_window_ahead(&director->schedule, &version, height + 1);
        if (!boundary)
                return false;
        uint64_t point = schedule_rolling_point(&director->schedule, boundary, director->rolling_seed);
        if (height + 1 >= point)
                return begin(director, height + 1, true, &boundary->range);
        /* This is asked at each block: the releases are looked at only where it matters whether one is here. */
        return !planning_is_near_to(director, boundary->height) ||
               pick(director, point, &boundary->range, release, sizeof(release), &tries) == 0;
}

/* The boundary that it is held at was taken out of the schedule, or allows the release that is held by now. */
static bool goes_on_as_it_was(struct director *director) {
        const struct machine *machine = &director->record.machine;
        const struct follow *follow = &director->record.follow;
        struct refusal refusal = {0};
        uint64_t swap;
        bool may_run = !machine->must_not_run || machine->may_serve;
        if (machine->phase != PHASE_HELD || follow->held_at == MACHINE_NO_HEIGHT || !may_run ||
                        !planning_allows(director, machine->current_release, follow->held_at))
                return false;
        uint32_t tries = failures_of(follow, machine->current_release);
        if (tries >= FOLLOW_TRIES_MAX || must_wait(director, tries))
                return true;
        director->retry_is_due = false;
        log_info("the schedule allows %s at height %lu now: it goes on", machine->current_release, follow->held_at);
        director->record.follow.is_ours = true;
        if (planning_restart(director, &swap, &refusal) < 0) {
                director->record.follow.is_ours = false;
                log_warning("%s cannot go on: %s", machine->current_release, refusal.text);
        }
        return true;
}

static int on_evaluate(sd_event_source *source, void *userdata) {
        struct director *director = userdata;
        const struct machine *machine = &director->record.machine;
        (void) source;
        boundaries_cancel_obsolete(director);
        if (gate_node_renew(director))
                return 0;
        if (goes_on_as_it_was(director))
                return 0;
        if (machine->phase == PHASE_HELD && director->record.follow.held_at != MACHINE_NO_HEIGHT)
                (void) begin(director, director->record.follow.held_at, true, NULL);
        else if (machine->phase == PHASE_RUNNING && !roll(director) && director->config->gate.kind != GATE_NONE) {
                uint64_t height = next_denied(director);
                if (height != MACHINE_NO_HEIGHT && planning_is_near_to(director, height))
                        (void) begin(director, height, false, NULL);
        }
        return 0;
}

/* Else a release that was refused for want of a signature would not be tried any more when that comes. */
static void forgive(struct director *director, const char *file) {
        struct record next = director->record;
        if (!failures_forgive(&next.follow, file))
                return;
        int r = record_write(director, &next);
        if (r < 0)
                log_errno(r, "that %s may be tried again could not be written to the journal", file);
        director->record = next;
        log_info("%s is new: the release that was refused for what it was is tried again", file);
}

static int on_releases_changed(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        struct director *director = userdata;
        (void) source;
        verification_look(director);
        if ((event->mask & (IN_MOVED_TO | IN_CREATE)) == 0)
                return 0;
        if (event->len > 0)
                gate_users_forget(director, event->name);
        if (event->len > 0 && (event->mask & IN_MOVED_TO))
                forgive(director, event->name);
        director->missing_said_for = 0;
        gate_check_forget(director);
        following_evaluate(director);
        return 0;
}
