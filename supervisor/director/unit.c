#include "unit.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "events.h"
#include "gate.h"
#include "gate_node.h"
#include "hold.h"
#include "keeper_link.h"
#include "listen_fds.h"
#include "notify_socket.h"
#include "planning.h"
#include "probing.h"
#include "spawn_request.h"
#include "verification.h"
#include <fcntl.h>
#include <signal.h>

#define LOG_PIPE_SIZE (1024 * 1024)
#define DAEMON_START_US (30 * USEC_PER_SEC)
#define LAST_WORDS_SHOWN 220 /* what is said of an ending is told within longer sentences */

struct unit *unit_find(struct director *director, uint64_t generation) {
        for (size_t i = 0; generation != 0 && i < UNITS_MAX; i++)
                if (director->units[i].generation == generation)
                        return &director->units[i];
        return NULL;
}

struct unit *unit_get(struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        if (unit)
                return unit;
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation == 0) {
                        director->units[i] = (struct unit){.generation = generation,
                                        .pidfd = -1,
                                        .cgroup_fd = -1,
                                        .log_fd = -1,
                                        .notify_fd = -1,
                                        .exit_status = -1,
                                        .word = {.before = MACHINE_NO_HEIGHT},
                                        .end_height = MACHINE_NO_HEIGHT,
                                        .height = MACHINE_NO_HEIGHT,
                                        .unasked_from = MACHINE_NO_HEIGHT};
                        return &director->units[i];
                }
        return NULL;
}

void unit_forget(struct director *director, struct unit *unit) {
        struct keeper_forget forget = {.generation = unit->generation, .kind = SPAWN_GENERATION};
        char name[KEEPER_NAME_MAX];
        probing_forget(director, unit->generation);
        gate_forget(director, unit->generation);
        (void) snprintf(name, sizeof(name), "log.%lu", unit->generation);
        keeper_drop(director, name);
        notify_socket_forget(director, unit);
        keeper_tell(director, KEEPER_FORGET, &forget, sizeof(forget), NULL, 0);
        unit->pidfd = close_fd(unit->pidfd);
        unit->cgroup_fd = close_fd(unit->cgroup_fd);
        unit->log_fd = close_fd(unit->log_fd);
        unit->generation = 0;
}

static void fail_to_spawn(struct director *director, struct unit *unit, const char *text) {
        struct machine_event event = {.type = EVENT_SPAWN_FAILED, .generation = unit->generation, .text = text};
        char copy[512];
        text_copy(copy, sizeof(copy), text);
        event.text = copy;
        unit_forget(director, unit);
        events_later(director, &event);
}

void unit_spawn(struct director *director, uint64_t generation, const char *release, enum machine_fence fence) {
        if (unit_find(director, generation) || gate_node_refuses(director, generation))
                return;
        struct unit *unit = unit_get(director, generation);
        if (!unit) {
                struct machine_event event = {.type = EVENT_SPAWN_FAILED,
                                .generation = generation,
                                .text = "as many generations as interrex can keep count of have not ended: processes of theirs are "
                                        "left, `interrex status` names them"};
                events_later(director, &event);
                return;
        }
        text_copy(unit->release, sizeof(unit->release), release);
        unit->fence = fence;
        if (verification_holds(director, release)) {
                unit_spawn_verified(director, unit);
                return;
        }
        unit->spawn_is_pending = true;
        verification_begin(director, release, generation);
}

/* The read end is stored with the keeper: a pipe without a reader would kill the node at its next line. */
static int make_log_pipe(struct director *director, struct unit *unit, int *ret_write_fd) {
        char name[KEEPER_NAME_MAX];
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        (void) fcntl(ends[0], F_SETPIPE_SZ, LOG_PIPE_SIZE);
        /* Only the reader must not block: the two ends have their own flags. */
        (void) fcntl(ends[0], F_SETFL, O_NONBLOCK);
        unit->log_fd = ends[0];
        (void) snprintf(name, sizeof(name), "log.%lu", unit->generation);
        keeper_store(director, name, unit->log_fd);
        *ret_write_fd = ends[1];
        return 0;
}

/* Which fence holds: a node that was never seen to take a lock below its state directory is stopped before exec, because
 * it would run past a fence made of locks without noticing it. */
