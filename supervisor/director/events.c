#include "events.h"

#include "../lib/log.h"
#include "adoption.h"
#include "boundaries.h"
#include "control.h"
#include "ending.h"
#include "fence_judge.h"
#include "following.h"
#include "gate.h"
#include "gate_check.h"
#include "gate_node.h"
#include "heights.h"
#include "jobs.h"
#include "journal_place.h"
#include "keeper_link.h"
#include "liveness.h"
#include "perform.h"
#include "planning.h"
#include "probing.h"
#include "record.h"
#include "signing.h"
#include "stray.h"
#include "unit.h"
#include "watermark.h"
#include <signal.h>

/* How long the last words of a generation that ended unasked are waited for. */
#define LAST_WORDS_US (200 * USEC_PER_MSEC)
/* A crash after this long is not counted together with the ones before. */
#define LONG_RUN_US (60 * USEC_PER_SEC)

static void note_step(struct director *director, const struct machine *before, const struct machine *after,
                const struct machine_event *event) {
        struct journal_step step = {.swap = director->record.swap, .at = now_realtime(), .monotonic_us = now_monotonic()};
        text_copy(step.phase, sizeof(step.phase), machine_phase_name(after->phase));
        text_copy(step.event, sizeof(step.event), machine_event_name(event->type));
        text_copy(step.note, sizeof(step.note), event->text ? event->text : "");
        if (before->kind == SWAP_NONE && after->kind == SWAP_NONE)
                step.swap = 0;
        (void) journal_step_add(director->journal, &step);
}

static int write_down(struct director *director, const struct record *next, const struct machine_event *event) {
        int r = director->is_in_transaction ? 0 : journal_begin(director->journal);
        if (r < 0)
                return r;
        director->is_in_transaction = false;
        r = record_write(director, next);
        if (r >= 0) {
                note_step(director, &director->record.machine, &next->machine, event);
                r = journal_commit(director->journal);
        } else
                journal_abort(director->journal);
        return r;
}

/* The disk is full. Nothing may be done that is not written down, so what an operator asks for is refused; what has happened to the
 * node cannot be refused, and a director that forgot it would wait for ever: it ends, and the next one learns it from the keeper and
 * tries again. A stop needs no line: without it the journal says what it would say after a power cut. */
static int go_on_unwritten(const struct director *director, const struct machine *next, const struct machine_event *event) {
        bool is_stop = next->phase == PHASE_STOPPING || next->phase == PHASE_STOPPED;
        bool is_asked = event->type == EVENT_UPGRADE || event->type == EVENT_ROLLBACK || event->type == EVENT_RESTART ||
                        event->type == EVENT_CANCEL;
        log_error("the journal could not be written, so %s: free space on the disk of %s",
                        is_stop    ? "the stop is not in it"
                        : is_asked ? "nothing is done"
                                   : "nothing is done before it can",
                        director->directories.state);
        if (!is_stop && !is_asked)
                _exit(EXIT_FAILURE);
        return is_stop ? 0 : -ENOSPC;
}

/* In the journal, so that the gap is told right after a restart. From a hold it goes on into the swap that leaves it. */
static void note_gap(struct record *next, const struct machine_event *event) {
        bool nobody_waits = next->machine.phase == PHASE_STOPPED || event->type == EVENT_START;
        if (nobody_waits && next->machine.kind == SWAP_NONE)
                next->gap_began_at = 0;
        if (next->gap_began_at == 0 && machine_is_in_gap(&next->machine))
                next->gap_began_at = now_monotonic();
}

