#include "perform.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "../lib/memory.h"
#include "adoption.h"
#include "boundaries.h"
#include "connections.h"
#include "control.h"
#include "elsewhere.h"
#include "events.h"
#include "gate.h"
#include "hold.h"
#include "jobs.h"
#include "journal_place.h"
#include "keeper_link.h"
#include "planning.h"
#include "probing.h"
#include "record.h"
#include "steering.h"
#include "unit.h"
#include "verification.h"
#include "waiting_room.h"

/* A process in a long system call cannot be frozen before that is over; meanwhile the director does nothing else. */
#define FREEZE_TIMEOUT_US (500 * USEC_PER_MSEC)
#define DRAIN_EVERY_US (100 * USEC_PER_MSEC)

static int on_phase_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        struct machine_event event = {.type = EVENT_DEADLINE, .text = probing_complaint(director)};
        const struct address *missing = director->watch.is_proving ? adoption_missing(director, director->watch.generation) : NULL;
        char elsewhere[400], text[420];
        (void) source;
        (void) usec;
        /* Only while an end is waited for. */
        event.flag = *director->stray != '\0';
        if (event.flag)
                event.text = director->stray;
        if (missing) {
                bool is_elsewhere = elsewhere_describe(director, director->watch.generation, elsewhere, sizeof(elsewhere));
                if (is_elsewhere)
                        (void) snprintf(text, sizeof(text), "it %s", elsewhere);
                else
                        (void) snprintf(text, sizeof(text), "it does not listen on %.100s", missing->text);
                event.text = text;
        } else if (!*event.text) {
                probing_describe_wait(director, text, sizeof(text));
                event.text = text;
        }
        (void) events_feed(director, &event);
        return 0;
}

static void set_phase_deadline(struct director *director, uint64_t usec) {
        director->phase_timer = sd_event_source_disable_unref(director->phase_timer);
        if (usec != 0 && sd_event_add_time_relative(director->event, &director->phase_timer, CLOCK_MONOTONIC, usec, 1000,
                                         on_phase_deadline, director) < 0)
                log_error("out of memory: this phase has no deadline");
}

/* Waiting connections in the old generation's queue count as well: it must take them in before it may be frozen. */
static bool is_drained(struct director *director, uint64_t generation) {
        uint32_t queued = 0;
        for (uint32_t group = 0; group < STEERING_GROUPS; group++)
                if (director->groups[group].used)
                        queued += adoption_queued(director, group, steering_slot(generation));
        return queued == 0 && connections_count(director, generation) == 0;
}

