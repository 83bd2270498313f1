/* A swap, from the command to its end. */
#include "machine_internal.h"

static int begin(struct step *step, enum machine_swap_kind kind, const char *release, uint64_t boundary) {
        struct machine *m = step->machine;
        if (m->stuck != 0)
                return -EDEADLK;
        if (m->state_is_old)
                return -EPERM;
        m->kind = kind;
        text_copy(m->candidate_release, sizeof(m->candidate_release), release);
        m->boundary = boundary;
        m->breaking = step->event->flag;
        m->overlap = step->settings->overlap && !m->current_is_gone;
        m->outcome = OUTCOME_NONE;
        m->reason[0] = '\0';
        return boundary == MACHINE_NO_HEIGHT ? enter_preparing(step) : enter_running(step);
}

int on_upgrade(struct step *step) {
        const struct machine *m = step->machine;
        /* I3: only a newer release may run on the state that made this one be held. */
        if (m->must_not_run && strcmp(step->event->text, m->current_release) == 0)
                return -EPERM;
        /* Cut off it reaches no height. */
        if (serves_cut_off(step) && step->event->height != MACHINE_NO_HEIGHT)
                return -EPERM;
        return begin(step, SWAP_UPGRADE, step->event->text, step->event->height);
}

int on_rollback_command(struct step *step) {
        if (step->machine->previous_release[0] == '\0')
                return -ENOENT;
        if (step->machine->must_not_run)
                return -EPERM;
        return begin(step, SWAP_ROLLBACK, step->machine->previous_release, MACHINE_NO_HEIGHT);
}

/* The node cannot start, and another release is asked for at once. What is left of it must be gone: its end is not told twice. */
static bool may_leave_backoff(const struct step *step) {
        return step->machine->kind == SWAP_NONE && step->machine->current_is_gone;
}

int on_upgrade_in_backoff(struct step *step) {
        bool is_at_once = step->event->height == MACHINE_NO_HEIGHT;
        return may_leave_backoff(step) && is_at_once ? on_upgrade(step) : -EBUSY;
}

int on_rollback_in_backoff(struct step *step) {
        return may_leave_backoff(step) ? on_rollback_command(step) : -EBUSY;
}

/* What held it may have been taken out of the schedule; but not what another release has made of the state. */
int on_restart_command(struct step *step) {
        if (step->machine->must_not_run && (step->event->flag || !step->machine->may_serve))
                return -EPERM;
        return begin(step, SWAP_RESTART, step->machine->current_release, MACHINE_NO_HEIGHT);
}

int on_busy(struct step *step) {
        (void) step;
        return -EBUSY;
}

/* The boundary is given up, and the old release goes on past it. */
static int disarm(struct step *step, enum machine_outcome outcome) {
        struct machine *m = step->machine;
        m->outcome = outcome;
        m->boundary = MACHINE_NO_HEIGHT;
        m->breaking = false;
        act(step, ACTION_DISARM_GATE, m->current);
        return enter_aborting(step);
}

int on_cancel(struct step *step) {
        text_copy(step->machine->reason, sizeof(step->machine->reason),
                        step->event->text ? step->event->text : "cancelled by the operator");
        return disarm(step, OUTCOME_CANCELLED);
}

/* Before it can have run past its boundary, and whatever else works: without the gate the height is not kept. */
int on_gate_failed(struct step *step) {
        if (!is_about(step, step->machine->current) || step->machine->boundary == MACHINE_NO_HEIGHT)
                return 0;
        because(step, "the gate could not be armed");
        return disarm(step, OUTCOME_ABORTED);
}

/* The old release has committed the boundary, and the new one must not start on what it made of it: an exact gate was armed too
 * late, or one that does not hold was not allowed to overshoot. */
static bool has_overshot(const struct step *step) {
        const struct machine *m = step->machine;
        return !step->settings->may_overshoot && m->breaking && m->boundary != MACHINE_NO_HEIGHT &&
               step->event->height != MACHINE_NO_HEIGHT && step->event->height >= m->boundary;
}

/* A gate that does not hold leaves the old release running past the boundary. There is no snapshot yet to go back to. */
static int on_overshot_inexactly(struct step *step) {
        struct machine *m = step->machine;
        (void) snprintf(m->reason, sizeof(m->reason),
                        "the gate overshot: the old release had committed height %lu, and the boundary is %lu: no release may go on "
                        "from this state; put one from before the boundary back, then upgrade to the new release with --now",
                        step->event->height, m->boundary);
        m->outcome = OUTCOME_HELD;
        m->gate_was_hit = m->must_not_run = true;
        act(step, ACTION_TERMINATE, m->current);
        return enter_aborting(step);
}

