/* A node that starts, runs, crashes and stops, without a swap. */
#include "machine_internal.h"

static int start_current(struct step *step) {
        renew_current(step);
        return enter_starting(step);
}

static void forget_candidate(struct machine *m) {
        m->candidate = 0;
        m->candidate_started = m->candidate_ready = m->verified = m->gate_was_hit = false;
}

static void nothing_runs(struct machine *m) {
        m->serving = 0;
        m->current_is_gone = m->candidate_is_gone = true;
        m->stuck = m->cut_off = 0;
        m->crashes = 0;
}

/* It was stopped at the boundary, and nothing would keep it there if it were started once more: the swap goes on without it. */
static bool has_come_to_its_end(const struct step *step) {
        const struct machine *m = step->machine;
        return m->kind == SWAP_UPGRADE && m->boundary != MACHINE_NO_HEIGHT && m->gate_was_hit && !m->must_not_run &&
               !step->settings->gate_holds && strcmp(m->current_release, m->candidate_release) != 0;
}

/* What the state asks for, where that was read before anything is started; "": it was not. */
static const char *asked_for(const struct step *step) {
        return step->event->flag && step->event->text ? step->event->text : "";
}

static bool goes_back(const struct machine *m) {
        return m->phase == PHASE_RETURNING || m->phase == PHASE_RESTORING || m->phase == PHASE_REVIVING;
}

/* Users have met the new release, and it has come as far as the schedule lets it go: there is no more progress to wait for. */
static void pass_what_has_come_to_its_end(struct step *step) {
        struct machine *m = step->machine;
        const char *asked = asked_for(step);
        if (!m->flipped || goes_back(m) || *asked == '\0' || strcmp(asked, m->candidate_release) == 0)
                return;
        text_copy(m->previous_release, sizeof(m->previous_release), m->kind == SWAP_ROLLBACK ? "" : m->current_release);
        text_copy(m->current_release, sizeof(m->current_release), m->candidate_release);
        m->must_not_run = m->may_serve = false;
        finish(step, OUTCOME_COMMITTED);
}

/* True: the swap goes on without the old release. That it is at its end the state says, or the gate has said. */
static bool take_what_is_asked_for(struct step *step) {
        struct machine *m = step->machine;
        const char *asked = asked_for(step);
        if (*asked == '\0' || m->past_fence || m->state_is_old || strcmp(m->current_release, asked) == 0)
                return has_come_to_its_end(step);
        m->must_not_run = m->may_serve = false; /* that was about another release, or another state */
        if (m->kind == SWAP_UPGRADE && m->boundary != MACHINE_NO_HEIGHT && strcmp(m->candidate_release, asked) == 0)
                return true;
        text_copy(m->current_release, sizeof(m->current_release), asked);
        if (m->kind != SWAP_NONE) {
                because(step, "the state asked for another release when the supervisor was started again");
                finish(step, OUTCOME_ABORTED);
        }
        return false;
}

static int go_on_without_the_old_one(struct step *step) {
        struct machine *m = step->machine;
        m->overlap = false;
        m->gate_was_hit = true;
        return enter_preparing(step);
}

/* The keeper is new, so no process and no socket of before exists. What the journal says was decided still holds. */
int on_cold_start(struct step *step) {
        struct machine *m = step->machine;
        nothing_runs(m);
        if (m->current_release[0] == '\0') {
                if (!step->event->text)
                        return -ENOENT;
                text_copy(m->current_release, sizeof(m->current_release), step->event->text);
        }
        m->stop_is_wanted = false;
        pass_what_has_come_to_its_end(step);
        bool goes_on = take_what_is_asked_for(step);
        if (m->flipped && !goes_back(m)) {
                /* Users had met the new release: it goes on being tried. */
                m->overlap = false;
                m->candidate = new_generation(m);
                m->candidate_started = true;
                m->candidate_is_gone = false;
                return enter_proving(step);
        }
        if (m->past_fence) {
                if (m->phase == PHASE_PROVING)
                        because(step, "the machine or the supervisor went down while the new release was being proved");
                m->overlap = false;
                return enter_returning(step);
        }
        if (m->kind != SWAP_NONE && m->boundary == MACHINE_NO_HEIGHT) {
                because(step, "the machine or the supervisor went down before the new release had begun");
                finish(step, OUTCOME_ABORTED);
        } else {
                forget_candidate(m);
                m->snapshot_taken = false;                         /* the state goes on from it */
                m->breaking = m->breaking && m->kind != SWAP_NONE; /* it may have been held at a boundary */
                if (goes_on)
                        return go_on_without_the_old_one(step);
                if (!m->must_not_run)
                        m->reason[0] = '\0'; /* why it was given up, by a supervisor before this one */
        }
        return m->must_not_run ? enter_held(step) : start_current(step);
}

