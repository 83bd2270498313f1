#include "boundaries.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "../lib/schedule_change.h"
#include "counters.h"
#include "events.h"
#include "following.h"
#include "gate.h"
#include "gate_check.h"
#include "journal_place.h"
#include "planning.h"
#include "probing.h"
#include "record.h"
#include "unit.h"

/* A boundary in time is placed so far ahead: the gate must be armed before it is reached. */
#define PLACED_AHEAD_US USEC_PER_SEC

static int check(struct director *director, const struct schedule_change *change, struct refusal *refusal);
static void apply(struct director *director);
static int set_timer(struct director *director);

static bool is_native(const struct director *director, const struct boundary_rule *rule) {
        return rule->unit == director->config->height.unit;
}

int boundaries_load(struct director *director) {
        _cleanup_free_ struct journal_boundary *present = NULL;
        size_t n = 0;
        uint64_t sequence = 0;
        int r = journal_boundary_list(director->journal, &present, &n, &sequence);
        if (r < 0)
                return r;
        struct schedule schedule = {0};
        for (size_t i = 0; i < n; i++) {
                const struct boundary_rule *rule = &present[i].rule;
                r = boundary_check(rule);
                if (r >= 0)
                        r = schedule_add(&schedule, rule, is_native(director, rule) ? rule->at : present[i].height, NULL);
                if (r < 0)
                        log_error("the boundary at %lu (%s) is not usable and left out: %s", rule->at, rule->range, strerror(-r));
        }
        schedule_done(&director->schedule);
        director->schedule = schedule;
        probing_units_changed(director);
        return set_timer(director);
}

int boundaries_set(struct director *director, const struct boundary_rule *rules, size_t n, uint64_t sequence,
                struct refusal *ret_refusal) {
        _cleanup_(schedule_change_done) struct schedule_change change = {.rules = rules, .n = n, .sequence = sequence};
        if (journal_place_check(director) < 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "%s", director->journal_complaint);
        int r = schedule_change_read(director->journal, &change);
        if (r >= 0 && check(director, &change, ret_refusal) < 0)
                return -1;
        if (r >= 0)
                r = schedule_change_write(director->journal, &change, director->config->height.unit, planning_height(director));
        if (r >= 0)
                r = boundaries_load(director);
        if (r < 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "the journal in %s cannot be written: %s; nothing was changed",
                                director->directories.state, strerror(-r));
        director->record.journal_was_lost = false; /* what the gate is to be set to is known again */
        apply(director);
        return 0;
}

int boundaries_remove(struct director *director, uint32_t unit, uint64_t at, struct refusal *ret_refusal) {
        const struct boundary_rule rule = {.unit = unit, .at = at, .from = BOUNDARY_NO_WINDOW};
        uint64_t height = planning_height(director);
        char point[64];
        boundary_format_point(unit, at, point, sizeof(point));
        if (is_native(director, &rule) && height != MACHINE_NO_HEIGHT && at <= height && schedule_find(&director->schedule, &rule))
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "the boundary at %s cannot go: the node is at %lu, and what has run under it cannot be undone",
                                point, height);
        if (journal_place_check(director) < 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "%s", director->journal_complaint);
        int r = journal_boundary_remove(director->journal, &rule);
        if (r == -ENOENT)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "there is no boundary at %s; see `interrex schedule show`",
                                point);
        if (r >= 0)
                r = boundaries_load(director);
        if (r < 0)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "the journal in %s cannot be written: %s",
                                director->directories.state, strerror(-r));
        apply(director);
        return 0;
}

bool boundaries_are_in_force(struct director *director, const struct boundary_rule *rules, size_t n, uint64_t sequence) {
        _cleanup_(schedule_change_done) struct schedule_change change = {.rules = rules, .n = n, .sequence = sequence};
        if (schedule_change_read(director->journal, &change) < 0 ||
                        (sequence != SCHEDULE_NO_SEQUENCE && sequence != change.document))
                return false;
        for (size_t i = 0; i < n; i++) {
                const struct journal_boundary *present = schedule_change_present(&change, &rules[i]);
                if (!present || !boundary_is_same(&present->rule, &rules[i]))
                        return false;
        }
        return true;
}

void boundaries_forget_own(struct director *director) {
        const struct boundary_rule rule = {.unit = director->config->height.unit, .at = director->swap.at_height};
        if (!director->record.boundary_is_ours || director->swap.at_height == MACHINE_NO_HEIGHT)
                return;
        (void) journal_boundary_remove(director->journal, &rule);
        (void) boundaries_load(director);
        director->record.boundary_is_ours = false;
}

