#include "gate_node.h"

#include "../lib/log.h"
#include "events.h"
#include "gate.h"
#include "planning.h"
#include "record.h"
#include "unit.h"
#include <limits.h>

/* No node makes blocks faster than this from its start on. */
#define USEC_PER_BLOCK_LEAST 2500
/* So much may a file's time lie behind the clock. */
#define CLOCK_GRAIN_US (20 * USEC_PER_MSEC)

static const struct gate_halt *halt_of(const struct director *director, uint64_t generation);
static uint64_t given_to(const struct director *director, uint64_t generation);
static uint64_t told_by(const struct director *director, uint64_t generation);
static uint64_t wanted_for(struct director *director, uint64_t generation);
static bool may_not_begin(struct director *director, uint64_t generation, uint64_t height);
static int note_given(struct director *director, uint64_t generation, uint64_t height);
static int fill_in(const char *argument, uint64_t height, char ***arguments);
static void hear(struct director *director, uint64_t generation, uint64_t height, bool is_line);
static bool may_have_reached(const struct director *director, const struct unit *unit, uint64_t seen, enum halting_grant grant,
                uint64_t last);
static bool can_have_made(const struct director *director, const struct unit *unit, uint64_t from, uint64_t height);
static void wait_standing(struct director *director);

int gate_node_arguments(struct director *director, uint64_t generation, char ***ret_arguments) {
        char *const *texts = director->config->gate.args;
        _cleanup_strv_ char **arguments = NULL;
        if (director->config->gate.kind != GATE_NODE)
                return 0;
        /* Cut off it gets no block. */
        bool is_told = texts && generation != director->record.machine.cut_off;
        uint64_t height = is_told ? wanted_for(director, generation) : MACHINE_NO_HEIGHT;
        int r = note_given(director, generation, height);
        for (; r >= 0 && height != MACHINE_NO_HEIGHT && *texts; texts++)
                r = fill_in(*texts, height, &arguments);
        if (r >= 0)
                *ret_arguments = TAKE_POINTER(arguments);
        return r;
}

/* True: *RET_GIVEN is where it stops by itself, *RET_WANTED where it should. */
static bool find_other_height(struct director *director, uint64_t *ret_given, uint64_t *ret_wanted) {
        const struct machine *machine = &director->record.machine;
        const struct unit *unit = unit_find(director, machine->current);
        bool runs = machine->phase == PHASE_RUNNING || machine->phase == PHASE_ARMED;
        if (director->config->gate.kind != GATE_NODE || !director->config->gate.args || !runs || machine->must_not_run || !unit ||
                        !unit->is_running || unit->height == MACHINE_NO_HEIGHT)
                return false;
        *ret_given = given_to(director, machine->current);
        *ret_wanted = wanted_for(director, machine->current);
        /* Where it is too late for that, it is stopped as soon as its height is seen. */
        return *ret_given != *ret_wanted && *ret_wanted > unit->height + 1;
}

void gate_node_begins(struct director *director, uint64_t height) {
        if (director->config->gate.kind == GATE_NODE)
                director->record.last_height = height;
}

bool gate_node_must_renew(struct director *director) {
        uint64_t given, wanted;
        return find_other_height(director, &given, &wanted);
}

bool gate_node_renew(struct director *director) {
        uint64_t given, wanted;
        char text[160];
        if (!find_other_height(director, &given, &wanted))
                return false;
        if (wanted != MACHINE_NO_HEIGHT)
                (void) snprintf(text, sizeof(text), "it is started anew so that it stops by itself before height %lu", wanted);
        else
                (void) snprintf(text, sizeof(text), "it is started anew so that it does not stop before height %lu", given);
        return events_feed_about(director, EVENT_RENEW, director->record.machine.current, text) == 1;
}

static void write_down(struct director *director, uint64_t generation, uint64_t before) {
        if (record_write(director, &director->record) < 0)
                log_error("that generation %lu stops before height %lu could not be written to the journal", generation, before);
}

