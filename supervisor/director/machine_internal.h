/* What the files of the swap machine share; nobody else includes this. */
#pragma once

#include "machine.h"

#define KILL_TIMEOUT_US (30 * USEC_PER_SEC)

struct step {
        struct machine *machine;
        const struct machine_settings *settings;
        const struct machine_event *event;
        struct machine_actions *actions;
};

/* Mutates the state and appends actions. 1: taken, 0: means nothing here, -EBUSY. */
typedef int (*transition)(struct step *step);

/* machine_table.c */
transition machine_find_transition(enum machine_phase phase, enum machine_event_type event);

/* machine.c: building blocks */
void act(struct step *step, enum machine_action_type type, uint64_t generation);
void act_with(struct step *step, enum machine_action_type type, uint64_t generation, uint64_t value);
void set_deadline(struct step *step, uint64_t usec);
void set_backoff_deadline(struct step *step);
/* The reason: BEFORE, and what the event says, if it says anything. */
void because(struct step *step, const char *before);
bool is_about(const struct step *step, uint64_t generation);
/* A number for a generation to come: one whose slot no other has that may still have sockets. */
uint64_t new_generation(struct machine *machine);
/* The release in force runs as a new generation. What is gone and serves nobody keeps no sockets: nothing waits in them. */
void renew_current(struct step *step);
void finish(struct step *step, enum machine_outcome outcome);

/* machine_phases.c: entering a phase emits all that it asks for, also when it is entered again */
int enter_starting(struct step *step);
int enter_backoff(struct step *step);
int enter_renewing(struct step *step);

/* New connections go to GENERATION; the sockets of the one that served before are dropped unless they are kept. */
void flip_to(struct step *step, uint64_t generation, bool keep_old_sockets);

int enter_running(struct step *step);
int enter_preparing(struct step *step);
int enter_gating(struct step *step);
int enter_rehearsing(struct step *step);
int enter_quiescing(struct step *step);
int enter_snapshotting(struct step *step);
int enter_proving(struct step *step);
int enter_draining(struct step *step);
int enter_probation(struct step *step);
int enter_aborting(struct step *step);
int enter_returning(struct step *step);

/* The state that the new release has had must give way to the snapshot before the old one may run. */
bool must_restore(const struct step *step);

int enter_restoring(struct step *step);
int enter_reviving(struct step *step);
int enter_held(struct step *step);

/* I3: the release in force must not go on. STATE_IS_ITS_OWN: nothing of another release is in the state, so that it may
 * serve what it has, cut off from those who could bring it further. */
void forbid_running(struct step *step, bool state_is_its_own);

/* Held, the release in force is to run cut off. */
bool serves_cut_off(const struct step *step);

int enter_stopping(struct step *step);
int enter_again(struct step *step);

/* machine_run.c: transitions of a node that runs, crashes, starts and stops */
int on_cold_start(struct step *step);
int on_started(struct step *step);
int on_crash(struct step *step);
int on_start_failed(struct step *step);
int on_backoff_over(struct step *step);
int on_current_empty(struct step *step);
int on_renew(struct step *step);
int on_renewing_exited(struct step *step);
int on_renewing_empty(struct step *step);
int on_renewing_deadline(struct step *step);
int on_stop(struct step *step);
int on_stop_after_return(struct step *step);
int on_stopping_exited(struct step *step);
int on_stopping_empty(struct step *step);
int on_stopping_deadline(struct step *step);
int on_boundary(struct step *step);
int on_boundary_at_start(struct step *step);
int on_held_exited(struct step *step);
int on_state_is_old(struct step *step);
int on_state_accepted(struct step *step);
int on_held_empty(struct step *step);
int on_held_proved(struct step *step);
int on_held_spawn_failed(struct step *step);
int on_held_deadline(struct step *step);

/* machine_swap.c: transitions of a swap */
int on_upgrade(struct step *step);
int on_rollback_command(struct step *step);
int on_upgrade_in_backoff(struct step *step);
int on_rollback_in_backoff(struct step *step);
int on_restart_command(struct step *step);
int on_busy(struct step *step);
int on_cancel(struct step *step);
int on_near(struct step *step);
int on_verified(struct step *step);
int on_candidate_ready(struct step *step);
int on_candidate_failed_early(struct step *step);
int on_deadline_early(struct step *step);
int on_old_exited_early(struct step *step);
int on_gate_hit(struct step *step);
int on_gate_hit_early(struct step *step);
int on_gate_failed(struct step *step);
int on_rehearsed(struct step *step);
int on_rehearsal_failed(struct step *step);
int on_old_exited(struct step *step);
int on_old_empty(struct step *step);
int on_quiesce_deadline(struct step *step);
int on_snapshot_taken(struct step *step);
int on_candidate_proved(struct step *step);
int on_snapshot_failed(struct step *step);
int on_candidate_failed(struct step *step);
int on_candidate_at_gate(struct step *step);
int on_proof_deadline(struct step *step);
int on_drained(struct step *step);
int on_probation_passed(struct step *step);
int on_probation_deadline(struct step *step);
int on_rollback_asked(struct step *step);
int on_aborting_empty(struct step *step);
int on_candidate_empty(struct step *step);
int on_candidate_exited(struct step *step);
int on_kill_deadline(struct step *step);
int on_restored(struct step *step);
int on_restore_failed(struct step *step);
int on_revived(struct step *step);
int on_revival_failed(struct step *step);
int on_frozen_empty(struct step *step);