static bool place(struct director *director, const struct boundary *pending, uint64_t height, uint64_t placed_at) {
        const struct boundary_rule *rule = &pending->rule;
        char point[64];
        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
        int r = journal_boundary_place(director->journal, rule, placed_at);
        if (r < 0) {
                log_errno(r, "cannot write down that the boundary at %s (%s) lies at height %lu", point, rule->range, placed_at);
                return false;
        }
        if (placed_at < height)
                log_notice("%s came before height %lu, which asks for higher versions than %s: it is taken to lie at height %lu",
                                point, placed_at + 1, rule->range, placed_at);
        else
                log_notice("%s has come: %s is asked for from height %lu on", point, rule->range, placed_at);
        return true;
}

/* True: one of the unit was placed. */
static bool place_unit(struct director *director, uint32_t unit, uint64_t told, uint64_t height, uint64_t ahead) {
        bool placed = false;
        for (size_t i = 0; i < director->schedule.n_pending; i++) {
                const struct boundary *pending = &director->schedule.pending[i];
                if (pending->rule.unit == unit && boundary_is_due(&pending->rule, told, ahead) &&
                                place(director, pending, height, schedule_place(&director->schedule, pending, height)))
                        placed = true;
        }
        if (placed && boundaries_load(director) < 0)
                log_error("the schedule cannot be read again");
        return placed;
}

bool boundaries_place_due(struct director *director, uint64_t height, uint64_t ahead) {
        uint64_t told = now_realtime() / USEC_PER_SEC;
        bool placed = place_unit(director, UNIT_TIME, told, height, ahead);
        for (uint32_t unit = UNIT_VIEW; unit <= UNIT_EPOCH; unit++)
                if (counters_value(director, unit, &told) && place_unit(director, unit, told, height, ahead))
                        placed = true;
        return placed;
}

static uint64_t blocks_within(const struct director *director, uint64_t usec) {
        const struct rate *rate = &director->rate;
        return rate->usec_per_block <= 0 ? 0 : (uint64_t) ((double) usec / rate->usec_per_block);
}

/* Of what is told from now on, while the height is known since its last poll only: a view must not be met before its time. */
static uint64_t blocks_ahead(const struct director *director) {
        uint64_t every = director->config->height.every_us;
        return 1 + blocks_within(director, every < PLACED_AHEAD_US ? PLACED_AHEAD_US - every : 0);
}

/* What was told last is old already. */
static uint64_t height_soon(const struct director *director, uint64_t height) {
        uint64_t age = director->rate.at ? now_monotonic() - director->rate.at : 0;
        return height + 2 + blocks_within(director, age + PLACED_AHEAD_US);
}

bool boundaries_would_be_due(const struct director *director, uint32_t unit, uint64_t value) {
        const struct boundary *first = schedule_first_pending(&director->schedule, unit);
        return first && boundary_is_due(&first->rule, value, blocks_ahead(director));
}

void boundaries_note_height(struct director *director, uint64_t height) {
        if (director->schedule.n_pending > 0 &&
                        boundaries_place_due(director, height_soon(director, height), blocks_ahead(director)))
                apply(director);
}

/* Where the node runs and has not told this director where it is, it may be past any height that is remembered. */
void boundaries_look(struct director *director) {
        const struct unit *unit = unit_find(director, director->record.machine.serving);
        uint64_t height = planning_height(director);
        bool may_be_past = unit && unit->is_running && unit->height == MACHINE_NO_HEIGHT;
        if (height != MACHINE_NO_HEIGHT && !may_be_past)
                boundaries_note_height(director, height);
}

/* The schedule as the change would make it. */
static int foresee(const struct director *director, const struct schedule_change *change, uint64_t height,
                struct schedule *schedule) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < change->n_present; i++) {
                const struct journal_boundary *present = &change->present[i];
                if (!schedule_change_replaces(change, present) &&
                                !schedule_change_removes(change, present, director->config->height.unit, height))
                        r = schedule_add(schedule, &present->rule,
                                        is_native(director, &present->rule) ? present->rule.at : present->height, NULL);
        }
        for (size_t i = 0; r >= 0 && i < change->n; i++) {
                const struct boundary_rule *rule = &change->rules[i];
                const struct journal_boundary *present = schedule_change_present(change, rule);
                uint64_t placed_at = present ? present->height : SCHEDULE_NO_HEIGHT;
                r = schedule_add(schedule, rule, is_native(director, rule) ? rule->at : placed_at, NULL);
        }
        return r;
}

