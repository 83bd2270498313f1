/* Entering a phase. The order of actions is the order of effects: a route is set before the sockets it leaves are closed,
 * a gate is armed before the generation it guards can commit. */
#include "machine_internal.h"

static void spawn(struct step *step, uint64_t generation, enum machine_fence fence) {
        act(step, ACTION_SPAWN, generation);
        step->actions->items[step->actions->n - 1].fence = fence;
}

void flip_to(struct step *step, uint64_t generation, bool keep_old_sockets) {
        uint64_t before = step->machine->serving;
        bool is_kept = keep_old_sockets && before == step->machine->current; /* which may be gone back to */
        act(step, ACTION_FLIP, generation);
        if (before != 0 && before != generation && !is_kept)
                act(step, ACTION_RETIRE, before);
        step->machine->serving = generation;
}

static void enter(struct step *step, enum machine_phase phase) {
        if (step->machine->phase != phase)
                step->machine->kills = 0;
        step->machine->phase = phase;
}

int enter_starting(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_STARTING);
        act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        spawn(step, m->current, MACHINE_PASS_AT_ONCE);
        act(step, ACTION_PROVE, m->current);
        set_deadline(step, step->settings->prove_us);
        return 1;
}

int enter_backoff(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_BACKOFF);
        act(step, ACTION_KILL, m->current); /* whatever its first process left behind */
        set_backoff_deadline(step);
        return 1;
}

int enter_renewing(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_RENEWING);
        act(step, ACTION_TERMINATE, m->current);
        set_deadline(step, step->settings->stop_us);
        return 1;
}

int enter_running(struct step *step) {
        struct machine *m = step->machine;
        enter(step, m->kind == SWAP_NONE ? PHASE_RUNNING : PHASE_ARMED);
        act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        /* An upgrade may be armed while the node is held and dead: its clients stay where they wait. */
        if (!m->current_is_gone) {
                flip_to(step, m->current, false);
                act(step, ACTION_READY, m->current);
        }
        set_deadline(step, 0);
        return 1;
}

int enter_preparing(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_PREPARING);
        set_deadline(step, step->settings->prepare_us);
        if (!m->current_is_gone)
                act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        if (!m->verified) {
                act(step, ACTION_VERIFY, 0);
                return 1;
        }
        if (!m->candidate_started) {
                m->candidate = new_generation(m);
                m->candidate_started = true;
                m->candidate_is_gone = false;
        }
        spawn(step, m->candidate, m->overlap ? MACHINE_PASS_AT_ONCE : MACHINE_WAIT_AT_FENCE);
        if (m->overlap)
                act(step, ACTION_PROVE, m->candidate);
        return 1;
}

/* Only where nothing else is going to change the state: behind a gate that holds, be it of this swap or of a hold. */
static bool must_rehearse(const struct step *step) {
        const struct machine *m = step->machine;
        bool stands = m->gate_was_hit || (m->breaking && m->boundary == MACHINE_NO_HEIGHT);
        return step->settings->rehearses_at_gate && step->settings->gate_holds && stands && m->kind == SWAP_UPGRADE &&
               !m->rehearsed && !m->overlap && !m->current_is_gone;
}

int enter_gating(struct step *step) {
        struct machine *m = step->machine;
        if (must_rehearse(step))
                return enter_rehearsing(step);
        if (m->boundary == MACHINE_NO_HEIGHT || m->gate_was_hit || m->current_is_gone)
                return m->overlap ? enter_draining(step) : enter_quiescing(step);
        enter(step, PHASE_GATING);
        act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        set_deadline(step, step->settings->gate_us == USEC_INFINITY ? 0 : step->settings->gate_us);
        return 1;
}

int enter_rehearsing(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_REHEARSING);
        act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        act(step, ACTION_REHEARSE, 0);
        set_deadline(step, step->settings->rehearse_us);
        return 1;
}

int enter_quiescing(struct step *step) {
        struct machine *m = step->machine;
        if (m->current_is_gone)
                return enter_snapshotting(step);
        enter(step, PHASE_QUIESCING);
        act(step, ACTION_TERMINATE, m->current);
        set_deadline(step, step->settings->stop_us);
        return 1;
}

int enter_snapshotting(struct step *step) {
        struct machine *m = step->machine;
        if (m->stop_is_wanted) {
                because(step, "stopped by the operator before the new release had begun");
                finish(step, OUTCOME_CANCELLED);
                return enter_stopping(step);
        }
        if (!step->settings->snapshot || m->kind == SWAP_RESTART || m->snapshot_taken)
                return enter_proving(step);
        enter(step, PHASE_SNAPSHOTTING);
        act(step, ACTION_SNAPSHOT, 0);
        set_deadline(step, step->settings->snapshot_us);
        return 1;
}

