#include "planning.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "../lib/release.h"
#include "boundaries.h"
#include "busy.h"
#include "events.h"
#include "gate.h"
#include "gate_check.h"
#include "gate_node.h"
#include "jobs.h"
#include "journal_place.h"
#include "record.h"
#include "unit.h"

#define NEAR_US (15 * USEC_PER_SEC)
/* The rate is a mean of so many intervals between observations, and nothing is refused for one of a few: the first may have been
 * seen just before a block. */
#define RATE_INTERVALS 10
#define RATE_INTERVALS_FEW 4
/* Blocks come at random, and are seen when the height is asked for. */
#define STILL_BLOCKS 10
#define STILL_POLLS 3
#define STILL_US (10 * USEC_PER_SEC)

static int refuse_busy(const struct director *director, struct refusal *refusal) {
        return busy_refuse(&director->record.machine, director->config->node, director->settings.give_up_after, refusal);
}

static bool is_idle(const struct director *director) {
        return director->record.machine.phase == PHASE_RUNNING ||
               (director->record.machine.phase == PHASE_HELD && !director->record.machine.state_is_old);
}

/* It cannot start, and waits for its next try. */
static bool waits_for_try(const struct director *director) {
        const struct machine *machine = &director->record.machine;
        return machine->phase == PHASE_BACKOFF && machine->kind == SWAP_NONE && machine->current_is_gone;
}

bool planning_allows(const struct director *director, const char *release, uint64_t height) {
        struct version version;
        return version_parse(release, &version) >= 0 && schedule_allows(&director->schedule, &version, height);
}

uint64_t planning_height(struct director *director) {
        const struct record *record = &director->record;
        struct unit *unit = unit_find(director, record->machine.serving);
        uint64_t held_at = record->follow.held_at;
        if (unit && unit->height != MACHINE_NO_HEIGHT)
                return unit->height;
        if (record->machine.phase == PHASE_HELD && record->follow.found_at != MACHINE_NO_HEIGHT)
                return record->follow.found_at;
        bool has_gone_past = record->last_height != MACHINE_NO_HEIGHT && record->last_height >= held_at;
        /* Where it is held is certain: what was polled last may be some blocks old, or of a state that was put back. */
        if (held_at != MACHINE_NO_HEIGHT && !has_gone_past)
                return held_at - 1;
        /* Without a rate it has not spoken since the director or the node was started. */
        return director->rate.at ? director->rate.height : record->last_height;
}

static uint64_t next_height(struct director *director) {
        uint64_t height = planning_height(director);
        return height == MACHINE_NO_HEIGHT ? 0 : height + 1;
}

static int check_release(struct director *director, const char *version, struct refusal *refusal) {
        struct release release = {0};
        struct version parsed;
        char here[RELEASE_HERE_MAX];
        if (version_parse(version, &parsed) < 0)
                return refuse(refusal, CONTROL_ERROR_USAGE, "%.100s is not a version; write it like 1.7.1", version);
        int r = release_load(director->releases_dir, version, &release);
        release_done(&release);
        if (r == -ENOENT)
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "release %.100s is not here (%s); add it with `interrex release add %s %.100s PATH`", version,
                                release_here(director->releases_dir, here, sizeof(here)), director->config->node, version);
        if (r < 0)
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "release %.100s cannot be read (%s); add it again with `interrex release add %s %.100s PATH`",
                                version, strerror(-r), director->config->node, version);
        return 0;
}

/* What was polled last is old already. */
uint64_t planning_height_by_now(struct director *director) {
        uint64_t seen = planning_height(director);
        if (seen == MACHINE_NO_HEIGHT || director->rate.n < RATE_INTERVALS_FEW)
                return 0;
        return seen + 1 + (uint64_t) ((double) (now_monotonic() - director->rate.at) / director->rate.usec_per_block);
}

static int check_height(struct director *director, uint64_t height, struct refusal *refusal) {
        uint64_t now = planning_height(director);
        if (director->config->gate.kind == GATE_NONE)
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "the configuration has no `gate`, so nothing can stop the node at height %lu; add one, or use --now",
                                height);
        if (height == 0 || (now != MACHINE_NO_HEIGHT && height <= now))
                return refuse(refusal, CONTROL_ERROR_REFUSED, "height %lu is not ahead: the node is at %lu", height, now);
        if (height <= planning_height_by_now(director))
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "height %lu is too near: the node was seen at %lu and may have passed it before the gate is armed",
                                height, now);
        return 0;
}

