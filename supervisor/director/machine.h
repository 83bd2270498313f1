/* The swap machine: one pure function (state, event) -> (state, actions). No I/O, no clock, no globals, no allocation.
 *
 * The state alone says what has to be done: entering a phase emits its actions, and EVENT_RESUME emits them again after
 * the director was restarted, so every action must be one that may be repeated. The shell writes the new state to the
 * journal before it carries out any action (I5). */
#pragma once

#include "../lib/base.h"

#define MACHINE_ACTIONS_MAX 16
#define MACHINE_RELEASE_MAX 128
#define MACHINE_REASON_MAX 512
#define MACHINE_NO_HEIGHT UINT64_MAX
#define MACHINE_SLOTS 4  /* of the steering maps; a generation's is its number modulo this */
#define MACHINE_FORMAT 6 /* of the state in the journal */

enum machine_phase {
        PHASE_STOPPED,
        PHASE_STARTING, /* the current generation comes up; connections wait */
        PHASE_BACKOFF,  /* it crashed; waiting before the next try; connections wait */
        PHASE_RUNNING,
        PHASE_ARMED,      /* running, an upgrade is planned for a height */
        PHASE_RENEWING,   /* the current generation ends, to be started anew with other arguments; connections wait */
        PHASE_PREPARING,  /* the candidate comes up to the fence (exclusive) or fully (overlap) */
        PHASE_GATING,     /* the candidate is ready, the old generation is not yet at the boundary */
        PHASE_REHEARSING, /* the old generation stands at the boundary and serves reads; the new release is tried on a snapshot */
        PHASE_QUIESCING,  /* the old generation is ending */
        PHASE_SNAPSHOTTING,
        PHASE_PROVING,  /* the candidate is past the fence and is probed before any user reaches it */
        PHASE_DRAINING, /* overlap: users go to the candidate, the old one serves what it has */
        PHASE_PROBATION,
        PHASE_ABORTING,  /* the candidate ends; the old generation never stopped */
        PHASE_RETURNING, /* the candidate ends; the old release has to come back */
        PHASE_RESTORING, /* the snapshot is being put back */
        PHASE_REVIVING,  /* the old release comes up again */
        PHASE_HELD,
        PHASE_STOPPING,
        PHASES,
};

enum machine_event_type {
        EVENT_RESUME,  /* the director was restarted: do again what the phase asks for */
        EVENT_START,   /* nothing runs: begin, or go on after a keeper's death; text: the release if none is in force; flag: text
                        * is what the schedule asks for on the state as it is, whatever ran last */
        EVENT_UPGRADE, /* text: release; height: boundary or none; flag: the boundary is breaking */
        EVENT_ROLLBACK,
        EVENT_RESTART, /* flag: the schedule does not allow the release in force to go on */
        EVENT_RENEW,   /* the current generation must be started anew: it stops itself at a height that is not the wanted one */
        EVENT_CANCEL,  /* text: why; NULL: the operator asked for it */
        EVENT_STOP,
        EVENT_NEAR,          /* the boundary is close: time to prepare */
        EVENT_VERIFIED,      /* the release's bytes are what was added */
        EVENT_VERIFY_FAILED, /* text: why */
        EVENT_AT_FENCE,      /* generation waits at the fence */
        EVENT_SPAWN_FAILED,  /* generation, text */
        EVENT_PROVED,        /* generation listens on all held addresses and every probe is healthy */
        EVENT_UNHEALTHY,     /* generation, text: a probe failed so often that it counts, or no progress */
        EVENT_EXITED,        /* generation's first process ended, text: how */
        EVENT_EMPTY,         /* nothing is left in generation's cgroup; always after EXITED */
        EVENT_GATE_HIT,      /* height: the last one committed; text: what the schedule asks for, NULL: the boundary is
                              * the upgrade's own; flag: a release that is asked for is here */
        EVENT_GATE_FAILED,   /* generation cannot be stopped before the boundary; text: why */
        EVENT_REHEARSED,
        EVENT_REHEARSAL_FAILED, /* text */
        EVENT_SNAPSHOT_TAKEN,
        EVENT_SNAPSHOT_FAILED, /* text */
        EVENT_RESTORED,
        EVENT_RESTORE_FAILED, /* text */
        EVENT_DRAINED,
        EVENT_PROBATION_PASSED,
        EVENT_STATE_IS_OLD,   /* generation finds an older state than the journal knows; flag: nothing runs yet; text */
        EVENT_STATE_ACCEPTED, /* an operator says that the state is the right one for the release in force; flag: the schedule allows
                               * that one there, or the gate stops it where it does not */
        EVENT_DEADLINE, /* the phase's deadline has passed; flag: what it waits for left its cgroup, where no kill reaches it */
        EVENTS,
};

struct machine_event {
        enum machine_event_type type;
        uint64_t generation;
        uint64_t height;
        bool flag;
        const char *text;
};

