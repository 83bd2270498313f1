#include "recovery.h"

#include "../lib/log.h"
#include "adoption.h"
#include "aiming.h"
#include "control.h"
#include "events.h"
#include "gate.h"
#include "gate_users.h"
#include "hold.h"
#include "jobs.h"
#include "journal_place.h"
#include "keeper_link.h"
#include "notify_socket.h"
#include "perform.h"
#include "planning.h"
#include "port_owner.h"
#include "probing.h"
#include "selection.h"
#include "source.h"
#include "steering.h"
#include "unit.h"
#include "verification.h"
#include "waiting_room.h"

#define PORT_PATIENCE_US (5 * USEC_PER_SEC)
#define PORT_RETRY_US (50 * USEC_PER_MSEC)
#define PORT_ENDED_PATIENCE_US (60 * USEC_PER_SEC) /* more than that; so long is TIME_WAIT */
#define PORT_ENDED_RETRY_US (500 * USEC_PER_MSEC)

static void take_unit_descriptor(struct director *director, const char *name, int fd) {
        uint64_t generation;
        size_t index;
        struct unit *unit = NULL;
        if (sscanf(name, "log.%lu", &generation) == 1 && (unit = unit_get(director, generation))) {
                close_fd(unit->log_fd);
                unit->log_fd = fd;
        } else if (sscanf(name, "notify.%lu", &generation) == 1 && (unit = unit_get(director, generation))) {
                close_fd(unit->notify_fd);
                unit->notify_fd = fd;
        } else if (sscanf(name, "unix.%zu", &index) == 1 && index < ELEMENTS(director->unix_fds))
                director->unix_fds[index] = fd;
        else
                close_fd(fd);
}

/* Sockets go into the maps, so they wait until the maps are open. */
struct stored_socket {
        char name[KEEPER_NAME_MAX];
        int fd;
};

static void take_stored(struct director *director, struct wire_message *message, struct stored_socket *sockets, size_t *n) {
        const char *name = ((struct keeper_name *) message->body)->name;
        int fd = TAKE_FD(message->fds[0]);
        if (strncmp(name, "socket.", 7) == 0 && *n < MEMBERS_MAX) {
                text_copy(sockets[*n].name, sizeof(sockets[*n].name), name);
                sockets[(*n)++].fd = fd;
        } else if (!steering_adopt_stored(director, name, fd) && !waiting_room_take_stored(director, name, fd) &&
                        !gate_adopt_stored(director, name, fd) && !hold_adopt_stored(director, name, fd) &&
                        !notify_socket_adopt_stored(director, name, fd) && !control_adopt_stored(director, name, fd) &&
                        !verification_adopt_stored(director, name, fd))
                take_unit_descriptor(director, name, fd);
}

static int open_kernel_side(struct director *director, struct stored_socket *sockets, size_t n) {
        int r = steering_open(director);
        if (r >= 0) {
                aiming_open(director);
                notify_socket_open(director);
                r = gate_open(director);
        }
        if (r >= 0)
                r = hold_open(director);
        for (size_t i = 0; r >= 0 && i < director->config->n_listen; i++)
                if (director->config->listen[i].transport != TRANSPORT_UNIX) {
                        r = steering_hold(director, &director->config->listen[i]);
                        if (r < 0)
                                log_errno(r, "cannot hold %s", director->config->listen[i].text);
                }
        if (r >= 0)
                adoption_take_groups(director);
        for (size_t i = 0; r >= 0 && i < n; i++)
                (void) adoption_take_stored(director, sockets[i].name, sockets[i].fd);
        return r;
}

/* A director that died just before it asked for a generation's process has stored its pipe already. Taken for a generation
 * it would never be spawned. */
static void forget_unborn(struct director *director) {
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation != 0 && director->units[i].cgroup_fd < 0)
                        unit_forget(director, &director->units[i]);
}

int recovery_listen(struct director *director) {
        _cleanup_free_ struct stored_socket *sockets = calloc(MEMBERS_MAX, sizeof(*sockets));
        _cleanup_free_ struct wire_message *early = calloc(1, sizeof(*early));
        size_t n = 0;
        if (!sockets || !early)
                return -ENOMEM;
        for (;;) {
                int r = keeper_wait(director, early);
                if (r < 0)
                        return r;
                if (early->type == KEEPER_RESUME)
                        break;
                if (early->type == KEEPER_STORED)
                        take_stored(director, early, sockets, &n);
                else if (early->type == KEEPER_GENERATION)
                        /* What lives must be known before the machine resumes, or it would be made a second time. */
                        events_from_keeper(director, early);
                else
                        keeper_defer(director, early);
                wire_message_done(early);
        }
        forget_unborn(director);
        return open_kernel_side(director, sockets, n);
}

int recovery_open_first(struct director *director) {
        return open_kernel_side(director, NULL, 0);
}