int enter_proving(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_PROVING);
        m->past_fence = true;
        act_with(step, ACTION_ARM_GATE, m->candidate, MACHINE_NO_HEIGHT);
        spawn(step, m->candidate, MACHINE_PASS_AT_ONCE); /* only after a keeper's death there is none yet */
        act(step, ACTION_PASS, m->candidate);
        act(step, ACTION_PROVE, m->candidate);
        set_deadline(step, step->settings->prove_us);
        return 1;
}

int enter_draining(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_DRAINING);
        m->flipped = m->past_fence = true;
        flip_to(step, m->candidate, true);
        act(step, ACTION_READY, m->candidate);
        act(step, ACTION_WATCH, m->candidate);
        act(step, ACTION_DRAIN, m->current);
        /* There is one gate. Where the old one stands at it, it is kept there without it. */
        if (m->gate_was_hit)
                act_with(step, ACTION_ARM_GATE, m->candidate, MACHINE_NO_HEIGHT);
        set_deadline(step, step->settings->drain_us);
        return 1;
}

int enter_probation(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_PROBATION);
        m->flipped = true;
        flip_to(step, m->candidate, m->overlap);
        act(step, ACTION_READY, m->candidate);
        if (m->overlap && !m->current_is_gone)
                act(step, ACTION_FREEZE, m->current);
        act(step, ACTION_WATCH, m->candidate);
        act_with(step, ACTION_ARM_GATE, m->candidate, MACHINE_NO_HEIGHT);
        set_deadline(step, step->settings->probation_us);
        return 1;
}

int enter_aborting(struct step *step) {
        struct machine *m = step->machine;
        enter(step, PHASE_ABORTING);
        if (m->overlap && m->flipped) {
                act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
                act(step, ACTION_THAW, m->current);
                flip_to(step, m->current, false);
        } else if (m->candidate_started)
                act(step, ACTION_RETIRE, m->candidate);
        if (m->candidate_started && !m->candidate_is_gone) {
                act(step, ACTION_KILL, m->candidate);
                set_deadline(step, KILL_TIMEOUT_US);
                return 1;
        }
        /* The boundary was reached and nothing may go past it: keep the old one where the gate has stopped it. */
        if (m->gate_was_hit && m->breaking) {
                /* A gate that does not hold has only told. */
                if (!step->settings->gate_holds)
                        forbid_running(step, true);
                finish(step, OUTCOME_HELD);
                return enter_held(step);
        }
        if (m->must_not_run) { /* it was held before, and still is */
                forbid_running(step, true);
                finish(step, m->outcome == OUTCOME_CANCELLED ? OUTCOME_CANCELLED : OUTCOME_HELD);
                return enter_held(step);
        }
        finish(step, m->flipped ? OUTCOME_ROLLED_BACK : m->outcome);
        return enter_running(step);
}

bool must_restore(const struct step *step) {
        const struct machine *m = step->machine;
        if (!m->snapshot_taken || !m->past_fence || m->restored || step->settings->signer_inside)
                return false;
        return m->breaking || !m->flipped || m->restore_is_wanted;
}

int enter_returning(struct step *step) {
        struct machine *m = step->machine;
        if (m->overlap && !m->current_is_gone)
                return enter_aborting(step);
        enter(step, PHASE_RETURNING);
        if (m->candidate != 0 && m->candidate != m->serving)
                act(step, ACTION_RETIRE, m->candidate);
        if (m->candidate != 0 && !m->candidate_is_gone) {
                /* Where the state will not be restored, the new release must leave it whole. */
                bool gently = m->past_fence && !must_restore(step);
                act(step, gently ? ACTION_TERMINATE : ACTION_KILL, m->candidate);
                set_deadline(step, gently ? step->settings->stop_us : KILL_TIMEOUT_US);
                return 1;
        }
        return must_restore(step) ? enter_restoring(step) : enter_reviving(step);
}

int enter_restoring(struct step *step) {
        enter(step, PHASE_RESTORING);
        act(step, ACTION_RESTORE, 0);
        set_deadline(step, step->settings->snapshot_us);
        return 1;
}

int enter_reviving(struct step *step) {
        struct machine *m = step->machine;
        /* I3: the old release would run at the boundary, or on a state of the new one that cannot be taken back. It must not when
         * it is started after a stop, either. */
        bool state_is_its_own = !m->past_fence || m->restored;
        if (m->must_not_run || (m->breaking && (!step->settings->gate_holds || !state_is_its_own)))
                forbid_running(step, state_is_its_own);
        if (m->must_not_run || m->stop_is_wanted) {
                finish(step, m->must_not_run ? OUTCOME_HELD : OUTCOME_ROLLED_BACK);
                return m->stop_is_wanted ? enter_stopping(step) : enter_held(step);
        }
        enter(step, PHASE_REVIVING);
        if (m->current_is_gone)
                renew_current(step);
        act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        spawn(step, m->current, MACHINE_PASS_AT_ONCE);
        act(step, ACTION_PROVE, m->current);
        set_deadline(step, step->settings->prove_us);
        return 1;
}