/* Puts ">=VERSION" at the height if the schedule has nothing there. */
static int make_boundary(struct director *director, const char *version, uint64_t height, struct refusal *refusal) {
        struct boundary_rule rule = {.unit = director->config->height.unit, .at = height, .from = BOUNDARY_NO_WINDOW};
        const struct boundary *next = height > 0 ? schedule_next(&director->schedule, height - 1) : NULL;
        director->record.boundary_is_ours = false;
        if (next && next->height == height)
                return 0;
        (void) snprintf(rule.range, sizeof(rule.range), ">=%.120s", version);
        if (boundaries_set(director, &rule, 1, SCHEDULE_NO_SEQUENCE, refusal) < 0)
                return -1;
        director->record.boundary_is_ours = true;
        return 0;
}

static int refuse_unwritten(const struct director *director, struct refusal *refusal) {
        return refuse(refusal, CONTROL_ERROR_REFUSED,
                        "the journal in %s cannot be written, and nothing is begun that is not in it: make room there, then ask again",
                        director->directories.state);
}

/* REFERENCE is the next height: whether the release in force may run there decides what a failure goes back to. */
static int begin_swap(struct director *director, enum machine_event_type type, const char *kind, const char *to, uint64_t height,
                uint64_t reference, uint64_t *ret_swap, struct refusal *refusal) {
        const struct machine *machine = &director->record.machine;
        struct journal_swap swap = {.at_height = director->record.follow.is_ours ? reference : height,
                        .started_at = now_realtime()};
        uint64_t before = director->record.swap;
        if (journal_place_check(director) < 0)
                return refuse(refusal, CONTROL_ERROR_REFUSED, "%s", director->journal_complaint);
        text_copy(swap.kind, sizeof(swap.kind), kind);
        text_copy(swap.from, sizeof(swap.from), machine->current_release);
        text_copy(swap.to, sizeof(swap.to), to);
        text_copy(swap.mode, sizeof(swap.mode), director->settings.overlap ? "overlap" : "exclusive");
        text_copy(swap.snapshot, sizeof(swap.snapshot), director->record.snapshot_kind);
        /* The swap and the machine's first row about it are one transaction: a director that dies in between leaves none. */
        director->is_in_transaction = journal_begin(director->journal) >= 0;
        if (!director->is_in_transaction || journal_swap_begin(director->journal, &swap, &swap.id) < 0) {
                journal_abort(director->journal);
                director->is_in_transaction = false;
                return refuse_unwritten(director, refusal);
        }
        director->record.swap = swap.id;
        director->swap = swap;
        director->record.prepare_began_at = now_monotonic();
        if (!machine_is_in_gap(machine))
                director->record.gap_began_at = 0;
        struct machine_event event = {.type = type,
                        .height = height,
                        .text = to,
                        .flag = !planning_allows(director, machine->current_release, reference)};
        int r = events_feed(director, &event);
        if (r == 1) {
                *ret_swap = swap.id;
                if (director->record.machine.phase == PHASE_ARMED && planning_is_near(director))
                        (void) events_feed_about(director, EVENT_NEAR, machine->current, NULL);
                return 0;
        }
        if (director->is_in_transaction)
                journal_abort(director->journal);
        director->is_in_transaction = false;
        director->record.swap = before;
        if (r == -ENOSPC)
                return refuse_unwritten(director, refusal);
        if (r == -EPERM)
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "the node is held because %.100s must not run on the state as it is: upgrade to a release that may, with "
                                "--now; if the schedule is wrong, change it with `interrex schedule set` or `remove`; if the state is right "
                                "for %.100s, say so with `interrex accept-state`",
                                machine->current_release, machine->current_release);
        if (r == -EDEADLK)
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "generation %lu was killed and does not end: a process in it waits in the kernel (often for a disk "
                                "or a network file system); nothing is begun before it has ended",
                                machine->stuck);
        return r == -EBUSY ? refuse_busy(director, refusal)
                           : refuse(refusal, CONTROL_ERROR_REFUSED, "the node is %s: nothing can be swapped now",
                                             machine_phase_for_status(machine->phase));
}

/* Names the release at hand that would do. */
static int refuse_version(struct director *director, const char *text, uint64_t height, struct refusal *ret_refusal) {
        struct release *releases = NULL;
        struct version version;
        size_t n = 0;
        char why[400];
        (void) release_list(director->releases_dir, &releases, &n);
        _cleanup_free_ struct version *versions = calloc(n + 1, sizeof(*versions));
        for (size_t i = 0; versions && i < n; i++)
                versions[i] = releases[i].version;
        release_list_free(releases, n);
        if (!versions || version_parse(text, &version) < 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "the schedule does not allow %.60s at height %lu", text, height);
        schedule_refusal(&director->schedule, &version, height, versions, n, why, sizeof(why));
        return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "%s; see `interrex schedule show`", why);
}