/* Its end had been taken note of, and the keeper told to forget it, by a director that died before the machine knew. */
static void tell_lost_end(struct director *director, uint64_t generation) {
        log_warning("generation %lu has ended while the director was being restarted", generation);
        (void) events_feed_about(director, EVENT_EXITED, generation, "it ended while the director was being restarted");
        (void) events_feed_about(director, EVENT_EMPTY, generation, NULL);
}

/* What the machine lives through while a director was dead is told by what the keeper knows now. */
static void tell_what_was_missed(struct director *director) {
        const struct machine *machine = &director->record.machine;
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation != 0)
                        events_ending_is_complete(director, &director->units[i]);
        if (machine->current != 0 && !machine->current_is_gone && !unit_find(director, machine->current))
                tell_lost_end(director, machine->current);
        if (machine->candidate_started && !machine->candidate_is_gone && !unit_find(director, machine->candidate))
                tell_lost_end(director, machine->candidate);
        gate_resume(director);
}

/* A director that died between a flip and the closing of the sockets it left would otherwise leave connections waiting in
 * them for ever. */
static void retire_leftovers(struct director *director) {
        const struct machine *machine = &director->record.machine;
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                uint64_t generation = director->members[i].generation;
                bool is_needed = generation == machine->serving || generation == machine->candidate ||
                                 (generation == machine->current && !machine->current_is_gone);
                if (generation != 0 && !is_needed)
                        adoption_retire(director, generation);
        }
}

static int resume(struct director *director) {
        struct machine_event event = {.type = EVENT_RESUME};
        log_notice("the director is back: the node is %s", machine_phase_name(director->record.machine.phase));
        director->has_resumed = true;
        director->settings.snapshot = *director->record.snapshot_kind != '\0';
        jobs_plan_snapshot(director);
        verification_ahead(director);
        if (journal_swap_get(director->journal, director->record.swap, &director->swap) >= 0 && director->swap.ended_at == 0 &&
                        director->record.machine.kind == SWAP_NONE)
                planning_finish_swap(director, machine_outcome_name(director->record.machine.outcome),
                                director->record.machine.reason);
        (void) events_feed(director, &event);
        if (director->record.journal_was_lost && director->record.machine.kind == SWAP_NONE)
                jobs_sweep_snapshots(director);
        retire_leftovers(director);
        tell_what_was_missed(director);
        source_open(director);
        return 0;
}

static int on_port_retry(sd_event_source *source, uint64_t usec, void *userdata);

/* Where the one that had a port has ended, it becomes free by itself. */
static bool waits_for_kernel(struct director *director, uint64_t now) {
        char why[400];
        if (now >= director->ports_deadline + PORT_ENDED_PATIENCE_US || !port_owner_has_ended(director))
                return false;
        if (!director->ports_wait_was_said) {
                port_owner_describe(director, why, sizeof(why));
                log_notice("node %s is started later: %s", director->config->node, why);
                director->ports_wait_was_said = true;
        }
        return true;
}

/* Whoever has a port may be a supervisor that was killed and has not ended yet. */
static int start_when_ports_are_free(struct director *director) {
        uint64_t now = now_monotonic();
        char why[400];
        if (port_owner_is_nobody(director))
                return selection_begin(director);
        bool is_early = now < director->ports_deadline;
        if (is_early || waits_for_kernel(director, now))
                return sd_event_add_time_relative(director->event, NULL, CLOCK_MONOTONIC,
                                is_early ? PORT_RETRY_US : PORT_ENDED_RETRY_US, 0, on_port_retry, director);
        /* Only now: it takes its time, and then whoever had it may be gone. */
        port_owner_describe(director, why, sizeof(why));
        log_error("node %s cannot start: %s", director->config->node, why);
        return -EADDRINUSE;
}

static int on_port_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) usec;
        return start_when_ports_are_free(director) < 0 ? sd_event_exit(director->event, EXIT_FAILURE) : 0;
}

static int start(struct director *director) {
        (void) journal_swap_get(director->journal, director->record.swap, &director->swap);
        jobs_plan_snapshot(director);
        source_open(director);
        if (source_holds_start(director))
                return 0;
        director->ports_deadline = now_monotonic() + PORT_PATIENCE_US;
        return start_when_ports_are_free(director);
}

void recovery_source_is_read(struct director *director) {
        director->source.start_waits = false;
        director->source.patience = sd_event_source_disable_unref(director->source.patience);
        director->ports_deadline = now_monotonic() + PORT_PATIENCE_US;
        if (start_when_ports_are_free(director) < 0)
                (void) sd_event_exit(director->event, EXIT_FAILURE);
}

int recovery_go_on(struct director *director) {
        /* A director may have died before it started anything under this keeper. */
        bool was_started = director->record.keeper_instance == director->welcome.instance;
        if (journal_place_is_strange(director, was_started))
                was_started = journal_place_begin_anew(director);
        director->record.keeper_instance = director->welcome.instance;
        gate_users_recover(director);
        return was_started ? resume(director) : start(director);
}