void gate_node_note(struct director *director, uint64_t generation, uint64_t before) {
        struct gate_halt *halt = &director->record.halts[generation % MACHINE_SLOTS];
        if (halt->generation != generation || halt->stops_before == before)
                return;
        halt->stops_before = before;
        write_down(director, generation, before);
}

static void note_doubted(struct director *director, uint64_t generation, uint64_t before) {
        struct gate_halt *halt = &director->record.halts[generation % MACHINE_SLOTS];
        if (halt->generation != generation || halt->doubted == before)
                return;
        halt->doubted = before;
        write_down(director, generation, before);
}

static void believe(struct director *director, struct unit *unit, uint64_t boundary) {
        gate_node_note(director, unit->generation, boundary);
        /* Where no height was heard of it the gate stands at its first block still. */
        uint64_t armed_at = gate_height(director, unit->generation);
        if (unit->height == MACHINE_NO_HEIGHT && armed_at != MACHINE_NO_HEIGHT && armed_at != boundary &&
                        wanted_for(director, unit->generation) == boundary)
                (void) gate_arm(director, unit->generation, boundary); /* which tells of it */
        else if (armed_at == boundary)
                events_gate_hit(director, unit->generation, boundary - 1);
}

void gate_node_resume(struct director *director) {
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                uint64_t before = unit->generation != 0 ? told_by(director, unit->generation) : MACHINE_NO_HEIGHT;
                if (before != MACHINE_NO_HEIGHT && unit->is_running)
                        believe(director, unit, before);
        }
}

void gate_node_wrote(struct director *director, uint64_t height, uint64_t written_at) {
        const struct machine *machine = &director->record.machine;
        const struct gate_halt *halt = halt_of(director, machine->current);
        if (director->config->gate.kind != GATE_NODE || !halt || written_at + CLOCK_GRAIN_US < halt->started_at)
                return;
        if (unit_find(director, machine->current))
                hear(director, machine->current, height, false);
        else if (machine->phase == PHASE_BACKOFF && height > 0 && height == wanted_for(director, machine->current) &&
                        may_have_reached(director, NULL, director->record.last_height, HALTING_PACE, height - 1))
                events_gate_hit_later(director, machine->current, height - 1);
}

void gate_node_told(struct director *director, uint64_t generation, uint64_t height) {
        hear(director, generation, height, true);
}

/* From here on it is looked at whether the generation stops as it was said to. */
static void keep_word(struct unit *unit, uint64_t before, bool is_line) {
        unit->word = (struct halting_word){.before = before, .at = now_monotonic(), .is_line = is_line, .height = unit->height};
}

void gate_node_recover(struct director *director, struct unit *unit) {
        const struct gate_halt *halt = halt_of(director, unit->generation);
        if (director->config->gate.kind != GATE_NODE || !halt || halt->stops_before != MACHINE_NO_HEIGHT ||
                        halt->doubted == MACHINE_NO_HEIGHT)
                return;
        keep_word(unit, halt->doubted, true);
        wait_standing(director);
}

/* What is kept already, or must be kept instead. */
static bool is_idle_word(const struct unit *unit, uint64_t before, bool is_line, uint64_t boundary) {
        const struct halting_word *word = &unit->word;
        bool is_known = word->before == before && !is_line, is_about_another = word->is_line && word->before == boundary;
        return is_known || (is_about_another && before != boundary && word->before != MACHINE_NO_HEIGHT);
}

/* A file is written when the upgrade is planned as well as when the node stops; a line is about the stop, but anybody's text may be in
 * the log. */
