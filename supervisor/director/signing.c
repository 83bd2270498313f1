#include "signing.h"

#include "../lib/log.h"
#include "../lib/signer.h"
#include "events.h"
#include "jobs.h"
#include "record.h"

void signing_apply(struct director *director) {
        const struct config *config = director->config;
        enum signer_kind kind = signer_assume(config, director->record.signer_mark);
        director->settings.overlap = config->state.overlap && kind == SIGNER_NONE;
        director->settings.signer_inside = kind == SIGNER_INSIDE;
        director->settings.hold_serves = director->can_cut_off && kind == SIGNER_NONE;
}

/* It has an end of its own; what is flipped already is not taken back by this. */
static void cancel_overlap(struct director *director, const char *why) {
        const struct machine *machine = &director->record.machine;
        struct machine_event event = {.type = EVENT_CANCEL, .text = why};
        if (machine->kind == SWAP_NONE || !machine->overlap || director->settings.overlap)
                return;
        if (machine->flipped || machine->past_fence)
                log_error("two generations of a node that may sign were allowed to overlap: look whether both have signed");
        else
                (void) events_feed(director, &event);
}

void signing_note(struct director *director, uint64_t look, const char *mark) {
        struct record *record = &director->record;
        char text[700], before[sizeof(record->signer_mark)];
        if (look < director->last_look)
                return;
        director->last_look = look;
        text_copy(before, sizeof(before), record->signer_mark);
        /* What was seen may be on its way from one state to the other. */
        if (strcmp(before, mark ? mark : "") == 0 || (!mark && record->machine.past_fence))
                return;
        text_copy(record->signer_mark, sizeof(record->signer_mark), mark ? mark : "");
        int r = record_write(director, record);
        if (r < 0)
                log_errno(r, "whether the node signs could not be written to the journal");
        signing_apply(director);
        if (!signing_describe(director, text, sizeof(text)))
                return;
        log_warning("%s", text);
        cancel_overlap(director, text);
}

void signing_look_again(struct director *director) {
        const struct state_config *state = &director->config->state;
        if (state->overlap && state->signer == SIGNER_UNSAID && !*director->record.signer_mark)
                jobs_plan_snapshot(director);
}

bool signing_describe(const struct director *director, char *text, size_t size) {
        return signer_describe(director->config, director->record.signer_mark, text, size);
}