int planning_upgrade(struct director *director, const char *version, uint64_t height, bool now, uint64_t *ret_swap,
                struct refusal *ret_refusal) {
        if (!is_idle(director) && !(now && waits_for_try(director)))
                return refuse_busy(director, ret_refusal);
        if (check_release(director, version, ret_refusal) < 0)
                return -1;
        if (director->record.machine.phase == PHASE_RUNNING && strcmp(version, director->record.machine.current_release) == 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "%s runs already; to start it anew use `interrex restart`",
                                version);
        if (now)
                height = MACHINE_NO_HEIGHT;
        else if (check_height(director, height, ret_refusal) < 0)
                return -1;
        ret_refusal->name = CONTROL_ERROR_REFUSED;
        if (gate_check_upgrade(director, version, height, ret_refusal->text, sizeof(ret_refusal->text)) < 0)
                return -1;
        if (!now && director->config->rehearses_at_gate && !director->settings.snapshot)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "it could not be rehearsed at the gate, as `rehearse: at-gate` asks for: no snapshot can be taken: %s",
                                director->snapshot_reason);
        if (!now && make_boundary(director, version, height, ret_refusal) < 0)
                return -1;
        uint64_t reference = now ? next_height(director) : height;
        if (now && planning_height(director) == MACHINE_NO_HEIGHT && director->schedule.n > 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "where the node stands is not known, so the schedule cannot say whether %.60s may run: %s", version,
                                config_tells_heights(director->config)
                                                ? "wait until its height is told"
                                                : "the configuration has neither `height` nor `gate`, so take the boundaries out with "
                                                  "`interrex schedule remove`");
        if (!planning_allows(director, version, reference))
                return refuse_version(director, version, reference, ret_refusal);
        jobs_plan_snapshot(director);
        return begin_swap(director, EVENT_UPGRADE, "upgrade", version, height, reference, ret_swap, ret_refusal);
}

int planning_follow(struct director *director, const char *version, uint64_t height, bool is_there, struct refusal *ret_refusal) {
        uint64_t swap;
        ret_refusal->name = CONTROL_ERROR_REFUSED;
        if (gate_check_follow(director, version, is_there, ret_refusal->text, sizeof(ret_refusal->text)) < 0)
                return -1;
        director->record.boundary_is_ours = false;
        director->record.follow.is_ours = true;
        jobs_plan_snapshot(director);
        int r = begin_swap(director, EVENT_UPGRADE, "upgrade", version, is_there ? MACHINE_NO_HEIGHT : height, height, &swap,
                        ret_refusal);
        director->record.follow.is_ours = r >= 0;
        return r;
}

int planning_rollback(struct director *director, uint64_t *ret_swap, struct refusal *ret_refusal) {
        const struct machine *machine = &director->record.machine;
        if (machine->kind != SWAP_NONE) {
                struct machine_event event = {.type = EVENT_ROLLBACK};
                *ret_swap = director->record.swap;
                return events_feed(director, &event) == 1 ? 0 : refuse_busy(director, ret_refusal);
        }
        if (!is_idle(director) && !waits_for_try(director))
                return refuse_busy(director, ret_refusal);
        if (*machine->previous_release == '\0')
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "there is nothing further back than %s: no upgrade came before it, or it was rolled back to; for another "
                                "release use `interrex upgrade %s VERSION --now`",
                                machine->current_release, director->config->node);
        if (check_release(director, machine->previous_release, ret_refusal) < 0)
                return -1;
        if (!planning_allows(director, machine->previous_release, next_height(director)))
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "the schedule does not allow %s at height %lu: going back would run the wrong version",
                                machine->previous_release, next_height(director));
        return begin_swap(director, EVENT_ROLLBACK, "rollback", machine->previous_release, MACHINE_NO_HEIGHT, next_height(director),
                        ret_swap, ret_refusal);
}