static void hear(struct director *director, uint64_t generation, uint64_t height, bool is_line) {
        struct unit *unit = unit_find(director, generation);
        if (director->config->gate.kind != GATE_NODE || !unit || height == 0 || height > HEIGHT_MAX)
                return;
        uint64_t boundary = gate_height(director, generation);
        /* One node tells the last height that it has, another one the first that it has not. */
        bool is_last = height + 1 == boundary || height + 1 == given_to(director, generation);
        uint64_t before = is_last ? height + 1 : height;
        uint64_t seen = unit->height != MACHINE_NO_HEIGHT ? unit->height : director->record.last_height;
        bool is_there = is_line ? can_have_made(director, unit, seen, before - 1)
                                : may_have_reached(director, unit, seen, HALTING_PACE, before - 1);
        if (told_by(director, generation) == before || (!is_there && is_idle_word(unit, before, is_line, boundary)))
                return;
        bool is_new = unit->word.before != before;
        keep_word(unit, before, is_line);
        if (is_there) {
                log_info("generation %lu says that it stops before height %lu%s", generation, before,
                                boundary == before || wanted_for(director, generation) == before
                                                ? ""
                                                : ", where the schedule has no boundary for it");
                believe(director, unit, before);
                return;
        }
        if (is_line)
                note_doubted(director, generation, before);
        if (is_line || unit->height == MACHINE_NO_HEIGHT)
                wait_standing(director);
        if (is_new)
                log_notice("generation %lu is said to stop before height %lu, but was at %lu when last seen: it runs on until it is "
                           "there%s",
                                generation, before, seen, is_line ? ", makes no blocks any more, or ends" : "");
}

bool gate_node_weigh(struct director *director, struct unit *unit) {
        struct halting_word *word = &unit->word;
        if (director->config->gate.kind != GATE_NODE || word->before == MACHINE_NO_HEIGHT || !unit->is_running ||
                        told_by(director, unit->generation) == word->before)
                return false;
        bool was_refuted = halting_is_refuted(word);
        if (unit->height != MACHINE_NO_HEIGHT)
                halting_see(word, unit->height);
        if (!was_refuted && halting_is_refuted(word) && word->is_line)
                log_notice("generation %lu makes blocks still, at height %lu: it did not stop before height %lu when that was said",
                                unit->generation, unit->height, word->before);
        if (!halting_stands(word, &unit->known, director->rate.usec_per_block, now_monotonic()))
                return false;
        log_warning("generation %lu is said to stop before height %lu, and %s: it is taken as stopped", unit->generation,
                        word->before,
                        unit->height == MACHINE_NO_HEIGHT ? "does not tell where it is" : "is not seen to make blocks any more");
        believe(director, unit, word->before);
        return true;
}

/* True: it is as good as said. */
static bool stands_as_given(struct director *director, struct unit *unit) {
        uint64_t boundary = gate_height(director, unit->generation);
        if (boundary == MACHINE_NO_HEIGHT || unit->height + 1 != boundary || given_to(director, unit->generation) != boundary)
                return false;
        if (now_monotonic() - unit->known.moved_at < HALTING_STANDING_US) {
                wait_standing(director);
                return false;
        }
        log_warning("generation %lu was started so that it stops before height %lu, has committed the one before, and neither says "
                    "that it has stopped nor ends: it is taken as stopped",
                        unit->generation, boundary);
        return true;
}

static int on_standing(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) usec;
        director->standing_timer = sd_event_source_disable_unref(source);
        struct unit *unit = unit_find(director, director->record.machine.current);
        if (!unit || !unit->is_running || gate_node_weigh(director, unit))
                return 0;
        if (stands_as_given(director, unit)) {
                believe(director, unit, gate_height(director, unit->generation));
                return 0;
        }
        const struct halting_word *word = &unit->word;
        bool is_open = word->before != MACHINE_NO_HEIGHT && told_by(director, unit->generation) != word->before;
        if (is_open && (unit->height == MACHINE_NO_HEIGHT || unit->height + 1 == word->before ||
                                       (word->is_line && !halting_is_refuted(word))))
                wait_standing(director);
        return 0;
}

static void wait_standing(struct director *director) {
        if (director->standing_timer)
                return;
        if (sd_event_add_time_relative(director->event, &director->standing_timer, CLOCK_MONOTONIC, HALTING_STANDING_US, 0,
                            on_standing, director) < 0)
                log_error("out of memory: a node that stops without a word is waited for until its deadline");
}