/* A boundary of the operator's own is given up; one of the schedule holds for the old release as well. */
static int on_overshot(struct step *step) {
        struct machine *m = step->machine;
        if (!step->settings->gate_holds)
                return on_overshot_inexactly(step);
        (void) snprintf(m->reason, sizeof(m->reason),
                        "the gate was armed too late: the old release had committed height %lu, and the boundary is %lu%s",
                        step->event->height, m->boundary,
                        step->event->text ? ": no release may go on from this state; put one from before the boundary back" : "");
        if (!step->event->text)
                return disarm(step, OUTCOME_ABORTED);
        m->outcome = OUTCOME_HELD;
        m->gate_was_hit = true;
        forbid_running(step, false);
        return enter_aborting(step);
}

int on_near(struct step *step) {
        return enter_preparing(step);
}

int on_verified(struct step *step) {
        step->machine->verified = true;
        return enter_preparing(step);
}

int on_candidate_ready(struct step *step) {
        if (!is_about(step, step->machine->candidate))
                return 0;
        step->machine->candidate_ready = true;
        return enter_gating(step);
}

/* Nothing has changed for the node yet. */
int on_candidate_failed_early(struct step *step) {
        struct machine *m = step->machine;
        if (step->event->type == EVENT_SPAWN_FAILED && is_about(step, m->current)) {
                m->current_is_gone = true; /* it was held, and about to be run cut off */
                return 1;
        }
        if (step->event->type != EVENT_VERIFY_FAILED && !is_about(step, m->candidate))
                return 0;
        because(step, step->event->type == EVENT_VERIFY_FAILED ? "" : "the new release failed before it could take over");
        if (step->event->type == EVENT_SPAWN_FAILED)
                m->candidate_is_gone = true;
        m->outcome = OUTCOME_ABORTED;
        return m->current_is_gone ? enter_returning(step) : enter_aborting(step);
}

int on_deadline_early(struct step *step) {
        struct machine *m = step->machine;
        because(step, m->phase == PHASE_GATING ? "the boundary was not reached within deadlines.gate"
                                               : "the new release was not ready within deadlines.prepare");
        m->outcome = OUTCOME_ABORTED;
        return m->current_is_gone ? enter_returning(step) : enter_aborting(step);
}

/* The old generation ended by itself while the candidate was coming up: it must not be missed, so the swap goes on with
 * what it has, unless the boundary is still ahead. */
int on_old_exited_early(struct step *step) {
        struct machine *m = step->machine;
        if (is_about(step, m->candidate))
                return on_candidate_failed_early(step);
        if (!is_about(step, m->current))
                return 0;
        act(step, ACTION_KILL, m->current);
        if (m->boundary == MACHINE_NO_HEIGHT || m->gate_was_hit || m->must_not_run)
                return 1;
        because(step, "the node ended by itself");
        if (m->candidate_started && !m->candidate_is_gone) {
                act(step, ACTION_KILL, m->candidate);
                act(step, ACTION_RETIRE, m->candidate);
        }
        m->candidate = 0;
        m->candidate_started = m->candidate_ready = false;
        m->crashes++;
        return enter_backoff(step);
}

int on_gate_hit(struct step *step) {
        if (!is_about(step, step->machine->current))
                return 0;
        if (has_overshot(step))
                return on_overshot(step);
        step->machine->gate_was_hit = true;
        return enter_gating(step);
}

/* The chain was faster than the preparation: the boundary waits for the candidate. */
int on_gate_hit_early(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        if (has_overshot(step))
                return on_overshot(step);
        m->gate_was_hit = true;
        return m->phase == PHASE_PREPARING ? 1 : enter_preparing(step);
}

int on_rehearsed(struct step *step) {
        step->machine->rehearsed = true;
        return enter_gating(step);
}

/* No user has met the new release, and the state is as it was. */
int on_rehearsal_failed(struct step *step) {
        struct machine *m = step->machine;
        because(step, step->event->type == EVENT_DEADLINE
                                        ? "the rehearsal of the new release at the gate took longer than deadlines.rehearse"
                                        : "the new release failed its rehearsal at the gate");
        m->outcome = OUTCOME_ABORTED;
        return m->current_is_gone ? enter_returning(step) : enter_aborting(step);
}

