#include "watermark.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "events.h"
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
        struct machine_event event = {.type = EVENT_STATE_ACCEPTED};
        if (!director->record.machine.state_is_old || director->record.machine.phase != PHASE_HELD)
                return refuse(ret_refusal, CONTROL_ERROR_REFUSED, "node %s is not held because of an older state",
                                director->config->node);
        if (events_feed(director, &event) == 1)
                return 0;
        return refuse(ret_refusal, CONTROL_ERROR_BUSY, "the node has not ended yet; try again");
}