int planning_restart(struct director *director, uint64_t *ret_swap, struct refusal *ret_refusal) {
        const struct machine *machine = &director->record.machine;
        if (!is_idle(director))
                return refuse_busy(director, ret_refusal);
        if (*machine->current_release == '\0')
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "which release runs is not known, so it cannot be started anew: name it, with `interrex upgrade %s "
                                "VERSION --now`",
                                director->config->node);
        if (!planning_allows(director, machine->current_release, next_height(director)))
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "the schedule does not allow %s at height %lu; upgrade instead",
                                machine->current_release, next_height(director));
        return begin_swap(director, EVENT_RESTART, "restart", machine->current_release, MACHINE_NO_HEIGHT, next_height(director),
                        ret_swap, ret_refusal);
}

int planning_cancel(struct director *director, struct refusal *ret_refusal) {
        const struct machine *machine = &director->record.machine;
        struct machine_event event = {.type = EVENT_CANCEL};
        if (machine->kind == SWAP_NONE)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "nothing is armed");
        /* It would be armed again at once, or the node held. */
        if (!machine->past_fence && machine->boundary != MACHINE_NO_HEIGHT && !director->record.boundary_is_ours &&
                        !planning_allows(director, machine->current_release, machine->boundary))
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "the schedule does not allow %.100s at height %lu, whether the upgrade is cancelled or not: first take that "
                                "out with `interrex schedule remove %s %lu`, or have it allowed with `interrex schedule set`",
                                machine->current_release, machine->boundary, director->config->node, machine->boundary);
        return events_feed(director, &event) == 1 ? 0 : refuse_busy(director, ret_refusal);
}

int planning_first_release(struct director *director, char *release, size_t size, char *why, size_t why_size) {
        struct release *releases = NULL;
        size_t n = 0;
        int r = release_list(director->releases_dir, &releases, &n);
        const char *wanted = director->config->release;
        if (r >= 0 && !wanted && n == 1)
                wanted = releases[0].text;
        char here[RELEASE_HERE_MAX];
        bool found = false;
        for (size_t i = 0; r >= 0 && wanted && i < n; i++)
                found = found || strcmp(releases[i].text, wanted) == 0;
        if (found)
                text_copy(release, size, wanted);
        else if (r >= 0 && n == 0)
                (void) snprintf(why, why_size, "no release is here yet; add one with `interrex release add %s VERSION PATH`",
                                director->config->node);
        else if (r >= 0 && wanted)
                (void) snprintf(why, why_size,
                                "release %s from the configuration is not here (%s); add it with `interrex release add %s %s PATH`",
                                wanted, release_here(director->releases_dir, here, sizeof(here)), director->config->node, wanted);
        else
                (void) snprintf(why, why_size,
                                "%zu releases are here and nothing says which one starts: write `release:` into the configuration",
                                n);
        release_list_free(releases, n);
        return found ? 0 : -ENOENT;
}

const char *planning_release_of(const struct director *director, uint64_t generation) {
        const struct machine *machine = &director->record.machine;
        return generation == machine->candidate && generation != 0 ? machine->candidate_release : machine->current_release;
}

uint64_t planning_gate_height(struct director *director, uint64_t generation, uint64_t wanted) {
        struct unit *unit = unit_find(director, generation);
        struct version version;
        if (director->config->gate.kind == GATE_NONE || version_parse(planning_release_of(director, generation), &version) < 0)
                return MACHINE_NO_HEIGHT;
        bool is_known = unit && unit->height != MACHINE_NO_HEIGHT;
        bool may_be_old = state_signs(&director->config->state) && director->record.last_height != MACHINE_NO_HEIGHT &&
                          generation == director->record.machine.current;
        uint64_t denied = schedule_first_denied(&director->schedule, &version, is_known ? unit->height + 1 : 0);
        /* What was remembered of the state may be wrong (it may have been put back): the first block tells where it stands. */
        if (!is_known && (denied != UINT64_MAX || may_be_old))
                return PLANNING_FIRST_BLOCK;
        return denied < wanted ? denied : wanted;
}

uint64_t planning_gate_height_now(struct director *director, uint64_t generation) {
        const struct machine *machine = &director->record.machine;
        return planning_gate_height(director, generation, generation == machine->current ? machine->boundary : MACHINE_NO_HEIGHT);
}

/* What ended the swap may not have been written down; and after a reboot the clock has started anew. */
static bool measure_gap(struct director *director) {
        uint64_t began_at = director->record.gap_began_at, now = now_monotonic();
        if (began_at == 0 || began_at > now || director->swap.id == 0 || director->swap.ended_at != 0)
                return false;
        uint64_t gap_us = now - began_at;
        director->swap.gap_us = gap_us > director->swap.gap_us ? gap_us : director->swap.gap_us;
        return true;
}

bool planning_end_gap(struct director *director) {
        bool was_measured = measure_gap(director);
        director->record.gap_began_at = 0;
        return was_measured;
}

