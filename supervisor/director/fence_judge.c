#include "fence_judge.h"

#include "../lib/log.h"
#include "events.h"
#include "gate.h"
#include "hold.h"
#include "keeper_link.h"
#include "planning.h"
#include "process_sockets.h"
#include "socket_watch.h"
#include "unit.h"

static void let_go_on(struct director *director, const struct keeper_fenced *fenced, bool is_done) {
        struct keeper_continue request = {.generation = fenced->generation, .request = fenced->request, .is_done = is_done};
        keeper_tell(director, KEEPER_CONTINUE, &request, sizeof(request), NULL, 0);
}

static bool is_state_lock(const struct director *director, const struct keeper_fenced *fenced) {
        char path[4096];
        _cleanup_close_ int fd = -1;
        int process = process_of_thread(fenced->thread);
        return process >= 0 && process_descriptor(process, (int) fenced->arguments[0], &fd) >= 0 &&
               file_is_below(fd, director->state_directory, path, sizeof(path)) > 0;
}

/* I3: without its gate it does not begin. */
static bool apply_gate(struct director *director, struct unit *unit) {
        char text[128];
        int r = gate_apply(director, unit);
        if (r >= 0)
                return true;
        log_errno(r, "the gate of generation %lu cannot be armed: it does not begin", unit->generation);
        (void) snprintf(text, sizeof(text), "its gate cannot be armed: %s", strerror(-r));
        unit_control(director, unit->generation, CGROUP_KILL);
        struct machine_event failed = {.type = EVENT_UNHEALTHY, .generation = unit->generation, .text = text};
        events_later(director, &failed);
        return false;
}

/* Nor without being cut off, if it is only to serve while it is held. How it ended tells why. */
static bool apply_hold(struct director *director, struct unit *unit) {
        int r = hold_apply(director, unit);
        if (r >= 0)
                return true;
        log_errno(r, "generation %lu cannot be cut off from its peers: it does not begin", unit->generation);
        (void) snprintf(unit->failure, sizeof(unit->failure), "it cannot be cut off from its peers: %s", strerror(-r));
        unit_control(director, unit->generation, CGROUP_KILL);
        return false;
}

void fence_judge(struct director *director, const struct keeper_fenced *fenced) {
        struct unit *unit = unit_find(director, fenced->generation);
        bool at_exec = fenced->call == KEEPER_FENCED_AT_EXEC;
        if (!unit)
                return;
        if (keeper_fenced_is_about_socket(fenced)) {
                let_go_on(director, fenced, socket_watch_judge(director, unit, fenced));
                return;
        }
        if (!at_exec && (!director->state_directory || !is_state_lock(director, fenced))) {
                let_go_on(director, fenced, false);
                return;
        }
        if (!at_exec)
                planning_note_lock(director);
        if (gate_must_precede(director, unit->generation) && !apply_gate(director, unit))
                return;
        if (hold_must_precede(director, unit->generation) && !unit->is_past_fence && !apply_hold(director, unit))
                return;
        unit->waits_at_fence = true;
        if (unit->fence == MACHINE_PASS_AT_ONCE || unit->is_past_fence) {
                unit_pass(director, unit->generation);
                return;
        }
        (void) events_feed_about(director, EVENT_AT_FENCE, unit->generation, NULL);
}
