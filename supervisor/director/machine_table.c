/* The one table: what each event means in each phase. What does not stand here means nothing there. */
#include "machine_internal.h"

static const struct {
        enum machine_phase phase;
        enum machine_event_type event;
        transition handler;
} table[] = {
                {PHASE_STOPPED, EVENT_START, on_cold_start},
                {PHASE_STOPPED, EVENT_STATE_IS_OLD, on_state_is_old},

                {PHASE_STARTING, EVENT_START, on_cold_start},
                {PHASE_STARTING, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_STARTING, EVENT_PROVED, on_started},
                {PHASE_STARTING, EVENT_EXITED, on_start_failed},
                {PHASE_STARTING, EVENT_SPAWN_FAILED, on_start_failed},
                {PHASE_STARTING, EVENT_UNHEALTHY, on_start_failed},
                {PHASE_STARTING, EVENT_DEADLINE, on_start_failed},
                {PHASE_STARTING, EVENT_EMPTY, on_current_empty},
                {PHASE_STARTING, EVENT_GATE_HIT, on_boundary_at_start},
                {PHASE_STARTING, EVENT_STOP, on_stop},

                {PHASE_BACKOFF, EVENT_START, on_cold_start},
                {PHASE_BACKOFF, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_BACKOFF, EVENT_DEADLINE, on_backoff_over},
                {PHASE_BACKOFF, EVENT_EMPTY, on_current_empty},
                {PHASE_BACKOFF, EVENT_GATE_HIT, on_boundary}, /* what the node had said is read after its end */
                {PHASE_BACKOFF, EVENT_UPGRADE, on_upgrade_in_backoff},
                {PHASE_BACKOFF, EVENT_ROLLBACK, on_rollback_in_backoff},
                {PHASE_BACKOFF, EVENT_STOP, on_stop},

                {PHASE_RUNNING, EVENT_START, on_cold_start},
                {PHASE_RUNNING, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_RUNNING, EVENT_UPGRADE, on_upgrade},
                {PHASE_RUNNING, EVENT_ROLLBACK, on_rollback_command},
                {PHASE_RUNNING, EVENT_RESTART, on_restart_command},
                {PHASE_RUNNING, EVENT_RENEW, on_renew},
                {PHASE_RUNNING, EVENT_EXITED, on_crash},
                {PHASE_RUNNING, EVENT_EMPTY, on_current_empty},
                {PHASE_RUNNING, EVENT_GATE_HIT, on_boundary},
                {PHASE_RUNNING, EVENT_STOP, on_stop},

                {PHASE_ARMED, EVENT_START, on_cold_start},
                {PHASE_ARMED, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_ARMED, EVENT_NEAR, on_near},
                {PHASE_ARMED, EVENT_RENEW, on_renew},
                {PHASE_ARMED, EVENT_GATE_HIT, on_gate_hit_early},
                {PHASE_ARMED, EVENT_GATE_FAILED, on_gate_failed},
                {PHASE_ARMED, EVENT_CANCEL, on_cancel},
                {PHASE_ARMED, EVENT_EXITED, on_crash},
                {PHASE_ARMED, EVENT_EMPTY, on_current_empty},
                {PHASE_ARMED, EVENT_STOP, on_stop},

                {PHASE_RENEWING, EVENT_START, on_cold_start},
                {PHASE_RENEWING, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_RENEWING, EVENT_EXITED, on_renewing_exited},
                {PHASE_RENEWING, EVENT_EMPTY, on_renewing_empty},
                {PHASE_RENEWING, EVENT_DEADLINE, on_renewing_deadline},
                {PHASE_RENEWING, EVENT_STOP, on_stop},

                {PHASE_PREPARING, EVENT_START, on_cold_start},
                {PHASE_PREPARING, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_PREPARING, EVENT_VERIFIED, on_verified},
                {PHASE_PREPARING, EVENT_VERIFY_FAILED, on_candidate_failed_early},
                {PHASE_PREPARING, EVENT_SPAWN_FAILED, on_candidate_failed_early},
                {PHASE_PREPARING, EVENT_AT_FENCE, on_candidate_ready},
                {PHASE_PREPARING, EVENT_PROVED, on_candidate_ready},
                {PHASE_PREPARING, EVENT_UNHEALTHY, on_candidate_failed_early},
                {PHASE_PREPARING, EVENT_EXITED, on_old_exited_early},
                {PHASE_PREPARING, EVENT_EMPTY, on_old_empty},
                {PHASE_PREPARING, EVENT_GATE_HIT, on_gate_hit_early},
                {PHASE_PREPARING, EVENT_GATE_FAILED, on_gate_failed},
                {PHASE_PREPARING, EVENT_DEADLINE, on_deadline_early},
                {PHASE_PREPARING, EVENT_CANCEL, on_cancel},
                {PHASE_PREPARING, EVENT_STOP, on_stop},

                {PHASE_GATING, EVENT_START, on_cold_start},
                {PHASE_GATING, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_GATING, EVENT_GATE_HIT, on_gate_hit},
                {PHASE_GATING, EVENT_GATE_FAILED, on_gate_failed},
                {PHASE_GATING, EVENT_EXITED, on_old_exited_early},
                {PHASE_GATING, EVENT_UNHEALTHY, on_candidate_failed_early},
                {PHASE_GATING, EVENT_EMPTY, on_old_empty},
                {PHASE_GATING, EVENT_DEADLINE, on_deadline_early},
                {PHASE_GATING, EVENT_CANCEL, on_cancel},
                {PHASE_GATING, EVENT_STOP, on_stop},

                {PHASE_REHEARSING, EVENT_START, on_cold_start},
                {PHASE_REHEARSING, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_REHEARSING, EVENT_REHEARSED, on_rehearsed},
                {PHASE_REHEARSING, EVENT_REHEARSAL_FAILED, on_rehearsal_failed},
                {PHASE_REHEARSING, EVENT_DEADLINE, on_rehearsal_failed},
                {PHASE_REHEARSING, EVENT_EXITED, on_old_exited_early},
                {PHASE_REHEARSING, EVENT_EMPTY, on_old_empty},
                {PHASE_REHEARSING, EVENT_UNHEALTHY, on_candidate_failed_early},
                {PHASE_REHEARSING, EVENT_CANCEL, on_cancel},
                {PHASE_REHEARSING, EVENT_STOP, on_stop},

                {PHASE_QUIESCING, EVENT_START, on_cold_start},
                {PHASE_QUIESCING, EVENT_EXITED, on_old_exited},
                {PHASE_QUIESCING, EVENT_EMPTY, on_old_empty},
                {PHASE_QUIESCING, EVENT_SPAWN_FAILED, on_old_empty},
                {PHASE_QUIESCING, EVENT_DEADLINE, on_quiesce_deadline},
                {PHASE_QUIESCING, EVENT_STOP, on_stop_after_return},

                {PHASE_SNAPSHOTTING, EVENT_START, on_cold_start},
                {PHASE_SNAPSHOTTING, EVENT_SNAPSHOT_TAKEN, on_snapshot_taken},
                {PHASE_SNAPSHOTTING, EVENT_SNAPSHOT_FAILED, on_snapshot_failed},
                {PHASE_SNAPSHOTTING, EVENT_DEADLINE, on_snapshot_failed},
                {PHASE_SNAPSHOTTING, EVENT_EXITED, on_old_exited},
                {PHASE_SNAPSHOTTING, EVENT_EMPTY, on_old_empty},
                {PHASE_SNAPSHOTTING, EVENT_STOP, on_stop_after_return},

                {PHASE_PROVING, EVENT_START, on_cold_start},
                {PHASE_PROVING, EVENT_PROVED, on_candidate_proved},
                {PHASE_PROVING, EVENT_EXITED, on_candidate_failed},
                {PHASE_PROVING, EVENT_SPAWN_FAILED, on_candidate_failed},
                {PHASE_PROVING, EVENT_UNHEALTHY, on_candidate_failed},
                {PHASE_PROVING, EVENT_GATE_HIT, on_candidate_at_gate},
                {PHASE_PROVING, EVENT_EMPTY, on_frozen_empty},
                {PHASE_PROVING, EVENT_DEADLINE, on_proof_deadline},
                {PHASE_PROVING, EVENT_ROLLBACK, on_rollback_asked},
                {PHASE_PROVING, EVENT_STOP, on_stop_after_return},

                {PHASE_DRAINING, EVENT_START, on_cold_start},
                {PHASE_DRAINING, EVENT_DRAINED, on_drained},
                {PHASE_DRAINING, EVENT_DEADLINE, on_drained},
                {PHASE_DRAINING, EVENT_EXITED, on_candidate_failed},
                {PHASE_DRAINING, EVENT_UNHEALTHY, on_candidate_failed},
                {PHASE_DRAINING, EVENT_GATE_HIT, on_candidate_at_gate},
                {PHASE_DRAINING, EVENT_EMPTY, on_frozen_empty},
                {PHASE_DRAINING, EVENT_ROLLBACK, on_rollback_asked},
                {PHASE_DRAINING, EVENT_STOP, on_stop},

                {PHASE_PROBATION, EVENT_START, on_cold_start},
                {PHASE_PROBATION, EVENT_PROBATION_PASSED, on_probation_passed},
                {PHASE_PROBATION, EVENT_GATE_HIT, on_candidate_at_gate},
                {PHASE_PROBATION, EVENT_EXITED, on_candidate_failed},
                {PHASE_PROBATION, EVENT_UNHEALTHY, on_candidate_failed},
                {PHASE_PROBATION, EVENT_EMPTY, on_frozen_empty},
                {PHASE_PROBATION, EVENT_DEADLINE, on_probation_deadline},
                {PHASE_PROBATION, EVENT_ROLLBACK, on_rollback_asked},
                {PHASE_PROBATION, EVENT_STOP, on_stop},

                {PHASE_ABORTING, EVENT_START, on_cold_start},
                {PHASE_ABORTING, EVENT_EMPTY, on_aborting_empty},
                {PHASE_ABORTING, EVENT_DEADLINE, on_aborting_empty},
                {PHASE_ABORTING, EVENT_STOP, on_stop},

                {PHASE_RETURNING, EVENT_START, on_cold_start},
                {PHASE_RETURNING, EVENT_EXITED, on_candidate_exited},
                {PHASE_RETURNING, EVENT_EMPTY, on_candidate_empty},
                {PHASE_RETURNING, EVENT_DEADLINE, on_kill_deadline},
                {PHASE_RETURNING, EVENT_STOP, on_stop_after_return},

                {PHASE_RESTORING, EVENT_START, on_cold_start},
                {PHASE_RESTORING, EVENT_RESTORED, on_restored},
                {PHASE_RESTORING, EVENT_RESTORE_FAILED, on_restore_failed},
                {PHASE_RESTORING, EVENT_DEADLINE, on_restore_failed},
                {PHASE_RESTORING, EVENT_STOP, on_stop_after_return},

                {PHASE_REVIVING, EVENT_START, on_cold_start},
                {PHASE_REVIVING, EVENT_PROVED, on_revived},
                {PHASE_REVIVING, EVENT_EXITED, on_revival_failed},
                {PHASE_REVIVING, EVENT_SPAWN_FAILED, on_revival_failed},
                {PHASE_REVIVING, EVENT_UNHEALTHY, on_revival_failed},
                {PHASE_REVIVING, EVENT_DEADLINE, on_revival_failed},
                {PHASE_REVIVING, EVENT_EMPTY, on_current_empty},
                {PHASE_REVIVING, EVENT_STOP, on_stop},

                {PHASE_HELD, EVENT_START, on_cold_start},
                {PHASE_HELD, EVENT_STATE_IS_OLD, on_state_is_old},
                {PHASE_HELD, EVENT_UPGRADE, on_upgrade},
                {PHASE_HELD, EVENT_ROLLBACK, on_rollback_command},
                {PHASE_HELD, EVENT_RESTART, on_restart_command},
                {PHASE_HELD, EVENT_STATE_ACCEPTED, on_state_accepted},
                {PHASE_HELD, EVENT_EXITED, on_held_exited},
                {PHASE_HELD, EVENT_EMPTY, on_held_empty},
                {PHASE_HELD, EVENT_PROVED, on_held_proved},
                {PHASE_HELD, EVENT_SPAWN_FAILED, on_held_spawn_failed},
                {PHASE_HELD, EVENT_DEADLINE, on_held_deadline},
                {PHASE_HELD, EVENT_STOP, on_stop},

                {PHASE_STOPPING, EVENT_START, on_cold_start},
                {PHASE_STOPPING, EVENT_EXITED, on_stopping_exited},
                {PHASE_STOPPING, EVENT_EMPTY, on_stopping_empty},
                {PHASE_STOPPING, EVENT_DEADLINE, on_stopping_deadline},
};

/* A command that a phase has no row for has come at the wrong time; an event without a row has lost its meaning. */
static transition without_row(enum machine_event_type event) {
        switch (event) {
        case EVENT_RESUME:
                return enter_again;
        case EVENT_UPGRADE:
        case EVENT_ROLLBACK:
        case EVENT_RESTART:
        case EVENT_CANCEL:
                return on_busy;
        default:
                return NULL;
        }
}

transition machine_find_transition(enum machine_phase phase, enum machine_event_type event) {
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (table[i].phase == phase && table[i].event == event)
                        return table[i].handler;
        return without_row(event);
}
