#include "release_use.h"

#include "../lib/version.h"
#include "context.h"

_Static_assert(offsetof(struct record, machine) == 0, "the journal's row begins with the machine");

/* As versions: what an operator typed may begin with a "v". */
static bool is_same(const char *a, const char *b) {
        struct version one, other;
        char texts[2][VERSION_TEXT_MAX];
        if (!a || !b || version_parse(a, &one) < 0 || version_parse(b, &other) < 0)
                return false;
        version_format(&one, texts[0], sizeof(texts[0]));
        version_format(&other, texts[1], sizeof(texts[1]));
        return strcmp(texts[0], texts[1]) == 0;
}

static void describe_current(const struct machine *machine, char *text, size_t size) {
        if (machine->phase == PHASE_STOPPED)
                (void) snprintf(text, size,
                                "it ran when the node was stopped, and runs again when the node is started; upgrade to another first");
        else if (machine->phase == PHASE_HELD)
                (void) snprintf(text, size, "the node is held with it; upgrade to another first");
        else if (machine->past_fence)
                (void) snprintf(text, size,
                                "the node returns to it if %.100s does not last through probation; wait for the end of "
                                "the %s",
                                machine->candidate_release, machine_kind_name(machine->kind));
        else
                (void) snprintf(text, size, "it runs; upgrade to another first");
}

static void describe_candidate(const struct machine *machine, char *text, size_t size) {
        if (machine->phase == PHASE_STOPPED || machine->phase == PHASE_ARMED)
                (void) snprintf(text, size, "the %s to it is armed; cancel that first", machine_kind_name(machine->kind));
        else
                (void) snprintf(text, size, "the %s to it is under way (%s); wait for its end", machine_kind_name(machine->kind),
                                machine_phase_for_status(machine->phase));
}

static bool has_never_run(const struct machine *machine) {
        return machine->phase == PHASE_STOPPED && *machine->current_release == '\0';
}

bool release_use(const struct machine *machine, const char *configured, const char *release, char *text, size_t size) {
        if (is_same(machine->current_release, release))
                describe_current(machine, text, size);
        else if (machine->kind != SWAP_NONE && is_same(machine->candidate_release, release))
                describe_candidate(machine, text, size);
        else if (is_same(configured, release))
                (void) snprintf(text, size, "the configuration names it as the one to start with; change `release:` there%s first",
                                has_never_run(machine) ? "" : " and restart the supervisor");
        else
                return false;
        return true;
}

bool release_use_machine(const void *value, size_t size, struct machine *ret_machine) {
        struct machine machine;
        if (size != sizeof(struct record))
                return false;
        memcpy(&machine, value, sizeof(machine));
        if (machine.format != MACHINE_FORMAT || machine.phase >= PHASES)
                return false;
        *ret_machine = machine;
        return true;
}
