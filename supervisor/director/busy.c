#include "busy.h"

#include "../lib/control_protocol.h"

/* It does not run, and perhaps never will by itself. */
static int refuse_failing(const struct machine *machine, const char *node, uint32_t give_up_after, struct refusal *refusal) {
        char at_once[100] = "";
        if (machine->phase == PHASE_BACKOFF)
                (void) snprintf(at_once, sizeof(at_once), "`interrex restart %.60s` tries it at once, ", node);
        return refuse(refusal, CONTROL_ERROR_BUSY,
                        "the node has failed %u times in a row, and is %s: %s`interrex upgrade %s VERSION --now` and `interrex rollback "
                        "%s` work between two tries; after %u restarts it is held, and then they work as well",
                        machine->crashes, machine->phase == PHASE_STARTING ? "being tried again" : "tried again soon", at_once,
                        node, node, give_up_after);
}

static const char *describe_node(const struct machine *machine) {
        return machine->phase == PHASE_RENEWING ? "being started anew, because it must stop by itself at another height"
                                                : machine_phase_for_status(machine->phase);
}

static void describe_swap(const struct machine *machine, char *text, size_t size) {
        char at[48] = "";
        if (machine->boundary != MACHINE_NO_HEIGHT)
                (void) snprintf(at, sizeof(at), " at height %lu", machine->boundary);
        (void) snprintf(text, size, "%s %s to %.100s%s", machine->kind == SWAP_UPGRADE ? "an" : "a",
                        machine_kind_name(machine->kind), machine->candidate_release, at);
}

static int refuse_for_swap(const struct machine *machine, const char *node, struct refusal *refusal) {
        const char *phase = machine_phase_name(machine->phase);
        char swap[200];
        describe_swap(machine, swap, sizeof(swap));
        switch (machine->phase) {
        case PHASE_STOPPED:
        case PHASE_STARTING:
        case PHASE_BACKOFF:
        case PHASE_RENEWING:
                return refuse(refusal, CONTROL_ERROR_BUSY,
                                "the node is %s, and %s stays armed meanwhile: try again in some seconds, when `interrex status %s` says "
                                "\"armed\"; `interrex cancel %s` works from then on",
                                describe_node(machine), swap, node, node);
        case PHASE_QUIESCING:
        case PHASE_SNAPSHOTTING:
                return refuse(refusal, CONTROL_ERROR_BUSY,
                                "%s is under way (%s), too far to be cancelled: wait for it, or go back with `interrex rollback %s` when "
                                "%.100s has been started",
                                swap, phase, node, machine->candidate_release);
        case PHASE_PROVING:
        case PHASE_DRAINING:
        case PHASE_PROBATION:
                return refuse(refusal, CONTROL_ERROR_BUSY, "%s is under way (%s); wait for it, or `interrex rollback %s`", swap,
                                phase, node);
        case PHASE_ABORTING:
        case PHASE_RETURNING:
        case PHASE_RESTORING:
        case PHASE_REVIVING:
                return refuse(refusal, CONTROL_ERROR_BUSY, "%s is being undone (%s): try again when that is over", swap, phase);
        case PHASE_STOPPING:
                return refuse(refusal, CONTROL_ERROR_BUSY, "the node is being stopped: try again when it has been started");
        default:
                return refuse(refusal, CONTROL_ERROR_BUSY, "%s is under way (%s); wait for it, or `interrex cancel %s`", swap,
                                phase, node);
        }
}

int busy_refuse(const struct machine *machine, const char *node, uint32_t give_up_after, struct refusal *refusal) {
        bool is_tried = machine->phase == PHASE_STARTING || machine->phase == PHASE_BACKOFF;
        if (machine->state_is_old)
                return refuse(refusal, CONTROL_ERROR_REFUSED, "the node is held: %.500s", machine->reason);
        if (machine->kind != SWAP_NONE)
                return refuse_for_swap(machine, node, refusal);
        if (machine->crashes > 0 && is_tried)
                return refuse_failing(machine, node, give_up_after, refusal);
        return refuse(refusal, CONTROL_ERROR_BUSY, "the node is %s; try again when it runs", describe_node(machine));
}