static enum keeper_fence choose_fence(const struct director *director, const struct unit *unit) {
        if (hold_must_precede(director, unit->generation))
                return SPAWN_FENCE_EXEC;
        /* I3: a gate must be armed before the first block can be committed. */
        if (unit->fence == MACHINE_WAIT_AT_FENCE || gate_must_precede(director, unit->generation)) {
                bool by_lock = director->config->state.fence == FENCE_LOCK && director->state_directory &&
                               director->record.takes_lock;
                return by_lock ? SPAWN_FENCE_LOCK : SPAWN_FENCE_EXEC;
        }
        /* To learn whether it takes one. */
        return director->config->state.fence == FENCE_LOCK && director->state_directory ? SPAWN_FENCE_LOCK : SPAWN_NO_FENCE;
}

static int clone_unit(struct director *director, struct unit *unit, char *why, size_t size) {
        _cleanup_free_ struct keeper_spawn *request = calloc(1, sizeof(*request));
        _cleanup_close_ int output = -1, gate = -1;
        int fds[WIRE_FDS_MAX], r;
        size_t n_listen = 0;
        char notify[sizeof(director->directories.run) + 32] = "";
        if (!request)
                return -ENOMEM;
        (void) snprintf(why, size, "cannot make its output pipe");
        r = make_log_pipe(director, unit, &output);
        if (r >= 0) {
                (void) snprintf(why, size, "cannot make its notify socket in %s", director->directories.run);
                r = notify_socket_make(director, unit, notify, sizeof(notify));
        }
        if (r < 0)
                return r;
        unit->fence_kind = (int) choose_fence(director, unit);
        (void) snprintf(why, size, "its command line or environment is too long");
        r = spawn_request_for_node(director, unit, notify, request);
        if (r >= 0 && director->config->exec.listen_fds) {
                (void) snprintf(why, size, "cannot make the sockets for LISTEN_FDS");
                r = listen_fds_make(director, unit, fds + 2, WIRE_FDS_MAX - 3, &n_listen);
        }
        if (r >= 0) {
                (void) snprintf(why, size, "cannot make the page of its gate");
                r = gate_hand_over(director, unit->generation, &gate);
        }
        if (r < 0)
                return r;
        request->has_gate = r > 0;
        fds[2 + n_listen] = gate;
        fds[0] = verification_fd(director, unit->release);
        fds[1] = output;
        request->n_listen = (uint32_t) n_listen;
        request->serial = keeper_serial(director);
        (void) snprintf(why, size, "the kernel refused to make its process");
        return keeper_ask(director, KEEPER_SPAWN, request, sizeof(*request), fds, 2 + n_listen + request->has_gate, request->serial,
                        NULL);
}

void unit_spawn_verified(struct director *director, struct unit *unit) {
        char why[160], text[400];
        unit->spawn_is_pending = false;
        int r = clone_unit(director, unit, why, sizeof(why));
        if (r < 0) {
                (void) snprintf(text, sizeof(text), "%s: %s", why, strerror(-r));
                fail_to_spawn(director, unit, text);
                return;
        }
        struct journal_generation row = {.generation = unit->generation, .started_at = now_realtime()};
        text_copy(row.release, sizeof(row.release), unit->release);
        (void) journal_generation_begin(director->journal, &row);
        unit->pid = r;
        unit->is_running = true;
        unit->started_at = now_monotonic();
        log_info("generation %lu: %s %s runs as process %d", unit->generation, director->config->node, unit->release, r);
        probing_watch_output(director, unit);
}

/* It has no process yet, and will have none. */
static void give_up_spawning(struct director *director, struct unit *unit) {
        struct machine_event event = {.type = EVENT_EXITED,
                        .generation = unit->generation,
                        .text = "it was given up before it began"};
        unit_forget(director, unit);
        events_later(director, &event);
        event.type = EVENT_EMPTY;
        events_later(director, &event);
}

void unit_terminate(struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        if (!unit)
                return;
        if (unit->spawn_is_pending) {
                give_up_spawning(director, unit);
                return;
        }
        struct keeper_signal request = {.generation = generation, .signal = director->config->exec.stop_signal};
        unit->is_terminated = true;
        if (unit->terminated_at == 0) /* by the clock that the deadline is set by, which may lag behind */
                (void) sd_event_now(director->event, CLOCK_MONOTONIC, &unit->terminated_at);
        /* A process that is stopped as a whole would not see it. */
        keeper_tell(director, KEEPER_SIGNAL, &request, sizeof(request), NULL, 0);
}