/* The past cannot be changed: what runs must have been allowed to. */
static int check_past(struct director *director, const struct schedule_change *change, struct refusal *refusal) {
        const char *release = planning_release_of(director, director->record.machine.serving);
        _cleanup_(schedule_done) struct schedule schedule = {0};
        uint64_t height = planning_height(director);
        const struct boundary *in_force = NULL;
        const struct range *now = schedule_range_at(&director->schedule, height);
        struct version version;
        char line[BOUNDARY_TEXT_MAX] = "";
        if (height == MACHINE_NO_HEIGHT || version_parse(release, &version) < 0 ||
                        !schedule_allows(&director->schedule, &version, height) ||
                        foresee(director, change, height, &schedule) < 0 || schedule_allows(&schedule, &version, height))
                return 0;
        for (size_t i = 0; i < schedule.n && schedule.boundaries[i].height <= height; i++)
                in_force = &schedule.boundaries[i];
        if (in_force)
                boundary_format(&in_force->rule, line, sizeof(line));
        return refuse(refusal, CONTROL_ERROR_REFUSED,
                        "%s has run at height %lu, where the node is, and could not have by this schedule: \"%.200s\" would be in force "
                        "there, and nothing ahead that lets it run before; what is in force is \"%.100s\"",
                        release, height, line, now ? now->text : "*");
}

/* What was told last is old already. A node that stops by itself, or stands, does not pass it. */
int boundaries_check_near(struct director *director, const struct boundary_rule *rules, size_t n, struct refusal *ret_refusal) {
        const struct machine *machine = &director->record.machine;
        uint64_t height = planning_height(director), reached = planning_height_by_now(director);
        bool stands = director->config->gate.kind == GATE_NODE || machine->gate_was_hit || machine->phase == PHASE_HELD ||
                      planning_stands_still(director);
        struct version version;
        struct range range;
        if (stands || version_parse(planning_release_of(director, machine->serving), &version) < 0)
                return 0;
        for (size_t i = 0; i < n; i++)
                if (is_native(director, &rules[i]) && rules[i].at > height && rules[i].at <= reached &&
                                range_parse(rules[i].range, &range) >= 0 && !range_allows(&range, &version))
                        return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                        "height %lu is too near: the node was seen at %lu and may have passed it before the gate is armed",
                                        rules[i].at, height);
        return 0;
}

static int check_unit(const struct director *director, const struct boundary_rule *rule, struct refusal *refusal) {
        const char *own = boundary_unit_name(director->config->height.unit), *unit = boundary_unit_name(rule->unit);
        bool is_counter = rule->unit == UNIT_VIEW || rule->unit == UNIT_EPOCH;
        char point[64];
        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
        if (!config_tells_heights(director->config))
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "a boundary at %s cannot be kept: nothing tells where this node stands, as the configuration has neither "
                                "`height` nor `gate`; write them into it, or upgrade with --now",
                                point);
        if (is_native(director, rule) || rule->unit == UNIT_TIME)
                return 0;
        if (is_counter && counters_have_source(director, rule->unit))
                return rule->from == BOUNDARY_NO_WINDOW
                                       ? 0
                                       : refuse(refusal, CONTROL_ERROR_REFUSED,
                                                         "%s cannot have a window (from=) on this node, which counts in %ss: leave it out, or "
                                                         "give the boundary in %ss",
                                                         point, own, own);
        if (!is_counter)
                return refuse(refusal, CONTROL_ERROR_REFUSED,
                                "%s cannot be told on this node, which counts in %ss by `height.unit`: give the boundary in %ss",
                                point, own, own);
        return refuse(refusal, CONTROL_ERROR_REFUSED,
                        "%s cannot be told on this node, which counts in %ss: name in `height.units` what tells %ss, as in `units: [{unit: "
                        "%s, source: exec, command: [...]}]`, or, if its height source and its gate tell %ss, say `height: {unit: %s}`",
                        point, own, unit, unit, unit, unit);
}

/* When it comes it would be taken for one that came before what is in force by now (schedule_place()). */
static int check_order(struct director *director, const struct boundary_rule *rule, struct refusal *refusal) {
        uint64_t height = planning_height(director), told = now_realtime() / USEC_PER_SEC;
        const struct range *in_force = height == MACHINE_NO_HEIGHT ? NULL : schedule_range_at(&director->schedule, height);
        struct range range;
        char point[64];
        if (is_native(director, rule) || !in_force || range_parse(rule->range, &range) < 0 || !range_lies_below(&range, in_force) ||
                        (rule->unit != UNIT_TIME && !counters_value(director, rule->unit, &told)) || rule->at <= told)
                return 0;
        boundary_format_point(rule->unit, rule->at, point, sizeof(point));
        return refuse(refusal, CONTROL_ERROR_REFUSED,
                        "%s cannot ask for \"%.100s\", which lies below \"%.100s\" that is in force: versions go back only at a height that "
                        "is written down, give it as one",
                        point, rule->range, in_force->text);
}

