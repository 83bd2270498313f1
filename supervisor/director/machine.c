#include "machine_internal.h"

struct machine machine_initial(void) {
        return (struct machine){.format = MACHINE_FORMAT, .phase = PHASE_STOPPED, .boundary = MACHINE_NO_HEIGHT};
}

int machine_step(struct machine *machine, const struct machine_settings *settings, const struct machine_event *event,
                struct machine_actions *ret_actions) {
        struct machine next = *machine;
        struct machine_actions actions = {0};
        struct step step = {.machine = &next, .settings = settings, .event = event, .actions = &actions};
        INVARIANT(machine->phase < PHASES && event->type < EVENTS);
        transition handler = machine_find_transition(machine->phase, event->type);
        int r = handler ? handler(&step) : 0;
        if (r <= 0)
                return r;
        *machine = next;
        *ret_actions = actions;
        return r;
}

void act(struct step *step, enum machine_action_type type, uint64_t generation) {
        act_with(step, type, generation, 0);
}

void act_with(struct step *step, enum machine_action_type type, uint64_t generation, uint64_t value) {
        INVARIANT(step->actions->n < MACHINE_ACTIONS_MAX);
        step->actions->items[step->actions->n++] = (struct machine_action){.type = type, .generation = generation, .value = value};
}

void set_deadline(struct step *step, uint64_t usec) {
        act_with(step, ACTION_DEADLINE, 0, usec);
}

void set_backoff_deadline(struct step *step) {
        size_t i = step->machine->crashes > 0 ? step->machine->crashes - 1 : 0, n = step->settings->n_backoff;
        set_deadline(step, n == 0 ? USEC_PER_SEC : step->settings->backoff_us[i < n ? i : n - 1]);
}

void because(struct step *step, const char *before) {
        const char *text = step->event->text ? step->event->text : "";
        (void) snprintf(step->machine->reason, sizeof(step->machine->reason), "%s%s%s", before, *before && *text ? ": " : "", text);
}

bool is_about(const struct step *step, uint64_t generation) {
        return generation != 0 && step->event->generation == generation;
}

static bool shares_slot(uint64_t generation, uint64_t other) {
        return other != 0 && generation % MACHINE_SLOTS == other % MACHINE_SLOTS;
}

uint64_t new_generation(struct machine *m) {
        do
                m->last_generation++;
        while (shares_slot(m->last_generation, m->serving) || shares_slot(m->last_generation, m->current) ||
                        shares_slot(m->last_generation, m->stuck));
        return m->last_generation;
}

void renew_current(struct step *step) {
        struct machine *m = step->machine;
        if (m->current != 0 && m->current != m->serving)
                act(step, ACTION_RETIRE, m->current);
        m->current = new_generation(m);
        m->current_is_gone = false;
}

bool machine_is_in_gap(const struct machine *m) {
        switch (m->phase) {
        case PHASE_HELD:
                return m->current_is_gone || m->current != m->serving;
        case PHASE_STARTING:
        case PHASE_BACKOFF:
        case PHASE_RENEWING:
                return m->kind == SWAP_NONE; /* what is armed for a height has no part in it */
        case PHASE_ARMED:
        case PHASE_PREPARING:
        case PHASE_GATING:
        case PHASE_REHEARSING:
        case PHASE_ABORTING:
                return m->current_is_gone;
        case PHASE_QUIESCING:
        case PHASE_SNAPSHOTTING:
        case PHASE_PROVING:
        case PHASE_RETURNING:
        case PHASE_RESTORING:
        case PHASE_REVIVING:
                return true;
        default:
                return false;
        }
}

void finish(struct step *step, enum machine_outcome outcome) {
        struct machine *m = step->machine;
        m->outcome = outcome;
        act(step, ACTION_FINISH, 0);
        /* Whoever is not kept keeps no sockets either, dead or alive. */
        if (m->candidate_started && m->candidate != m->current && m->candidate != m->serving)
                act(step, ACTION_RETIRE, m->candidate);
        if (m->snapshot_taken)
                act(step, ACTION_DROP_SNAPSHOT, 0);
        m->kind = SWAP_NONE;
        m->candidate = 0;
        m->candidate_release[0] = '\0';
        m->boundary = MACHINE_NO_HEIGHT;
        m->breaking = m->overlap = m->verified = m->candidate_started = m->candidate_ready = false;
        m->candidate_is_gone = m->gate_was_hit = m->rehearsed = m->snapshot_taken = m->past_fence = m->flipped = false;
        m->restored = m->restore_is_wanted = false;
}
