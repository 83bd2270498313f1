/* A world for the swap machine to live in: generations, a fence, sockets, a state and its snapshot, as simple as the
 * invariants allow. Deterministic: the same seed gives the same life. */
#pragma once

#include "director/machine.h"

#define WORLD_UNITS 64
#define WORLD_PENDING 32

enum unit_state { UNIT_NONE, UNIT_AT_FENCE, UNIT_UP, UNIT_ENDED, UNIT_EMPTY };

struct world_unit {
        uint64_t generation;
        enum unit_state state;
        bool past_fence, frozen, is_new_release, terminating, killed, has_sockets, was_seen_at_fence,
                        is_cut_off;
};

struct world {
        uint64_t random;
        struct machine machine; /* as in the journal */
        struct machine_settings settings;
        struct world_unit units[WORLD_UNITS];
        uint64_t routed; /* the generation new connections go to */
        bool was_ready;
        bool snapshot_exists,
                        state_is_new,  /* the new release has touched the state since the last restore */
                        state_is_past; /* and that in a breaking upgrade */
        bool verify_runs, rehearsal_runs, snapshot_runs, restore_runs, deadline_is_set, drain_runs;
        uint64_t proving, watching, cut_off;
        bool new_release_is_bad,
                        old_release_is_bad; /* the latter only on a state that the new one touched */
        bool swap_is_breaking, has_overshot;
        bool gate_is_learned; /* whether the gate holds is known from what releases do, and changes */
        bool ended;           /* ACTION_EXIT */
        unsigned faults_left;
        char violation[256]; /* what invariant was broken; empty: none */
        char trace[16384];
};

void world_begin(struct world *world, uint64_t seed);

/* One event of those that may happen now. false: nothing can happen any more. */
bool world_step(struct world *world);

/* Is the machine in a phase in which it may rest? */
bool world_may_rest(const struct world *world);