/* It was told to end, and had all the time for it. */
static void note_cut_short(struct director *director, const struct unit *unit) {
        uint64_t patience = director->settings.stop_us;
        char text[sizeof(director->cut_short)];
        if (unit->terminated_at == 0 || unit->was_killed || !unit->is_running || now_monotonic() < unit->terminated_at + patience)
                return;
        (void) snprintf(text, sizeof(text),
                        "%.60s did not end within exec.stop_timeout (%.3g s) and was killed: what it had not written is lost",
                        unit->release, (double) patience / (double) USEC_PER_SEC);
        log_warning("generation %lu: %s", unit->generation, text);
        planning_note_in_swap(director, text);
        if (director->record.machine.phase == PHASE_STOPPING)
                text_copy(director->cut_short, sizeof(director->cut_short), text);
}

void unit_control(struct director *director, uint64_t generation, enum keeper_cgroup_verb verb) {
        struct unit *unit = unit_find(director, generation);
        struct keeper_cgroup request = {.serial = keeper_serial(director),
                        .generation = generation,
                        .kind = SPAWN_GENERATION,
                        .verb = verb};
        if (!unit)
                return;
        if (verb == CGROUP_KILL && unit->spawn_is_pending) {
                give_up_spawning(director, unit);
                return;
        }
        if (verb == CGROUP_KILL && unit->is_empty)
                events_ending_is_complete(director, unit); /* who had left the cgroup may have ended, or let go */
        unit = unit_find(director, generation);
        if (!unit)
                return;
        if (verb == CGROUP_KILL) {
                note_cut_short(director, unit);
                unit->was_killed = true;
        } else
                unit->is_frozen = verb == CGROUP_FREEZE;
        int r = keeper_ask(director, KEEPER_CGROUP, &request, sizeof(request), NULL, 0, request.serial, NULL);
        if (r < 0 && r != -ESRCH)
                log_errno(r, "cannot %s generation %lu",
                                verb == CGROUP_KILL     ? "kill"
                                : verb == CGROUP_FREEZE ? "freeze"
                                                        : "thaw",
                                generation);
}

void unit_pass(struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        if (!unit)
                return;
        unit->fence = MACHINE_PASS_AT_ONCE;
        /* I3: its gate is armed, or it is cut off, where it stops first, which it has not reached. */
        bool must_stop = gate_must_precede(director, generation) || hold_must_precede(director, generation);
        if (must_stop && !unit->waits_at_fence && !unit->is_past_fence)
                return;
        if (unit->spawn_is_pending) {
                unit->is_past_fence = true;
                return;
        }
        /* It may have waited at exec for long. */
        if (unit->has_executed || verification_is_unchanged(director, unit->release)) {
                unit_pass_verified(director, unit);
                return;
        }
        if (unit->pass_is_pending)
                return;
        unit->pass_is_pending = true;
        verification_begin(director, unit->release, generation);
}

void unit_pass_verified(struct director *director, struct unit *unit) {
        struct keeper_forget request = {.serial = keeper_serial(director),
                        .generation = unit->generation,
                        .kind = SPAWN_GENERATION};
        unit->pass_is_pending = false;
        unit->is_past_fence = true;
        unit->waits_at_fence = false;
        (void) keeper_ask(director, KEEPER_PASS, &request, sizeof(request), NULL, 0, request.serial, NULL);
}

/* As a daemon does: what was started ends at once, and what that has started lives on. */
static bool left_for_background(const struct unit *unit) {
        if (unit->exit_status != 0 || unit->is_terminated || unit->was_killed || unit->cgroup_fd < 0 ||
                        unit->exited_at - unit->started_at > DAEMON_START_US)
                return false;
        _cleanup_close_ int events = openat(unit->cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return events >= 0 && cgroup_is_populated(events) > 0;
}

/* Of its last lines as many as there is room for; the newest says why it ended. */
static void newest_words(const char *lines, char *words, size_t size) {
        static const char between[] = " | ";
        const char *next;
        while (strlen(lines) >= size && (next = strstr(lines, between)))
                lines = next + strlen(between);
        text_copy_words(words, size, lines);
}

void unit_describe_ending(const struct unit *unit, char *text, size_t size) {
        const char *ending = *unit->failure ? unit->failure : *unit->ending ? unit->ending : "it ended";
        const char *advice = left_for_background(unit) ? "; it left for the background: start it with its option to stay in the "
                                                         "foreground"
                                                       : "";
        char words[LAST_WORDS_SHOWN];
        newest_words(unit->last_words, words, sizeof(words));
        if (*words)
                (void) snprintf(text, size, "%.160s%s; its last words: %s", ending, advice, words);
        else
                (void) snprintf(text, size, "%.400s%s", ending, advice);
}