int events_feed(struct director *director, const struct machine_event *event) {
        struct record next = director->record;
        struct machine_actions actions;
        /* What comes of an action is taken after all of them: else the rest would be carried out in a phase that is over. */
        if (director->is_performing) {
                events_later(director, event);
                return 0;
        }
        director->settings.gate_holds = gate_holds(director, next.machine.current_release);
        director->settings.may_overshoot = !director->settings.gate_holds && director->config->gate.overshoot_allowed;
        int r = machine_step(&next.machine, &director->settings, event, &actions);
        if (r <= 0)
                return r;
        enum machine_phase before = director->record.machine.phase;
        note_gap(&next, event);
        (void) journal_place_check(director);
        next.journal_was_lost = next.journal_was_lost && next.machine.current == director->record.machine.current &&
                                next.machine.phase != PHASE_STOPPED;
        following_note(&next.follow, &director->record.machine, &next.machine, event);
        if (event->type == EVENT_RESTORED || event->type == EVENT_STATE_ACCEPTED)
                watermark_forget(&next);
        if (write_down(director, &next, event) < 0) {
                int unwritten = go_on_unwritten(director, &next.machine, event);
                if (unwritten < 0)
                        return unwritten;
        }
        director->record = next;
        if (before != next.machine.phase)
                log_info("%s -> %s (%s%s%s)", machine_phase_name(before), machine_phase_name(next.machine.phase),
                                machine_event_name(event->type), event->text && *event->text ? ": " : "",
                                event->text ? event->text : "");
        director->is_performing = true;
        perform(director, &actions);
        director->is_performing = false;
        if (before != PHASE_RUNNING && next.machine.phase == PHASE_RUNNING)
                signing_look_again(director);
        control_emit_change(director);
        following_evaluate(director);
        return r;
}

int events_feed_about(struct director *director, enum machine_event_type type, uint64_t generation, const char *text) {
        struct machine_event event = {.type = type, .generation = generation, .text = text};
        return events_feed(director, &event);
}

static int on_later(sd_event_source *source, void *userdata) {
        struct director *director = userdata;
        for (size_t i = 0; i < director->n_later; i++) {
                struct machine_event event = director->later[i];
                event.text = *director->later_text[i] ? director->later_text[i] : NULL;
                (void) events_feed(director, &event);
        }
        director->n_later = 0;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void events_later(struct director *director, const struct machine_event *event) {
        INVARIANT(director->n_later < ELEMENTS(director->later));
        size_t i = director->n_later++;
        director->later[i] = *event;
        text_copy(director->later_text[i], sizeof(director->later_text[i]), event->text ? event->text : "");
        if (director->later_source)
                (void) sd_event_source_set_enabled(director->later_source, SD_EVENT_ONESHOT);
        else
                INVARIANT(sd_event_add_defer(director->event, &director->later_source, on_later, director) >= 0);
}

/* A node does not do it to itself. */
static bool comes_from_others(int signal_number) {
        return signal_number == SIGKILL || signal_number == SIGTERM || signal_number == SIGINT || signal_number == SIGHUP;
}

/* One that was asked before this director came is not known to have been. */
static void describe_exit(const struct director *director, int code, int status, bool was_asked, char *text, size_t size) {
        bool is_foreign = director->welcome.restarts == 0 && comes_from_others(status);
        if (code == CLD_EXITED)
                (void) snprintf(text, size, "it exited with status %d", status);
        else
                (void) snprintf(text, size, "it was ended by signal %d (%s)%s", status, strsignal(status),
                                was_asked    ? ", as asked"
                                : is_foreign ? ", which interrex did not send"
                                             : "");
}

static int on_last_words_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) usec;
        sd_event_source_unref(source);
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation != 0 && director->units[i].log_ends_at != 0 &&
                                director->units[i].log_ends_at <= now_monotonic()) {
                        director->units[i].log_has_ended = true;
                        events_ending_is_complete(director, &director->units[i]);
                }
        return 0;
}

/* Its output need not end with it: somebody outside of its cgroup may have inherited it, or the prober does not read. */
static void wait_for_last_words(struct director *director, struct unit *unit) {
        sd_event_source *timer = NULL;
        if (unit->log_has_ended)
                return;
        unit->log_ends_at = now_monotonic() + LAST_WORDS_US;
        unit->log_has_ended = sd_event_add_time(director->event, &timer, CLOCK_MONOTONIC, unit->log_ends_at, 1000,
                                              on_last_words_deadline, director) < 0;
}