enum machine_action_type {
        ACTION_VERIFY,    /* the candidate's release */
        ACTION_SPAWN,     /* generation; fence: enum machine_fence */
        ACTION_CUT_OFF,   /* generation, before it is spawned: it executes nothing before it is cut off from its peers */
        ACTION_PASS,      /* generation may pass the fence */
        ACTION_TERMINATE, /* generation, gently */
        ACTION_KILL,      /* generation's cgroup */
        ACTION_FREEZE,
        ACTION_THAW,
        ACTION_PROVE,       /* begin to probe generation until it is proved */
        ACTION_FLIP,        /* new connections go to generation */
        ACTION_RETIRE,      /* drop generation's sockets: what waits in them moves to the one flipped to */
        ACTION_ARM_GATE,    /* stop generation before value, or before the first height the schedule denies it */
        ACTION_DISARM_GATE, /* the swap's boundary is given up: stop generation where the schedule denies it, or nowhere */
        ACTION_REHEARSE,    /* the candidate's release, on a snapshot of the state as it stands */
        ACTION_SNAPSHOT,
        ACTION_RESTORE,
        ACTION_DROP_SNAPSHOT,
        ACTION_DRAIN,    /* watch generation's connections until none is left */
        ACTION_WATCH,    /* probation: health and progress of generation */
        ACTION_DEADLINE, /* value: usec from now; 0: none */
        ACTION_READY,    /* users are served */
        ACTION_FINISH,   /* the swap has ended: outcome and reason are in the state */
        ACTION_EXIT,     /* nothing runs any more and nothing shall */
};

enum machine_fence { MACHINE_PASS_AT_ONCE, MACHINE_WAIT_AT_FENCE };

struct machine_action {
        enum machine_action_type type;
        uint64_t generation;
        uint64_t value;
        enum machine_fence fence;
};

struct machine_actions {
        size_t n;
        struct machine_action items[MACHINE_ACTIONS_MAX];
};

enum machine_swap_kind { SWAP_NONE, SWAP_UPGRADE, SWAP_ROLLBACK, SWAP_RESTART };
enum machine_outcome { OUTCOME_NONE, OUTCOME_COMMITTED, OUTCOME_ROLLED_BACK, OUTCOME_ABORTED, OUTCOME_HELD, OUTCOME_CANCELLED };

/* Plain data, written to the journal as it is. */
struct machine {
        uint32_t format;
        enum machine_phase phase;
        uint64_t last_generation; /* the highest number given so far; some are left out */
        uint64_t stuck;           /* was killed and does not end; nothing may be begun before it has; 0: none */
        uint64_t serving;         /* whom new connections are routed to, alive or not; 0: nobody yet */
        uint64_t current;         /* the generation of the release in force; 0: none */
        char current_release[MACHINE_RELEASE_MAX];
        char previous_release[MACHINE_RELEASE_MAX]; /* what `rollback` goes back to; empty: nothing, also after one */
        bool current_is_gone;                       /* its cgroup is empty */
        uint32_t crashes;                           /* in a row */

        enum machine_swap_kind kind; /* SWAP_NONE: no swap is planned or under way */
        uint64_t candidate;
        char candidate_release[MACHINE_RELEASE_MAX];
        uint64_t boundary; /* MACHINE_NO_HEIGHT: now */
        bool breaking;     /* the old release may not run from the boundary on */
        bool overlap;      /* of this swap */
        bool verified, candidate_started, candidate_ready, candidate_is_gone, gate_was_hit, rehearsed;
        bool snapshot_taken, past_fence, flipped, restored;
        bool restore_is_wanted; /* the old release could not run on the state as it is */
        bool must_not_run;      /* held: the release in force may not run on the state as it is */
        bool state_is_old; /* held: nothing may run on the state, which is older than what had run, before an operator accepts it */
        bool may_serve;    /* only with must_not_run: it made this state, and may run on it cut off from its peers */
        uint64_t cut_off;  /* the generation that was started so; it never runs otherwise. 0: none */
        bool stop_is_wanted; /* stop as soon as the state is whole again */
        uint32_t kills;      /* asked for in this phase */
        enum machine_outcome outcome;
        char reason[MACHINE_REASON_MAX]; /* why it ended so, or why it is held */
};

struct machine_settings {
        bool overlap;
        bool snapshot;      /* one can be taken and is wanted */
        bool signer_inside; /* I8: no state rollback past the fence */
        bool gate_holds;    /* the gate can keep the release in force from going past the boundary; may change between two steps */
        bool may_overshoot; /* it cannot, and the new release may go on from whatever the old one has committed */
        bool rehearses_at_gate; /* where a gate that holds has stopped the release in force */
        bool hold_serves;       /* a release that is held can be run cut off from its peers, so that users can read */
        uint64_t prepare_us, gate_us, rehearse_us, snapshot_us, prove_us, drain_us, stop_us;
        uint64_t probation_us; /* longest time that probation may take, health and progress included */
        const uint64_t *backoff_us;
        size_t n_backoff;
        uint32_t give_up_after;
};

/* The state before anything ran. */
struct machine machine_initial(void);

/* Nobody accepts connections: they wait. With an upgrade that is armed for a height, not because of a crash. */
bool machine_is_in_gap(const struct machine *machine);

/* One step. Returns 1: handled; 0: the event means nothing in this phase; -EBUSY: a command that cannot be taken now
 * (the state is unchanged). */
int machine_step(struct machine *machine, const struct machine_settings *settings, const struct machine_event *event,
                struct machine_actions *ret_actions);

const char *machine_phase_name(enum machine_phase phase);       /* for the journal: every phase has its own */
const char *machine_phase_for_status(enum machine_phase phase); /* the contract's word */
const char *machine_event_name(enum machine_event_type type);
const char *machine_outcome_name(enum machine_outcome outcome);
const char *machine_kind_name(enum machine_swap_kind kind);
