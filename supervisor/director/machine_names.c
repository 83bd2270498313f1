#include "machine.h"

const char *machine_phase_name(enum machine_phase phase) {
        static const char *const names[PHASES] = {"stopped", "starting", "backoff", "running", "armed", "renewing", "preparing",
                        "gating", "rehearsing", "quiescing", "snapshotting", "proving", "draining", "probation", "aborting",
                        "returning", "restoring", "reviving", "held", "stopping"};
        INVARIANT(phase < PHASES);
        return names[phase];
}

const char *machine_phase_for_status(enum machine_phase phase) {
        static const char *const names[PHASES] = {"stopped", "starting", "starting", "running", "armed", "starting", "preparing",
                        "gating", "gating", "swapping", "swapping", "swapping", "swapping", "probation", "rolling-back",
                        "rolling-back", "rolling-back", "rolling-back", "held", "stopped"};
        INVARIANT(phase < PHASES);
        return names[phase];
}

const char *machine_event_name(enum machine_event_type type) {
        static const char *const names[EVENTS] = {"resume", "start", "upgrade", "rollback", "restart", "renew", "cancel", "stop",
                        "near", "verified", "verify-failed", "at-fence", "spawn-failed", "proved", "unhealthy", "exited", "empty",
                        "gate-hit", "gate-failed", "rehearsed", "rehearsal-failed", "snapshot-taken", "snapshot-failed", "restored",
                        "restore-failed", "drained", "probation-passed", "state-is-old", "state-accepted", "deadline"};
        INVARIANT(type < EVENTS);
        return names[type];
}

const char *machine_outcome_name(enum machine_outcome outcome) {
        static const char *const names[] = {"", "committed", "rolled-back", "aborted", "held", "cancelled"};
        INVARIANT(outcome < ELEMENTS(names));
        return names[outcome];
}

const char *machine_kind_name(enum machine_swap_kind kind) {
        static const char *const names[] = {"", "upgrade", "rollback", "restart"};
        INVARIANT(kind < ELEMENTS(names));
        return names[kind];
}