int on_started(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        m->reason[0] = '\0';
        return enter_running(step);
}

static int back_off(struct step *step) {
        struct machine *m = step->machine;
        m->crashes++;
        if (m->crashes > step->settings->give_up_after) {
                char last[MACHINE_REASON_MAX];
                text_copy(last, sizeof(last), m->reason);
                (void) snprintf(m->reason, sizeof(m->reason),
                                "gave up after %u restart%s in a row; the last: %.300s; `interrex restart` tries again, `interrex upgrade "
                                "VERSION --now` runs another release",
                                m->crashes - 1, m->crashes == 2 ? "" : "s", last);
                act(step, ACTION_KILL, m->current);
                return enter_held(step);
        }
        return enter_backoff(step);
}

int on_crash(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        if (m->must_not_run) { /* it was on its way out when an upgrade was armed */
                act(step, ACTION_KILL, m->current);
                return 1;
        }
        if (step->event->flag) /* it had run well for long: this crash is a new story */
                m->crashes = 0;
        because(step, "the node ended by itself");
        return back_off(step);
}

int on_start_failed(struct step *step) {
        struct machine *m = step->machine;
        if (step->event->type == EVENT_DEADLINE)
                because(step, "the node did not become healthy within deadlines.prove");
        else if (!is_about(step, m->current))
                return 0;
        else
                because(step, "the node did not start");
        if (step->event->type == EVENT_SPAWN_FAILED)
                m->current_is_gone = true;
        return back_off(step);
}

int on_backoff_over(struct step *step) {
        struct machine *m = step->machine;
        if (m->current_is_gone)
                return start_current(step);
        act(step, ACTION_KILL, m->current);
        set_deadline(step, USEC_PER_SEC);
        return 1;
}

int on_current_empty(struct step *step) {
        struct machine *m = step->machine;
        bool is_current = is_about(step, m->current), was_stuck = is_about(step, m->stuck);
        if (is_current)
                m->current_is_gone = true;
        if (was_stuck)
                m->stuck = 0;
        return is_current || was_stuck;
}

int on_renew(struct step *step) {
        struct machine *m = step->machine;
        return is_about(step, m->current) && !m->current_is_gone && !m->must_not_run ? enter_renewing(step) : 0;
}

int on_renewing_exited(struct step *step) {
        if (!is_about(step, step->machine->current))
                return 0;
        act(step, ACTION_KILL, step->machine->current);
        return 1;
}

int on_renewing_empty(struct step *step) {
        struct machine *m = step->machine;
        return is_about(step, m->current) ? start_current(step) : on_current_empty(step);
}

int on_renewing_deadline(struct step *step) {
        act(step, ACTION_KILL, step->machine->current);
        set_deadline(step, KILL_TIMEOUT_US);
        return 1;
}

int on_stop(struct step *step) {
        return enter_stopping(step);
}

/* The state is between two releases: first make it whole. */
int on_stop_after_return(struct step *step) {
        struct machine *m = step->machine;
        m->stop_is_wanted = true;
        if (m->phase != PHASE_PROVING)
                return 1;
        because(step, "stopped by the operator while the new release was being proved");
        return enter_returning(step);
}

int on_stopping_exited(struct step *step) {
        act(step, ACTION_KILL, step->event->generation);
        return 1;
}

int on_stopping_empty(struct step *step) {
        struct machine *m = step->machine;
        if (is_about(step, m->current))
                m->current_is_gone = true;
        else if (is_about(step, m->candidate))
                m->candidate_is_gone = true;
        else
                return 0;
        bool all_gone = (m->current == 0 || m->current_is_gone) && (!m->candidate_started || m->candidate_is_gone);
        return all_gone ? enter_stopping(step) : 1;
}