void gate_node_stands(struct director *director, struct unit *unit, uint64_t height) {
        const struct halting_word *word = &unit->word;
        bool is_said = word->before == height + 1 && told_by(director, unit->generation) != height + 1;
        if (is_said && !(word->is_line && halting_is_refuted(word)))
                believe(director, unit, height + 1);
        if (is_said || given_to(director, unit->generation) == height + 1)
                wait_standing(director);
}

bool gate_node_has_told(struct director *director, uint64_t generation, uint64_t height) {
        return director->config->gate.kind == GATE_NODE && unit_find(director, generation) &&
               told_by(director, generation) == height;
}

/* Where a line of the log is to say it, an exit alone says nothing, unless the line may have been said to a director that died. */
static int status_of(const struct gate_config *gate, const struct unit *unit) {
        bool is_assumed = gate->exit_status < 0 && gate->args && (!gate->pattern || unit->was_recovered);
        return is_assumed ? EXIT_SUCCESS : gate->exit_status >= 0 ? gate->exit_status : INT_MAX;
}

static uint64_t lived(const struct director *director, uint64_t generation) {
        const struct gate_halt *halt = halt_of(director, generation);
        uint64_t now = now_realtime();
        return halt && now > halt->started_at ? now - halt->started_at : 0;
}

/* UNIT: whose height SEEN is; NULL: it is that of the node, as a generation before told it. */
static bool may_have_reached(const struct director *director, const struct unit *unit, uint64_t seen, enum halting_grant grant,
                uint64_t last) {
        const struct rate *rate = &director->rate;
        uint64_t at = unit && unit->height != MACHINE_NO_HEIGHT ? unit->known.at : rate->at;
        uint64_t since = at ? now_monotonic() - at : unit ? lived(director, unit->generation) : 0;
        struct halting_seen view = {.height = seen, .since_us = since, .usec_per_block = rate->usec_per_block};
        return halting_may_have_reached(&view, grant, last);
}

/* From where the state was when it was started, before a height of it is believed. */
static bool can_have_made(const struct director *director, const struct unit *unit, uint64_t from, uint64_t height) {
        return may_have_reached(director, unit, from, HALTING_PACE, height) ||
               (unit->height == MACHINE_NO_HEIGHT && height - from <= lived(director, unit->generation) / USEC_PER_BLOCK_LEAST);
}

/* What it told itself counts also where it is doubted, if nothing contradicts it. */
static uint64_t seen_of(const struct director *director, const struct unit *unit) {
        uint64_t last = director->record.last_height, told = unit->known.doubt.last;
        if (unit->height != MACHINE_NO_HEIGHT)
                return unit->height;
        if (unit->known.doubt.n == 0)
                return last;
        bool is_contradicted = last != MACHINE_NO_HEIGHT && (told < last || !can_have_made(director, unit, last, told));
        return is_contradicted ? last : told;
}
/* A height is read from the state when nothing changes it any more; nobody can have come further than ever a node did. */
static uint64_t read_of(const struct director *director, const struct unit *unit, uint64_t seen) {
        uint64_t height = unit->end_height;
        if (height == MACHINE_NO_HEIGHT || seen == MACHINE_NO_HEIGHT)
                return height;
        if (height >= seen && may_have_reached(director, unit, seen, HALTING_ALL, height))
                return height;
        log_warning("generation %lu has left the state at height %lu, as is read there, but was seen at %lu: that is not believed",
                        unit->generation, height, seen);
        return MACHINE_NO_HEIGHT;
}

static bool has_said_so(const struct director *director, const struct unit *unit, uint64_t seen, bool is_read, uint64_t boundary) {
        const struct halting_word *word = &unit->word;
        if (told_by(director, unit->generation) == boundary)
                return true;
        /* The word is that of the moment in which it ends, unless it has gone on since. */
        bool is_fresh = word->is_line && !halting_is_refuted(word) &&
                        may_have_reached(director, unit, seen, HALTING_ALL, boundary - 1);
        return !is_read && word->before == boundary && (unit->height == MACHINE_NO_HEIGHT || is_fresh);
}