/* I3: a boundary that the release which runs cannot be stopped at would be passed. */
static int check_gate(struct director *director, const struct schedule_change *change, struct refusal *refusal) {
        const struct machine *machine = &director->record.machine;
        struct version version;
        struct range range;
        char why[GATE_CHECK_TEXT_MAX];
        if (machine->current == 0 || machine->current_is_gone || version_parse(machine->current_release, &version) < 0 ||
                        gate_check_release(director, machine->current_release, NULL, why, sizeof(why)) >= 0)
                return 0;
        for (size_t i = 0; i < change->n; i++)
                if (range_parse(change->rules[i].range, &range) >= 0 && !range_allows(&range, &version))
                        return refuse(refusal, CONTROL_ERROR_REFUSED,
                                        "the gate cannot be set in release %s, which runs and would pass the boundary at %lu: %s; "
                                        "correct `gate` in the configuration, or upgrade to a release that can be stopped first",
                                        machine->current_release, change->rules[i].at, why);
        return 0;
}

static int check(struct director *director, const struct schedule_change *change, struct refusal *refusal) {
        char why[512];
        int r = schedule_change_check(change, why, sizeof(why));
        if (r < 0)
                return refuse(refusal, r == -EINVAL ? CONTROL_ERROR_USAGE : CONTROL_ERROR_REFUSED, "%s", why);
        if (check_gate(director, change, refusal) < 0)
                return -1;
        for (size_t i = 0; i < change->n; i++)
                if (check_unit(director, &change->rules[i], refusal) < 0 || check_order(director, &change->rules[i], refusal) < 0)
                        return -1;
        return check_past(director, change, refusal);
}

/* The swap that the schedule began is not what it asks for any more, and nothing has been changed for it yet. */
static bool is_obsolete(struct director *director) {
        const struct machine *machine = &director->record.machine;
        bool can_be_cancelled = machine->phase == PHASE_ARMED || machine->phase == PHASE_PREPARING ||
                                machine->phase == PHASE_GATING || machine->phase == PHASE_REHEARSING;
        return director->record.follow.is_ours && can_be_cancelled && machine->boundary != MACHINE_NO_HEIGHT &&
               (planning_allows(director, machine->current_release, machine->boundary) ||
                               !planning_allows(director, machine->candidate_release, machine->boundary));
}

/* I3: a boundary has come into the schedule that lies before the one which the swap is made ready for, and must be passed first. From
 * then on what was asked for is the schedule's to ask for, as the boundary stays in it. */
static bool is_overtaken(struct director *director) {
        const struct machine *machine = &director->record.machine;
        bool is_prepared = machine->phase == PHASE_PREPARING || machine->phase == PHASE_GATING;
        uint64_t height = planning_height(director);
        struct version version;
        return is_prepared && !machine->gate_was_hit && machine->boundary != MACHINE_NO_HEIGHT && height != MACHINE_NO_HEIGHT &&
               version_parse(machine->current_release, &version) >= 0 &&
               schedule_first_denied(&director->schedule, &version, height + 1) < machine->boundary;
}

void boundaries_cancel_obsolete(struct director *director) {
        struct machine_event cancel = {.type = EVENT_CANCEL, .text = "the schedule was changed"};
        if (is_overtaken(director)) {
                director->record.boundary_is_ours = false;
                director->record.follow.is_ours = true;
                cancel.text = "another boundary has come into the schedule before it";
                (void) events_feed(director, &cancel);
                return;
        }
        if (is_obsolete(director))
                (void) events_feed(director, &cancel);
}

static void apply(struct director *director) {
        const struct machine *machine = &director->record.machine;
        /* A row of the machine would say that the node has been started. */
        if (!director->has_resumed)
                return;
        boundaries_cancel_obsolete(director);
        /* What failed under another schedule may be what this one asks for. */
        director->record.follow.n_failed = 0;
        director->record.follow.went_back = false;
        (void) record_write(director, &director->record);
        if (machine->phase == PHASE_RUNNING || machine->phase == PHASE_ARMED)
                (void) gate_arm(director, machine->current, planning_gate_height_now(director, machine->current));
        else
                gate_follow_schedule(director); /* I3: in probation as well */
        following_evaluate(director);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        boundaries_look(userdata);
        return 0;
}

/* For the next boundary in time. Without a height none can be placed: the first one that is told does it. */
static int set_timer(struct director *director) {
        uint64_t next = UINT64_MAX;
        for (size_t i = 0; i < director->schedule.n_pending; i++)
                if (director->schedule.pending[i].rule.unit == UNIT_TIME && director->schedule.pending[i].rule.at < next)
                        next = director->schedule.pending[i].rule.at;
        director->boundary_timer = sd_event_source_disable_unref(director->boundary_timer);
        if (next == UINT64_MAX || next > UINT64_MAX / USEC_PER_SEC)
                return 0;
        return sd_event_add_time(director->event, &director->boundary_timer, CLOCK_REALTIME, next * USEC_PER_SEC, USEC_PER_MSEC,
                        on_time, director);
}
