#include "way_out.h"

#include "following.h"

static bool tells_a_command(const char *reason) {
        return strstr(reason, "`interrex ") || strstr(reason, "--now");
}

bool way_out_describe(struct director *director, char *text, size_t size) {
        const struct machine *machine = &director->record.machine;
        uint64_t held_at = director->record.follow.held_at;
        /* Of an older state the reason says all, and what does not end leaves nothing to be done here. */
        if (machine->phase != PHASE_HELD || machine->state_is_old || machine->stuck != 0)
                return false;
        if (held_at != MACHINE_NO_HEIGHT)
                return !strstr(machine->reason, "the schedule asks for") && !following_describe(director, held_at, text, size);
        if (!machine->must_not_run || tells_a_command(machine->reason))
                return false;
        (void) snprintf(text, size,
                        "%.100s may not run on the state as it is: go on with a release that may, with `interrex upgrade %s VERSION "
                        "--now`",
                        machine->current_release, director->config->node);
        return true;
}