int on_stopping_deadline(struct step *step) {
        struct machine *m = step->machine;
        if (m->current != 0 && !m->current_is_gone)
                act(step, ACTION_KILL, m->current);
        if (m->candidate_started && !m->candidate_is_gone)
                act(step, ACTION_KILL, m->candidate);
        set_deadline(step, KILL_TIMEOUT_US);
        return 1;
}

/* The node may go no further with this release: the shell picks one that may, or waits for one to be added. One that is armed is
 * made ready; it waits for nothing else. */
int on_boundary(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        if (m->kind != SWAP_NONE)
                return on_gate_hit_early(step);
        because(step, "");
        m->breaking = m->gate_was_hit = true;
        if (step->settings->gate_holds)
                return enter_held(step);
        forbid_running(step, true);
        return enter_held(step);
}

/* Without a successor it goes on coming up: what it answers is right, as far as it has come. */
int on_boundary_at_start(struct step *step) {
        return step->event->flag ? on_boundary(step) : 0;
}

/* Cut off it does not run either. What it is held for is still the reason. */
static void note_held_failure(struct step *step) {
        struct machine *m = step->machine;
        char held_for[MACHINE_REASON_MAX];
        if (m->current != m->cut_off || m->crashes++ != step->settings->give_up_after)
                return;
        text_copy(held_for, sizeof(held_for), m->reason);
        (void) snprintf(m->reason, sizeof(m->reason), "%.300s: but it failed %u times: %.150s", held_for, m->crashes,
                        step->event->text ? step->event->text : "");
        act(step, ACTION_READY, 0);
}

int on_held_exited(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        act(step, ACTION_KILL, m->current);
        note_held_failure(step);
        return 1;
}

static int serve_again(struct step *step) {
        if (!serves_cut_off(step)) {
                set_deadline(step, 0);
                return 1;
        }
        if (step->machine->crashes == 0)
                return enter_held(step);
        set_backoff_deadline(step);
        return 1;
}

int on_held_empty(struct step *step) {
        int r = on_current_empty(step);
        if (r <= 0)
                return r;
        if (step->machine->current_is_gone)
                return serve_again(step);
        return serves_cut_off(step) ? enter_held(step) : r; /* what was stuck has ended */
}

int on_held_spawn_failed(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current))
                return 0;
        m->current_is_gone = true;
        note_held_failure(step);
        return serve_again(step);
}

int on_held_proved(struct step *step) {
        struct machine *m = step->machine;
        if (!is_about(step, m->current) || m->current != m->cut_off)
                return 0;
        m->crashes = 0;
        flip_to(step, m->current, false);
        act(step, ACTION_READY, m->current);
        set_deadline(step, 0);
        return 1;
}

/* It does not end, or does not come up; or it is time to try again. */
int on_held_deadline(struct step *step) {
        struct machine *m = step->machine;
        if (m->current == 0 || m->current_is_gone)
                return enter_held(step);
        act(step, ACTION_KILL, m->current);
        set_deadline(step, KILL_TIMEOUT_US);
        return 1;
}

/* I8: on it the node would do again what it has done, and a signer would sign it again. */
int on_state_is_old(struct step *step) {
        struct machine *m = step->machine;
        if (step->event->flag)
                nothing_runs(m);
        else if (!is_about(step, m->current))
                return 0;
        else
                act(step, ACTION_KILL, m->current);
        /* I2: with overlap it may be at the state, and the swap is over before it is gone. */
        if (m->candidate_started && !m->candidate_is_gone) {
                act(step, ACTION_KILL, m->candidate);
                m->stuck = m->candidate;
        }
        if (!m->must_not_run || m->state_is_old) /* else it is held for a graver reason, which nobody can accept */
                m->must_not_run = m->state_is_old = true;
        if (m->state_is_old) {
                m->may_serve = false;
                because(step, "");
        }
        if (m->kind != SWAP_NONE)
                finish(step, OUTCOME_HELD);
        return enter_held(step);
}

int on_state_accepted(struct step *step) {
        struct machine *m = step->machine;
        if (!m->state_is_old && (!m->must_not_run || !step->event->flag))
                return -EPERM;
        if (!m->current_is_gone || m->stuck != 0)
                return -EBUSY;
        m->must_not_run = m->may_serve = m->state_is_old = m->breaking = false;
        m->cut_off = 0;
        m->crashes = 0;
        m->reason[0] = '\0';
        return start_current(step);
}