static void note_exit(struct director *director, struct unit *unit, int code, int status) {
        bool was_asked = unit->is_terminated || unit->was_killed;
        unit->is_running = false;
        unit->exited_at = now_monotonic();
        unit->exit_status = code == CLD_EXITED ? status : -1;
        describe_exit(director, code, status, was_asked, unit->ending, sizeof(unit->ending));
}

static void on_exited(struct director *director, const struct keeper_exited *exited) {
        struct unit *unit = unit_find(director, exited->generation);
        if (exited->kind != SPAWN_GENERATION) {
                jobs_exited(director, exited);
                return;
        }
        if (!unit || unit->exited_at != 0)
                return;
        note_exit(director, unit, exited->code, exited->status);
        (void) journal_generation_end(director->journal, unit->generation, now_realtime(), unit->ending);
        if (!unit->is_terminated && !unit->was_killed)
                wait_for_last_words(director, unit);
        events_ending_is_complete(director, unit);
}

/* Behind what waits already. */
static void feed_in_turn(struct director *director, const struct machine_event *event) {
        if (director->n_later > 0)
                events_later(director, event);
        else
                (void) events_feed(director, event);
}

/* True: it was the gate that ended it, and the machine was told. */
static bool has_stopped_by_itself(struct director *director, struct unit *unit) {
        uint64_t last;
        if (!gate_node_has_stopped(director, unit, &last))
                return false;
        gate_node_note(director, unit->generation, last + 1);
        log_info("generation %lu (%s) ended by itself behind height %lu, and is to go no further: %s", unit->generation,
                        unit->release, last, unit->ending);
        events_gate_hit(director, unit->generation, last);
        return true;
}

void events_ending_is_complete(struct director *director, struct unit *unit) {
        char text[512];
        bool was_asked = unit->is_terminated || unit->was_killed;
        uint64_t generation = unit->generation;
        if (unit->exited_at == 0 || (!was_asked && !ending_is_read(director, unit)))
                return;
        if (!unit->exit_was_told && (was_asked || unit->log_has_ended)) {
                struct machine_event event = {.type = EVENT_EXITED,
                                .generation = generation,
                                .flag = unit->was_proved && unit->exited_at - unit->started_at > LONG_RUN_US,
                                .text = text};
                unit->exit_was_told = true;
                unit_describe_ending(unit, text, sizeof(text));
                if (!was_asked && !has_stopped_by_itself(director, unit)) {
                        log_warning("generation %lu (%s): %s", generation, unit->release, text);
                        director->restarts += generation == director->record.machine.current;
                }
                feed_in_turn(director, &event);
        }
        unit = unit_find(director, generation);
        if (unit && unit->exit_was_told && unit->is_empty && !unit->empty_was_told && !stray_keeps_state(director, unit)) {
                unit->empty_was_told = true;
                feed_in_turn(director, &(struct machine_event){.type = EVENT_EMPTY, .generation = generation});
        }
        unit = unit_find(director, generation);
        if (unit && unit->empty_was_told && unit->log_has_ended)
                unit_forget(director, unit);
}