static int on_drain(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        const struct machine *machine = &director->record.machine;
        (void) usec;
        if (machine->phase != PHASE_DRAINING) {
                director->drain_timer = sd_event_source_disable_unref(director->drain_timer);
                return 0;
        }
        if (is_drained(director, machine->current)) {
                director->drain_timer = sd_event_source_disable_unref(director->drain_timer);
                (void) events_feed_about(director, EVENT_DRAINED, machine->current, NULL);
                return 0;
        }
        (void) sd_event_source_set_time_relative(source, DRAIN_EVERY_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void drain(struct director *director) {
        director->drain_timer = sd_event_source_disable_unref(director->drain_timer);
        (void) sd_event_add_time_relative(director->event, &director->drain_timer, CLOCK_MONOTONIC, 0, 1000, on_drain, director);
}

/* A director that dies in probation leaves it to the next one. */
static void write_gap_down(struct director *director) {
        int r = journal_begin(director->journal);
        if (r >= 0)
                r = record_write(director, &director->record);
        if (r >= 0)
                r = journal_swap_update(director->journal, &director->swap);
        if (r >= 0)
                r = journal_commit(director->journal);
        else
                journal_abort(director->journal);
        if (r < 0)
                log_warning("how long nobody accepted in swap %lu could not be written to the journal", director->swap.id);
}

static void flip(struct director *director, uint64_t generation) {
        hold_before_flip(director, generation);
        int r = steering_flip(director, generation);
        hold_after_flip(director, generation);
        if (r < 0)
                log_errno(r, "cannot steer to generation %lu", generation);
        bool was_in_gap = planning_end_gap(director);
        if (r >= 0)
                waiting_room_close(director);
        if (was_in_gap)
                write_gap_down(director);
}

/* Before it hears of its end, so that it gets no connection which it would take along. When the supervisor itself ends
 * there is nobody to wait for. */
static void let_clients_wait(struct director *director, uint64_t generation) {
        const struct machine *machine = &director->record.machine;
        if (generation == machine->serving && machine->phase != PHASE_STOPPING)
                waiting_room_open(director, generation);
}

static void finish_swap(struct director *director) {
        const struct machine *machine = &director->record.machine;
        planning_finish_swap(director, machine_outcome_name(machine->outcome), machine->reason);
        control_answer_waiters(director);
}

static int on_idle(sd_event_source *source, void *userdata) {
        (void) userdata;
        sd_event_source_unref(source);
        memory_rest();
        return 0;
}

static void rest_when_idle(struct director *director) {
        sd_event_source *source;
        if (sd_event_add_defer(director->event, &source, on_idle, director) >= 0)
                (void) sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IDLE);
}

static void tell_ready(struct director *director, uint64_t generation) {
        struct keeper_status status = {0};
        const struct machine *machine = &director->record.machine;
        if (generation == 0)
                (void) snprintf(status.text, sizeof(status.text), "held: %.200s", machine->reason);
        else
                (void) snprintf(status.text, sizeof(status.text), "%s %s, generation %lu", machine_phase_for_status(machine->phase),
                                planning_release_of(director, generation), generation);
        keeper_tell(director, KEEPER_READY, &status, sizeof(status), NULL, 0);
        rest_when_idle(director);
}

static void end(struct director *director) {
        struct keeper_status status = {.exit_status = 0};
        director->is_exiting = true;
        control_answer_stop(director);
        keeper_tell(director, KEEPER_EXIT, &status, sizeof(status), NULL, 0);
}

/* Nobody waits for it: who waits to be accepted moves on, who was accepted is told to connect anew. */
static void freeze(struct director *director, uint64_t generation) {
        adoption_hide_datagrams(director, generation, true);
        unit_control(director, generation, CGROUP_FREEZE);
        /* Done already by a director before this one: some of the connections that began with it are the next generation's now. */
        if (!adoption_is_listening(director, generation))
                return;
        const struct unit *unit = unit_find(director, generation);
        int r = unit ? cgroup_wait_frozen(unit->cgroup_fd, FREEZE_TIMEOUT_US) : -ESRCH;
        connections_end(director, generation);
        if (r >= 0)
                adoption_stop_listening(director, generation);
        else if (unit)
                log_errno(r, "connections in the queues of generation %lu wait until it ends", generation);
}

static void perform_on_unit(struct director *director, const struct machine_action *action) {
        uint64_t generation = action->generation;
        switch (action->type) {
        case ACTION_SPAWN:
                unit_spawn(director, generation, planning_release_of(director, generation), action->fence);
                break;
        case ACTION_PASS:
                unit_pass(director, generation);
                break;
        case ACTION_TERMINATE:
                let_clients_wait(director, generation);
                unit_terminate(director, generation);
                break;
        case ACTION_KILL:
                let_clients_wait(director, generation);
                unit_control(director, generation, CGROUP_KILL);
                break;
        case ACTION_FREEZE:
                freeze(director, generation);
                break;
        case ACTION_THAW:
                adoption_listen_again(director, generation);
                unit_control(director, generation, CGROUP_THAW);
                adoption_hide_datagrams(director, generation, false);
                break;
        case ACTION_CUT_OFF:
                hold_cut_off(director, generation);
                break;
        case ACTION_PROVE:
                probing_prove(director, generation);
                break;
        case ACTION_WATCH:
                probing_watch(director, generation);
                break;
        case ACTION_RETIRE:
                adoption_retire(director, generation);
                break;
        default:
                INVARIANT(false);
        }
}

static void arm_gate(struct director *director, const struct machine_action *action) {
        struct machine_event failed = {.type = EVENT_GATE_FAILED, .generation = action->generation};
        if (journal_place_leaves_gate(director, action->generation))
                return;
        int r = gate_arm(director, action->generation, planning_gate_height(director, action->generation, action->value));
        if (r >= 0)
                return;
        log_errno(r, "the gate of generation %lu is not armed", action->generation);
        failed.text = strerror(-r);
        events_later(director, &failed);
}

static void perform_one(struct director *director, const struct machine_action *action) {
        switch (action->type) {
        case ACTION_VERIFY:
                verification_begin(director, director->record.machine.candidate_release, 0);
                break;
        case ACTION_REHEARSE:
                jobs_rehearse(director);
                break;
        case ACTION_FLIP:
                flip(director, action->generation);
                break;
        case ACTION_ARM_GATE:
                arm_gate(director, action);
                break;
        case ACTION_DISARM_GATE:
                boundaries_forget_own(director);
                /* I3: what else the schedule says stays. */
                arm_gate(director, &(struct machine_action){.generation = action->generation, .value = MACHINE_NO_HEIGHT});
                break;
        case ACTION_SNAPSHOT:
                jobs_snapshot(director);
                break;
        case ACTION_RESTORE:
                jobs_restore(director);
                break;
        case ACTION_DROP_SNAPSHOT:
                jobs_drop_snapshot(director, director->record.swap);
                break;
        case ACTION_DRAIN:
                drain(director);
                break;
        case ACTION_DEADLINE:
                set_phase_deadline(director, action->value);
                break;
        case ACTION_READY:
                tell_ready(director, action->generation);
                break;
        case ACTION_FINISH:
                finish_swap(director);
                break;
        case ACTION_EXIT:
                end(director);
                break;
        default:
                perform_on_unit(director, action);
        }
}

/* Whom the height is asked of while nobody is being proved. */
static void follow(struct director *director) {
        const struct machine *machine = &director->record.machine;
        switch (machine->phase) {
        case PHASE_RUNNING:
        case PHASE_ARMED:
        case PHASE_GATING:
        case PHASE_REHEARSING:
        case PHASE_HELD:
                if (hold_is_on(director) && machine->serving != machine->current)
                        break; /* it is being proved */
                probing_follow(director, machine->current_is_gone ? 0 : machine->current);
                break;
        case PHASE_PREPARING:
                if (!machine->overlap)
                        probing_follow(director, machine->current_is_gone ? 0 : machine->current);
                break;
        case PHASE_QUIESCING:
        case PHASE_SNAPSHOTTING:
        case PHASE_RESTORING:
        case PHASE_BACKOFF:
        case PHASE_RENEWING:
        case PHASE_STOPPING:
                probing_follow(director, 0);
                break;
        default:
                break;
        }
}

void perform(struct director *director, const struct machine_actions *actions) {
        if (director->record.machine.candidate_ready && !director->swap.prepared_us && director->record.prepare_began_at)
                director->swap.prepared_us = now_monotonic() - director->record.prepare_began_at;
        for (size_t i = 0; i < actions->n; i++)
                perform_one(director, &actions->items[i]);
        follow(director);
}