void forbid_running(struct step *step, bool state_is_its_own) {
        struct machine *m = step->machine;
        m->may_serve = state_is_its_own && (!m->must_not_run || m->may_serve);
        m->must_not_run = true;
        size_t used = strlen(m->reason);
        if (m->may_serve && step->settings->hold_serves && !strstr(m->reason, "cut off from its peers"))
                (void) snprintf(m->reason + used, sizeof(m->reason) - used,
                                "%sthe old release serves reads, cut off from its peers", used ? "; " : "");
}

bool serves_cut_off(const struct step *step) {
        const struct machine *m = step->machine;
        return m->must_not_run && m->may_serve && step->settings->hold_serves && m->stuck == 0 &&
               m->crashes <= step->settings->give_up_after;
}

/* It is cut off before it executes anything, and is never uncut: leaving hold replaces it. */
static int serve_cut_off(struct step *step) {
        struct machine *m = step->machine;
        if (m->current_is_gone) {
                renew_current(step);
                m->cut_off = m->current;
        }
        act(step, ACTION_CUT_OFF, m->current);
        spawn(step, m->current, MACHINE_PASS_AT_ONCE);
        bool is_proved = m->current == m->serving;
        if (is_proved)
                flip_to(step, m->current, false);
        else
                act(step, ACTION_PROVE, m->current);
        act(step, ACTION_READY, is_proved ? m->current : 0);
        set_deadline(step, is_proved ? 0 : step->settings->prove_us);
        return 1;
}

int enter_held(struct step *step) {
        struct machine *m = step->machine;
        if (m->phase != PHASE_HELD && m->must_not_run)
                m->crashes = 0;
        enter(step, PHASE_HELD);
        bool lives = !m->current_is_gone && m->current != 0;
        /* Whether the gate holds may have been learned since it was told to end. */
        bool must_end = m->may_serve || !step->settings->gate_holds;
        if (lives && m->must_not_run && must_end && m->current != m->cut_off) {
                act(step, ACTION_TERMINATE, m->current);
                act(step, ACTION_READY, 0);
                set_deadline(step, step->settings->stop_us);
                return 1;
        }
        if (serves_cut_off(step))
                return serve_cut_off(step);
        bool serves = lives && m->current == m->serving;
        if (serves)
                act_with(step, ACTION_ARM_GATE, m->current, m->boundary);
        act(step, ACTION_READY, serves ? m->current : 0);
        set_deadline(step, 0);
        return 1;
}

int enter_stopping(struct step *step) {
        struct machine *m = step->machine;
        bool candidate_lives = m->candidate_started && !m->candidate_is_gone;
        bool current_lives = m->current != 0 && !m->current_is_gone;
        enter(step, PHASE_STOPPING);
        if (!candidate_lives && !current_lives) {
                if (m->kind != SWAP_NONE && m->boundary == MACHINE_NO_HEIGHT && !m->past_fence) {
                        because(step, "stopped by the operator");
                        finish(step, OUTCOME_CANCELLED);
                }
                enter(step, PHASE_STOPPED);
                m->serving = 0;
                m->stop_is_wanted = false;
                set_deadline(step, 0);
                act(step, ACTION_EXIT, 0);
                return 1;
        }
        if (candidate_lives) {
                act(step, ACTION_THAW, m->candidate);
                /* One that waits at its lock would not hear a signal that it handles, and has nothing that could be lost. */
                act(step, m->past_fence ? ACTION_TERMINATE : ACTION_KILL, m->candidate);
        }
        if (current_lives) {
                act(step, ACTION_THAW, m->current);
                act(step, ACTION_TERMINATE, m->current);
        }
        set_deadline(step, step->settings->stop_us);
        return 1;
}

int enter_again(struct step *step) {
        static int (*const entries[PHASES])(struct step *) = {
                        [PHASE_STARTING] = enter_starting,
                        [PHASE_BACKOFF] = enter_backoff,
                        [PHASE_RUNNING] = enter_running,
                        [PHASE_ARMED] = enter_running,
                        [PHASE_RENEWING] = enter_renewing,
                        [PHASE_PREPARING] = enter_preparing,
                        [PHASE_GATING] = enter_gating,
                        [PHASE_REHEARSING] = enter_gating, /* beside nobody there is nothing to be tried */
                        [PHASE_QUIESCING] = enter_quiescing,
                        [PHASE_SNAPSHOTTING] = enter_snapshotting,
                        [PHASE_PROVING] = enter_proving,
                        [PHASE_DRAINING] = enter_draining,
                        [PHASE_PROBATION] = enter_probation,
                        [PHASE_ABORTING] = enter_aborting,
                        [PHASE_RETURNING] = enter_returning,
                        [PHASE_RESTORING] = enter_restoring,
                        [PHASE_REVIVING] = enter_reviving,
                        [PHASE_HELD] = enter_held,
                        [PHASE_STOPPING] = enter_stopping,
        };
        return entries[step->machine->phase] ? entries[step->machine->phase](step) : 0;
}