/* Which error is worse: taken for a crash, a node that halts behind a block makes one too many at each start, for good. Taken for the
 * halt, a crash has the new release tried too early, and what it made put back. So where it was given the height, and ended in order,
 * that is believed if it is possible at all. One that its chain stops stands there again when it is started again. */
static bool is_near(const struct director *director, const struct unit *unit, uint64_t seen, uint64_t boundary) {
        bool is_given = given_to(director, unit->generation) == boundary;
        enum halting_grant grant = !is_given ? HALTING_PACE : unit->exit_status == EXIT_SUCCESS ? HALTING_ALL : HALTING_BURST;
        if (seen == MACHINE_NO_HEIGHT)
                return is_given; /* nothing is known of the state, so nothing contradicts it */
        return seen < boundary &&
               (may_have_reached(director, unit, seen, grant, boundary - 1) || can_have_made(director, unit, seen, boundary - 1));
}

bool gate_node_has_stopped(struct director *director, const struct unit *unit, uint64_t *ret_last) {
        const struct gate_config *gate = &director->config->gate;
        uint64_t boundary = gate_height(director, unit->generation), given = given_to(director, unit->generation);
        uint64_t told = told_by(director, unit->generation);
        if (gate->kind != GATE_NODE || boundary == MACHINE_NO_HEIGHT || unit->generation == director->record.machine.cut_off)
                return false;
        /* Where no height was heard of it the gate stands at its first block still. */
        if (unit->height == MACHINE_NO_HEIGHT)
                boundary = told != MACHINE_NO_HEIGHT || given == MACHINE_NO_HEIGHT ? wanted_for(director, unit->generation) : given;
        uint64_t seen = seen_of(director, unit), read = read_of(director, unit, seen);
        bool is_read = read != MACHINE_NO_HEIGHT, has_boundary = boundary != MACHINE_NO_HEIGHT;
        seen = is_read ? read : seen;
        bool has_said = has_boundary && has_said_so(director, unit, seen, is_read, boundary);
        bool has_said_later = has_boundary && told != MACHINE_NO_HEIGHT && told > boundary;
        bool is_past = seen != MACHINE_NO_HEIGHT && has_boundary && seen >= boundary;
        bool is_there = is_past || (!has_said && seen != MACHINE_NO_HEIGHT && may_not_begin(director, unit->generation, seen + 1));
        bool has_status = has_boundary && !is_read && unit->exit_status == status_of(gate, unit) &&
                          (!gate->args || given == boundary) && is_near(director, unit, seen, boundary);
        *ret_last = has_said_later && (!is_there || seen < told - 1) ? told - 1 : is_there ? seen : boundary - 1;
        return is_there || has_said || has_said_later || has_status;
}

uint64_t gate_node_overshot(const struct director *director, uint64_t generation, uint64_t last) {
        uint64_t given = given_to(director, generation), before = director->record.last_height;
        /* It may have been started on a state of which others had made more. */
        bool was_below = gate_height(director, generation) == given || (before != MACHINE_NO_HEIGHT && before < given);
        bool is_in_force = director->config->gate.kind == GATE_NODE && generation == director->record.machine.current;
        bool is_late = is_in_force && given <= last && was_below &&
                       !planning_allows(director, director->record.machine.current_release, last);
        return is_late ? last : 0;
}

bool gate_node_refuses(struct director *director, uint64_t generation) {
        const struct machine *machine = &director->record.machine;
        uint64_t last = director->record.last_height;
        if (director->config->gate.kind != GATE_NODE || machine->phase != PHASE_STARTING || generation != machine->current ||
                        last == MACHINE_NO_HEIGHT || !may_not_begin(director, generation, last + 1))
                return false;
        log_warning("generation %lu (%s) is not started: the state is at height %lu, and it may not run at height %lu", generation,
                        machine->current_release, last, last + 1);
        events_gate_hit_later(director, generation, last);
        events_later(director, &(struct machine_event){.type = EVENT_EXITED, .generation = generation});
        events_later(director, &(struct machine_event){.type = EVENT_EMPTY, .generation = generation});
        return true;
}