static void on_generation(struct director *director, struct wire_message *message) {
        const struct keeper_generation *known = (const struct keeper_generation *) message->body;
        if (known->kind != SPAWN_GENERATION) {
                if (!director->has_resumed)
                        jobs_sweep(director, known);
                else if (known->kind == SPAWN_HELPER && message->n_fds == 2)
                        jobs_spawned(director, known, message->fds[1]);
                return;
        }
        struct unit *unit = unit_get(director, known->generation);
        if (!unit || message->n_fds != 2)
                return;
        close_fd(unit->pidfd);
        close_fd(unit->cgroup_fd);
        unit->pidfd = TAKE_FD(message->fds[0]);
        unit->cgroup_fd = TAKE_FD(message->fds[1]);
        unit->pid = known->pid;
        unit->is_running = known->is_running;
        unit->is_past_fence = known->is_past_fence;
        unit->has_executed = known->is_started;
        unit->later_locks = known->later_locks;
        unit->is_frozen = known->is_frozen;
        unit->is_empty = known->is_empty;
        if (!unit->started_at)
                unit->started_at = now_monotonic();
        if (director->has_resumed)
                return;
        planning_recover_unit(director, unit, known);
        gate_node_recover(director, unit);
        if (known->is_running)
                return;
        note_exit(director, unit, known->exit_code, known->exit_status);
        unit->log_has_ended = true; /* its last words were the last director's */
}

static void on_started(struct director *director, const struct keeper_started *started) {
        struct unit *unit = unit_find(director, started->generation);
        if (started->kind == SPAWN_HELPER && started->error != 0)
                jobs_not_started(director, started);
        if (started->kind != SPAWN_GENERATION || !unit)
                return;
        unit->has_executed = true;
        if (started->error == 0) {
                probing_started(director, unit->generation);
                return;
        }
        (void) snprintf(unit->failure, sizeof(unit->failure), "it could not be started: %.64s: %.100s%s", started->step,
                        strerror(-started->error),
                        started->error == -ENOEXEC ? "; is the release for this machine's architecture?" : "");
}

static void on_empty(struct director *director, const struct keeper_forget *empty) {
        struct unit *unit = unit_find(director, empty->generation);
        if (empty->kind != SPAWN_GENERATION || !unit)
                return;
        unit->is_empty = true;
        wait_for_last_words(director, unit);
        events_ending_is_complete(director, unit);
}

void events_stop(struct director *director) {
        struct machine_event event = {.type = EVENT_STOP};
        if (events_feed(director, &event) == 0 && director->record.machine.phase == PHASE_STOPPED)
                perform(director, &(struct machine_actions){.n = 1, .items = {{.type = ACTION_EXIT}}});
}

void events_from_keeper(struct director *director, struct wire_message *message) {
        switch (message->type) {
        case KEEPER_GENERATION:
                on_generation(director, message);
                break;
        case KEEPER_EXITED:
                on_exited(director, (struct keeper_exited *) message->body);
                break;
        case KEEPER_EMPTY:
                on_empty(director, (struct keeper_forget *) message->body);
                break;
        case KEEPER_STARTED:
                on_started(director, (struct keeper_started *) message->body);
                break;
        case KEEPER_FENCED:
                if (((struct keeper_fenced *) message->body)->call == KEEPER_FENCED_HELPER)
                        jobs_may_begin(director, ((struct keeper_fenced *) message->body)->generation);
                else
                        fence_judge(director, (struct keeper_fenced *) message->body);
                break;
        case KEEPER_PROBER:
                if (probing_connect(director, TAKE_FD(message->fds[0])) < 0)
                        log_error("cannot watch the prober's link");
                break;
        case KEEPER_PING:
                liveness_on_ping(director);
                break;
        case KEEPER_STOP:
                events_stop(director);
                break;
        default:
                break;
        }
}

/* A gate that was armed to look where the state stands, or for a schedule that has changed since, is moved on. */
static bool may_go_on(struct director *director, struct unit *unit, uint64_t last_height) {
        const struct machine *machine = &director->record.machine;
        if (unit->height == MACHINE_NO_HEIGHT && watermark_refuses(director, unit->generation, last_height))
                return true;
        heights_set(unit, last_height);
        if (unit->generation == machine->serving)
                planning_note_height(director, last_height);
        if (unit->generation == machine->current)
                watermark_raise(director, last_height);
        (void) boundaries_place_due(director, last_height + 1, 1); /* it stands there */
        uint64_t boundary = planning_gate_height_now(director, unit->generation);
        if (journal_place_leaves_gate(director, unit->generation))
                return false;
        if (boundary != MACHINE_NO_HEIGHT && boundary <= last_height + 1)
                return false;
        int r = gate_arm(director, unit->generation, boundary);
        if (r < 0)
                log_errno(r, "the gate of generation %lu cannot be moved from height %lu", unit->generation, last_height);
        return r >= 0;
}

