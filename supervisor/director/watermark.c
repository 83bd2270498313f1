#include "watermark.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "events.h"
#include "gate.h"
#include "planning.h"
#include "record.h"

#define WRITE_EVERY_US USEC_PER_SEC

bool watermark_refuses(struct director *director, uint64_t generation, uint64_t height) {
        const struct record *record = &director->record;
        bool is_in_force = generation == 0 || generation == record->machine.current;
        char text[MACHINE_REASON_MAX];
        struct machine_event event = {.type = EVENT_STATE_IS_OLD, .generation = generation, .flag = generation == 0, .text = text};
        if (!state_signs(&director->config->state) || !is_in_force || record->last_height == MACHINE_NO_HEIGHT ||
                        height >= record->last_height || (generation == 0 && record->machine.past_fence))
                return false;
        (void) snprintf(text, sizeof(text),
                        "the state is at height %lu, and this node had come to %lu: on an older state it would sign again what it has "
                        "signed. Put the newer state back, or say that this one is right with `interrex accept-state %s`",
                        height, record->last_height, director->config->node);
        log_error("%s", text);
        (void) events_feed(director, &event);
        return true;
}

void watermark_raise(struct director *director, uint64_t height) {
        struct record *record = &director->record;
        uint64_t now = now_monotonic();
        bool is_signer = state_signs(&director->config->state);
        if (record->last_height != MACHINE_NO_HEIGHT && (is_signer ? height <= record->last_height : height == record->last_height))
                return;
        record->last_height = height;
        if (!is_signer || now - director->height_written_at < WRITE_EVERY_US)
                return;
        director->height_written_at = now;
        if (record_write(director, record) < 0)
                log_warning("height %lu could not be written down", height);
}

void watermark_forget(struct record *record) {
        record->last_height = MACHINE_NO_HEIGHT;
}

int watermark_accept(struct director *director, struct refusal *ret_refusal) {
        const struct machine *machine = &director->record.machine;
        const char *node = director->config->node;
        uint64_t height = planning_height(director);
        struct machine_event event = {.type = EVENT_STATE_ACCEPTED};
        if (machine->phase != PHASE_HELD || !machine->must_not_run)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "node %s is not held because of its state", node);
        event.flag = gate_holds(director, machine->current_release) ||
                     (height != MACHINE_NO_HEIGHT && planning_allows(director, machine->current_release, height + 1));
        int r = events_feed(director, &event);
        if (r == -EPERM)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED,
                                "the schedule does not allow %.100s at height %lu, and nothing would stop it there: take the boundary out with "
                                "`interrex schedule remove %s HEIGHT`, or go on with a release that may run, with `interrex upgrade %s VERSION "
                                "--now`",
                                machine->current_release, height + 1, node, node);
        return r == 1 ? 0 : refuse(ret_refusal, CONTROL_ERROR_BUSY, "the node has not ended yet; try again");
}