int on_old_exited(struct step *step) {
        struct machine *m = step->machine;
        if (is_about(step, m->current)) {
                act(step, ACTION_KILL, m->current); /* what it left behind in its cgroup */
                return 1;
        }
        if (!is_about(step, m->candidate))
                return 0;
        /* Too late to stay with the old one: it comes back once it has ended. */
        because(step, "the new release failed before it could take over");
        return 1;
}

int on_old_empty(struct step *step) {
        struct machine *m = step->machine;
        if (is_about(step, m->candidate)) {
                m->candidate_is_gone = true;
                return 1;
        }
        if (!is_about(step, m->current))
                return 0;
        m->current_is_gone = true;
        if (m->phase != PHASE_QUIESCING)
                return 1;
        return m->candidate_is_gone && !m->stop_is_wanted ? enter_returning(step) : enter_snapshotting(step);
}

int on_quiesce_deadline(struct step *step) {
        struct machine *m = step->machine;
        if (!step->event->flag && m->kills++ < 2) {
                act(step, ACTION_KILL, m->current);
                set_deadline(step, KILL_TIMEOUT_US);
                return 1;
        }
        because(step, step->event->flag ? "the old generation does not end"
                                        : "the old generation does not end although it was killed: a process in it waits in the "
                                          "kernel");
        if (m->candidate_started && !m->candidate_is_gone)
                act(step, ACTION_KILL, m->candidate);
        finish(step, OUTCOME_HELD);
        return enter_held(step);
}

int on_snapshot_taken(struct step *step) {
        struct machine *m = step->machine;
        m->snapshot_taken = true;
        if (m->stop_is_wanted)
                return enter_snapshotting(step);
        return m->candidate_is_gone ? enter_returning(step) : enter_proving(step);
}

int on_snapshot_failed(struct step *step) {
        because(step, step->event->type == EVENT_DEADLINE ? "the snapshot took longer than deadlines.snapshot"
                                                          : "no snapshot could be taken");
        return enter_returning(step);
}

int on_candidate_proved(struct step *step) {
        return is_about(step, step->machine->candidate) ? enter_probation(step) : 0;
}

int on_candidate_failed(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->candidate)) {
                if (step->event->type == EVENT_EXITED && is_about(step, m->current))
                        act(step, ACTION_KILL, m->current);
                return is_about(step, m->current);
        }
        if (step->event->type == EVENT_SPAWN_FAILED)
                m->candidate_is_gone = true;
        because(step, m->phase == PHASE_PROVING ? "the new release was not healthy" : "the new release failed in probation");
        return enter_returning(step);
}

/* I3: the flag says that it stands below the height that it is for, as the old release has ended before it (a gate that does not hold
 * believes it). What it has made there is put back, and the old release goes on to the height. */
int on_candidate_at_gate(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->candidate))
                return 0;
        if (!step->event->flag) /* it has come as far as the schedule lets it go: there is no more progress to wait for */
                return m->phase == PHASE_PROBATION ? on_probation_passed(step) : 0;
        because(step, "the old release ended too early, and the new one stood below its boundary");
        if (m->snapshot_taken && !step->settings->signer_inside) {
                m->breaking = m->gate_was_hit = false;
                m->restore_is_wanted = true;
        }
        return enter_returning(step);
}

int on_proof_deadline(struct step *step) {
        because(step, "the new release was not healthy within deadlines.prove");
        return enter_returning(step);
}

int on_drained(struct step *step) {
        return enter_probation(step);
}

int on_probation_passed(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->candidate))
                return 0;
        uint64_t old = m->current;
        bool old_lives = m->overlap && !m->current_is_gone;
        if (m->kind == SWAP_ROLLBACK)
                m->previous_release[0] = '\0'; /* it would lead forward again, to what was just left */
        else if (m->kind != SWAP_RESTART)
                text_copy(m->previous_release, sizeof(m->previous_release), m->current_release);
        text_copy(m->current_release, sizeof(m->current_release), m->candidate_release);
        m->current = m->candidate;
        m->current_is_gone = false;
        m->crashes = 0;
        m->reason[0] = '\0';
        m->must_not_run = m->may_serve = false;
        m->cut_off = 0;
        act(step, ACTION_RETIRE, old); /* which may never have served, and then the flip has left its sockets */
        if (old_lives)
                act(step, ACTION_KILL, old);
        finish(step, OUTCOME_COMMITTED);
        return enter_running(step);
}