/* NULL: it was not started with this kind of gate. */
static const struct gate_halt *halt_of(const struct director *director, uint64_t generation) {
        const struct gate_halt *halt = &director->record.halts[generation % MACHINE_SLOTS];
        return halt->generation == generation ? halt : NULL;
}

static uint64_t given_to(const struct director *director, uint64_t generation) {
        const struct gate_halt *halt = halt_of(director, generation);
        return halt ? halt->height : MACHINE_NO_HEIGHT;
}

/* MACHINE_NO_HEIGHT: nothing. */
static uint64_t told_by(const struct director *director, uint64_t generation) {
        const struct gate_halt *halt = halt_of(director, generation);
        return halt ? halt->stops_before : MACHINE_NO_HEIGHT;
}

/* The first height from which on it is asked whether the generation may run there. */
static uint64_t starts_at(struct director *director, uint64_t generation) {
        const struct machine *machine = &director->record.machine;
        const struct unit *unit = unit_find(director, generation);
        if (unit && unit->height != MACHINE_NO_HEIGHT)
                return unit->height + 1;
        if (unit && told_by(director, generation) != MACHINE_NO_HEIGHT)
                return told_by(director, generation);
        if (generation == machine->candidate && machine->boundary != MACHINE_NO_HEIGHT)
                return machine->boundary;
        uint64_t last = generation == machine->candidate ? planning_height(director) : director->record.last_height;
        return last == MACHINE_NO_HEIGHT ? MACHINE_NO_HEIGHT : last + 1;
}

static bool may_not_begin(struct director *director, uint64_t generation, uint64_t height) {
        const struct machine *machine = &director->record.machine;
        bool is_candidate = generation == machine->candidate && generation != 0;
        return (!is_candidate && height >= machine->boundary) ||
               !planning_allows(director, planning_release_of(director, generation), height);
}

static uint64_t wanted_for(struct director *director, uint64_t generation) {
        const struct machine *machine = &director->record.machine;
        bool is_candidate = generation == machine->candidate && generation != 0;
        uint64_t from = starts_at(director, generation), own = is_candidate ? MACHINE_NO_HEIGHT : machine->boundary;
        struct version version;
        if (version_parse(planning_release_of(director, generation), &version) < 0)
                return own;
        uint64_t denied = from == MACHINE_NO_HEIGHT ? schedule_end_of(&director->schedule, &version)
                                                    : schedule_first_denied(&director->schedule, &version, from);
        return denied < own ? denied : own;
}

/* A director that comes back must know where the node stops. */
static int note_given(struct director *director, uint64_t generation, uint64_t height) {
        director->record.halts[generation % MACHINE_SLOTS] = (struct gate_halt){.generation = generation,
                        .height = height,
                        .started_at = now_realtime(),
                        .stops_before = MACHINE_NO_HEIGHT,
                        .doubted = MACHINE_NO_HEIGHT};
        int r = record_write(director, &director->record);
        return r < 0 ? log_errno(r, "where generation %lu stops by itself could not be written to the journal", generation) : 0;
}

static int fill_in(const char *argument, uint64_t height, char ***arguments) {
        static const char last[] = "{last}", boundary[] = "{boundary}";
        char text[1024] = "";
        size_t used = 0;
        for (const char *c = argument; *c && used < sizeof(text) - 1;) {
                bool is_last = strncmp(c, last, strlen(last)) == 0, is_boundary = strncmp(c, boundary, strlen(boundary)) == 0;
                uint64_t number = is_last ? height - 1 : height;
                int n = is_last || is_boundary ? snprintf(text + used, sizeof(text) - used, "%lu", number)
                                               : snprintf(text + used, sizeof(text) - used, "%c", *c);
                used += n > 0 ? (size_t) n : 0;
                c += is_last ? strlen(last) : is_boundary ? strlen(boundary) : 1;
        }
        return used >= sizeof(text) - 1 ? -E2BIG : strv_push(arguments, text);
}
