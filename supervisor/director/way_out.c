#include "way_out.h"

#include "following.h"

static bool tells_a_command(const char *reason) {
        return strstr(reason, "`interrex ") || strstr(reason, "--now");
}

/* What would follow the release that is held, where the reason does not say so. */
static bool describe_successor(struct director *director, char *text, size_t size) {
        const struct machine *machine = &director->record.machine;
        uint64_t held_at = director->record.follow.held_at;
        if (held_at != MACHINE_NO_HEIGHT)
                return !strstr(machine->reason, "the schedule asks for") && !following_describe(director, held_at, text, size);
        if (!machine->must_not_run || tells_a_command(machine->reason))
                return false;
        (void) snprintf(text, size,
                        "go on with a release that may run on the state as it is, with `interrex upgrade %s VERSION --now`",
                        director->config->node);
        return true;
}

bool way_out_describe(struct director *director, char *text, size_t size) {
        const struct machine *machine = &director->record.machine;
        char successor[MACHINE_REASON_MAX] = "";
        /* Of an older state the reason says all, and what does not end leaves nothing to be done here. */
        if (machine->phase != PHASE_HELD || machine->state_is_old || machine->stuck != 0)
                return false;
        bool has_successor = describe_successor(director, successor, sizeof(successor));
        /* Not even a schedule that allows it lets it go on by itself. */
        bool is_forbidden = machine->must_not_run && !machine->may_serve;
        if (is_forbidden)
                (void) snprintf(text, size,
                                "%.511s%s%.60s itself may not run on the state as it is: if that is right for it (it was put back, or never "
                                "changed) say so with `interrex accept-state %s`",
                                successor, has_successor ? "; " : "", machine->current_release, director->config->node);
        else
                text_copy(text, size, successor);
        return has_successor || is_forbidden;
}