int on_probation_deadline(struct step *step) {
        because(step, "the new release did not pass probation in time");
        return enter_returning(step);
}

int on_rollback_asked(struct step *step) {
        because(step, "rolled back by the operator");
        return enter_returning(step);
}

int on_aborting_empty(struct step *step) {
        struct machine *m = step->machine;
        if (is_about(step, m->current)) {
                m->current_is_gone = true;
                return 1;
        }
        if (!is_about(step, m->candidate) && step->event->type != EVENT_DEADLINE)
                return 0;
        if (step->event->type == EVENT_DEADLINE)
                m->stuck = m->candidate;
        m->candidate_is_gone = true;
        return m->current_is_gone ? enter_returning(step) : enter_aborting(step);
}

int on_candidate_exited(struct step *step) {
        if (!is_about(step, step->machine->candidate))
                return 0;
        act(step, ACTION_KILL, step->machine->candidate);
        return 1;
}

int on_candidate_empty(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->candidate))
                return on_current_empty(step);
        m->candidate_is_gone = true;
        return enter_returning(step);
}

int on_kill_deadline(struct step *step) {
        struct machine *m = step->machine;
        if (!step->event->flag && m->kills++ < 2) {
                act(step, ACTION_KILL, m->candidate);
                set_deadline(step, KILL_TIMEOUT_US);
                return 1;
        }
        because(step, step->event->flag ? "the new generation does not end"
                                        : "the new generation does not end although it was killed: a process in it waits in the "
                                          "kernel");
        m->stuck = m->candidate;
        /* I3: nor may the old one run on this state later, when the machine has been started anew. The snapshot is kept for the
         * operator. */
        if (must_restore(step) || (m->past_fence && m->breaking)) {
                forbid_running(step, false);
                m->snapshot_taken = false;
        }
        finish(step, OUTCOME_HELD);
        return enter_held(step);
}

int on_restored(struct step *step) {
        step->machine->restored = true;
        return enter_reviving(step);
}

/* The snapshot is kept: an operator may still put it back by hand. */
int on_restore_failed(struct step *step) {
        struct machine *m = step->machine;
        char first[MACHINE_REASON_MAX];
        text_copy(first, sizeof(first), m->reason);
        (void) snprintf(m->reason, sizeof(m->reason), "%.200s; and the state could not be put back: %.250s", first,
                        step->event->type == EVENT_DEADLINE ? "it took longer than deadlines.snapshot"
                        : step->event->text                 ? step->event->text
                                                            : "");
        m->snapshot_taken = false;
        forbid_running(step, false);
        finish(step, OUTCOME_HELD);
        return enter_held(step);
}

int on_revived(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        if (m->breaking) {
                flip_to(step, m->current, false);
                finish(step, OUTCOME_HELD);
                return enter_held(step);
        }
        finish(step, OUTCOME_ROLLED_BACK);
        return enter_running(step);
}

int on_revival_failed(struct step *step) {
        struct machine *m = step->machine;
        if (step->event->type != EVENT_DEADLINE && !is_about(step, m->current))
                return 0;
        if (step->event->type == EVENT_SPAWN_FAILED)
                m->current_is_gone = true;
        if (m->snapshot_taken && !m->restored && !step->settings->signer_inside) {
                /* The state as the new release left it does not do: the generation that failed is put away like a
                 * candidate, then the snapshot comes back. */
                m->restore_is_wanted = true;
                m->candidate = m->current;
                m->candidate_started = true;
                m->candidate_is_gone = m->current_is_gone;
                m->current_is_gone = true;
                return enter_returning(step);
        }
        finish(step, m->breaking ? OUTCOME_HELD : OUTCOME_ROLLED_BACK);
        return on_start_failed(step);
}

/* Overlap: the old generation, frozen or draining, is gone: there is no instant way back any more. */
int on_frozen_empty(struct step *step) {
        struct machine *m = step->machine;
        if (is_about(step, m->current)) {
                m->current_is_gone = true;
                return m->phase == PHASE_DRAINING ? enter_probation(step) : 1;
        }
        if (is_about(step, m->candidate))
                m->candidate_is_gone = true;
        return is_about(step, m->candidate);
}