/* A polled height says again and again what the swap knows since the first time. */
static bool is_heard(const struct director *director, const struct unit *unit, uint64_t last_height) {
        const struct machine *machine = &director->record.machine;
        return machine->phase == PHASE_PREPARING && machine->gate_was_hit && unit->generation == machine->current &&
               unit->stands_before == last_height + 1;
}

/* A gate that does not hold cannot leave the release to come up further: it would begin the height. */
static void describe_hit(struct director *director, struct machine_event *event, char *text, size_t size) {
        const struct unit *unit = unit_find(director, event->generation);
        bool is_candidate = event->generation == director->record.machine.candidate;
        bool is_below = is_candidate && director->swap.at_height != MACHINE_NO_HEIGHT &&
                        event->height + 1 < director->swap.at_height;
        if (is_below) {
                event->flag = true;
                (void) snprintf(text, size,
                                "the state stands at height %lu, whatever the old one said; `interrex restart %s` starts that on it "
                                "once more, and if the boundary is wrong correct it with `interrex schedule`",
                                event->height, director->config->node);
        } else {
                bool is_here = following_describe(director, event->height + 1, text, size);
                event->flag = !is_candidate && (is_here || !gate_holds(director, planning_release_of(director, event->generation)));
                if (unit)
                        (void) gate_describe_hold(director, unit->release, event->height, text, size);
        }
        if (!director->record.boundary_is_ours || director->record.machine.kind == SWAP_NONE || is_candidate)
                event->text = text;
}

void events_gate_hit(struct director *director, uint64_t generation, uint64_t last_height) {
        struct unit *unit = unit_find(director, generation);
        char text[MACHINE_REASON_MAX];
        struct machine_event event = {.type = EVENT_GATE_HIT, .generation = generation, .height = last_height};
        if (!unit)
                return;
        uint64_t overshot = gate_node_overshot(director, generation, last_height);
        if (may_go_on(director, unit, last_height) || is_heard(director, unit, last_height))
                return;
        unit->stands_before = last_height + 1;
        if (generation == director->record.machine.current)
                director->record.follow.overshot = overshot;
        log_info("generation %lu stands at height %lu", generation, last_height);
        describe_hit(director, &event, text, sizeof(text));
        (void) events_feed(director, &event);
}

void events_gate_hit_later(struct director *director, uint64_t generation, uint64_t last_height) {
        char text[MACHINE_REASON_MAX];
        struct machine_event event = {.type = EVENT_GATE_HIT, .generation = generation, .height = last_height};
        describe_hit(director, &event, text, sizeof(text));
        events_later(director, &event);
}

void events_height(struct director *director, uint64_t generation, uint64_t height) {
        struct unit *unit = unit_find(director, generation);
        if (unit && unit->height == MACHINE_NO_HEIGHT && watermark_refuses(director, generation, height))
                return;
        if (unit && heights_take(director, unit, height))
                events_height_stands(director, unit);
        unit = unit_find(director, generation);
        if (unit)
                (void) gate_node_weigh(director, unit);
}

void events_height_stands(struct director *director, struct unit *unit) {
        uint64_t generation = unit->generation, height = unit->height;
        if (generation == director->record.machine.serving) {
                planning_note_height(director, height);
                watermark_raise(director, height);
                boundaries_note_height(director, height);
        }
        if (!gate_on_height(director, unit, height))
                following_evaluate(director);
        if (director->record.machine.phase == PHASE_ARMED && planning_is_near(director))
                (void) events_feed_about(director, EVENT_NEAR, generation, NULL);
}