void planning_note_in_swap(struct director *director, const char *note) {
        struct journal_swap *swap = &director->swap;
        if (director->record.machine.kind == SWAP_NONE || swap->id != director->record.swap || swap->ended_at != 0)
                return;
        text_copy(swap->reason, sizeof(swap->reason), note);
        if (journal_swap_update(director->journal, swap) < 0)
                log_warning("that could not be written to the journal, and is not told with swap %lu", swap->id);
}

void planning_finish_swap(struct director *director, const char *outcome, const char *reason) {
        struct journal_swap *swap = &director->swap;
        (void) measure_gap(director); /* which goes on where nobody is about to be flipped to */
        swap->ended_at = now_realtime();
        swap->total_us = swap->ended_at > swap->started_at ? swap->ended_at - swap->started_at : 0;
        text_copy(swap->outcome, sizeof(swap->outcome), outcome);
        /* What was noted while it was under way stands behind why it ended so. */
        char noted[sizeof(swap->reason)];
        text_copy(noted, sizeof(noted), swap->reason);
        (void) snprintf(swap->reason, sizeof(swap->reason), "%.300s%s%.200s", reason, *reason && *noted ? "; " : "", noted);
        if (journal_swap_update(director->journal, swap) < 0)
                log_error("the end of swap %lu (%s) could not be written to the journal", swap->id, outcome);
        log_notice("%s %s -> %s: %s%s%s", swap->kind, swap->from, swap->to, outcome, *swap->reason ? ": " : "", swap->reason);
}

void planning_note_height(struct director *director, uint64_t height) {
        struct rate *rate = &director->rate;
        uint64_t now = now_monotonic();
        /* In the gap of a swap the chain stood still. */
        bool is_same = rate->generation == director->record.machine.serving;
        rate->generation = director->record.machine.serving;
        if (rate->at && is_same && height > rate->height) {
                double usec = (double) (now - rate->at) / (double) (height - rate->height);
                double off = usec > rate->usec_per_block ? usec - rate->usec_per_block : rate->usec_per_block - usec;
                rate->n += rate->n < RATE_INTERVALS;
                rate->deviation = rate->n > 1 ? rate->deviation + (off - rate->deviation) / rate->n : 0;
                rate->usec_per_block += (usec - rate->usec_per_block) / rate->n;
        }
        if (!rate->at || !is_same || height != rate->height) {
                rate->height = height;
                rate->at = now;
        }
}

uint64_t planning_eta(struct director *director, uint64_t height) {
        uint64_t now = planning_height(director);
        if (now == MACHINE_NO_HEIGHT || height <= now)
                return now == MACHINE_NO_HEIGHT ? USEC_INFINITY : 0;
        if (director->rate.usec_per_block <= 0)
                return USEC_INFINITY;
        return (uint64_t) ((double) (height - now) * director->rate.usec_per_block);
}

bool planning_stands_still(const struct director *director) {
        const struct rate *rate = &director->rate;
        if (!rate->at || rate->usec_per_block <= 0)
                return false;
        double patience =
                        STILL_BLOCKS * rate->usec_per_block + (double) (STILL_POLLS * director->config->height.every_us + STILL_US);
        return (double) (now_monotonic() - rate->at) > patience;
}

bool planning_is_near(struct director *director) {
        if (gate_node_must_renew(director))
                return false;
        return planning_is_near_to(director, director->record.machine.boundary);
}

bool planning_is_near_to(struct director *director, uint64_t boundary) {
        uint64_t height = planning_height(director);
        if (height == MACHINE_NO_HEIGHT || boundary <= height + PLANNING_NEAR_BLOCKS)
                return true;
        uint64_t eta = planning_eta(director, boundary);
        return eta != USEC_INFINITY && eta <= NEAR_US;
}

void planning_note_lock(struct director *director) {
        if (director->record.takes_lock)
                return;
        director->record.takes_lock = true;
        (void) record_write(director, &director->record);
}

void planning_recover_unit(struct director *director, struct unit *unit, const struct keeper_generation *known) {
        text_copy(unit->release, sizeof(unit->release), planning_release_of(director, unit->generation));
        bool waits = unit->generation == director->record.machine.candidate && !director->record.machine.overlap;
        unit->fence = waits && !known->is_past_fence ? MACHINE_WAIT_AT_FENCE : MACHINE_PASS_AT_ONCE;
        unit->was_proved = unit->generation == director->record.machine.serving;
        unit->was_recovered = true;
}
