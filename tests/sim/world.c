#include "world.h"

static uint32_t draw(struct world *world, uint32_t below) {
        world->random = world->random * 6364136223846793005ULL + 1442695040888963407ULL;
        return (uint32_t)(world->random >> 33) % below;
}

static struct world_unit *find(struct world *world, uint64_t generation) {
        for (size_t i = 0; generation && i < WORLD_UNITS; i++)
                if (world->units[i].generation == generation)
                        return &world->units[i];
        return NULL;
}

static bool is_alive(const struct world_unit *unit) {
        return unit && (unit->state == UNIT_AT_FENCE || unit->state == UNIT_UP);
}

static void violate(struct world *world, const char *invariant) {
        if (!*world->violation)
                (void)snprintf(world->violation, sizeof(world->violation), "%s in phase %s", invariant,
                                machine_phase_name(world->machine.phase));
}

static void trace(struct world *world, const char *text, uint64_t generation) {
        size_t used = strlen(world->trace);
        if (used + 80 < sizeof(world->trace))
                (void)snprintf(world->trace + used, sizeof(world->trace) - used, "%s %lu\n", text,
                                generation);
}

/* Who must not run runs only where no block can reach it; and who is there so is not taken for one that runs. */
static void check_held(struct world *world) {
        const struct machine *m = &world->machine;
        const struct world_unit *unit = find(world, m->current);
        enum machine_phase phase = m->phase;
        if (!is_alive(unit) || unit->terminating || unit->killed || unit->frozen)
                return;
        if (phase == PHASE_HELD && !unit->is_cut_off && !world->settings.gate_holds)
                violate(world, "I3: a release that nothing stops at its boundary is called held");
        if (m->must_not_run && unit->past_fence && !unit->is_cut_off && !world->settings.gate_holds)
                violate(world, "I3: what must not run runs, and is not cut off");
        if (unit->is_cut_off && (phase == PHASE_STARTING || phase == PHASE_BACKOFF ||
                                                phase == PHASE_RUNNING || phase == PHASE_ARMED ||
                                                phase == PHASE_GATING || phase == PHASE_REVIVING))
                violate(world, "a generation that is cut off is taken for one that runs");
}

static void check_two(struct world *world) {
        unsigned past = 0;
        for (size_t i = 0; i < WORLD_UNITS; i++)
                past += world->units[i].state == UNIT_UP && world->units[i].past_fence;
        if (past > 1 && !world->settings.overlap)
                violate(world, "I2: two generations are past the fence");
}

static void pass(struct world *world, struct world_unit *unit) {
        unit->past_fence = true;
        unit->state = UNIT_UP;
        if (unit->is_new_release && world->has_overshot)
                violate(world, "I3: the new release starts on what the old one made of the boundary");
        if (unit->is_new_release) {
                world->state_is_new = true;
                world->state_is_past = world->state_is_past || world->swap_is_breaking;
        } else if (world->state_is_past && world->swap_is_breaking && !world->settings.overlap)
                violate(world, "I3: the old release runs on a state of the new one past a breaking "
                               "boundary");
        check_two(world);
}

static void spawn(struct world *world, const struct machine_action *action) {
        if (find(world, action->generation))
                return;
        for (size_t i = 0; i < WORLD_UNITS; i++) {
                const struct world_unit *other = &world->units[i];
                bool may_have_sockets = other->has_sockets || other->generation == world->routed;
                if (other->generation != 0 && may_have_sockets &&
                                other->generation % MACHINE_SLOTS == action->generation % MACHINE_SLOTS)
                        violate(world, "I1: two generations share a slot: users would meet the one that is "
                                       "not proved");
        }
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (world->units[i].generation == 0) {
                        struct world_unit *unit = &world->units[i];
                        *unit = (struct world_unit){.generation = action->generation,
                                        .state = UNIT_AT_FENCE,
                                        .has_sockets = true};
                        unit->is_new_release = action->generation == world->machine.candidate
                                                               ? strcmp(world->machine.candidate_release,
                                                                                 "2.0.0") == 0
                                                               : strcmp(world->machine.current_release,
                                                                                 "2.0.0") == 0;
                        unit->is_cut_off = action->generation == world->cut_off;
                        if (action->fence == MACHINE_PASS_AT_ONCE)
                                pass(world, unit);
                        return;
                }
        violate(world, "the world is too small");
}

static void apply(struct world *world, const struct machine_action *action) {
        struct world_unit *unit = find(world, action->generation);
        switch (action->type) {
        case ACTION_SPAWN:
                spawn(world, action);
                break;
        case ACTION_CUT_OFF:
                if (unit && !unit->is_cut_off)
                        violate(world, "a generation is cut off after it has begun");
                world->cut_off = action->generation;
                break;
        case ACTION_PASS:
                if (unit && unit->state == UNIT_AT_FENCE)
                        pass(world, unit);
                break;
        case ACTION_VERIFY:
                world->verify_runs = true;
                break;
        case ACTION_TERMINATE:
                if (is_alive(unit))
                        unit->terminating = true;
                break;
        case ACTION_KILL:
                if (unit)
                        unit->killed = true;
                break;
        case ACTION_FREEZE:
        case ACTION_THAW:
                if (unit)
                        unit->frozen = action->type == ACTION_FREEZE;
                break;
        case ACTION_PROVE:
                world->proving = action->generation;
                world->watching = 0;
                break;
        case ACTION_WATCH:
                world->watching = action->generation;
                world->proving = 0;
                break;
        case ACTION_FLIP:
                world->routed = action->generation;
                break;
        case ACTION_RETIRE:
                if (unit)
                        unit->has_sockets = false;
                if (action->generation == world->routed && world->was_ready)
                        violate(world, "I1: the sockets that are routed to are dropped");
                break;
        case ACTION_REHEARSE:
                if (find(world, world->machine.current)->state == UNIT_EMPTY)
                        violate(world, "a rehearsal is begun beside nobody");
                world->rehearsal_runs = true;
                break;
        case ACTION_SNAPSHOT:
                world->snapshot_runs = true;
                break;
        case ACTION_RESTORE:
                if (!world->snapshot_exists)
                        violate(world, "a snapshot is restored that was never taken");
                world->restore_runs = true;
                break;
        case ACTION_DROP_SNAPSHOT:
                world->snapshot_exists = false;
                break;
        case ACTION_DRAIN:
                world->drain_runs = true;
                break;
        case ACTION_DEADLINE:
                world->deadline_is_set = action->value != 0;
                break;
        case ACTION_READY:
                world->was_ready = world->was_ready || action->generation != 0;
                break;
        case ACTION_EXIT:
                world->ended = true;
                break;
        case ACTION_FINISH:
        case ACTION_ARM_GATE:
        case ACTION_DISARM_GATE:
                break;
        }
}

static void check_state_work(struct world *world) {
        for (size_t i = 0; (world->snapshot_runs || world->restore_runs) && i < WORLD_UNITS; i++)
                if (world->units[i].state == UNIT_UP && world->units[i].past_fence &&
                                !world->units[i].frozen)
                        violate(world, "the state is copied or replaced while a generation runs on it");
}

static void feed(struct world *world, enum machine_event_type type, uint64_t generation, const char *text,
                bool flag) {
        struct machine_event event = {.type = type,
                        .generation = generation,
                        .text = text,
                        .flag = flag,
                        .height = MACHINE_NO_HEIGHT};
        struct machine_actions actions = {0};
        enum machine_phase before = world->machine.phase;
        if (type == EVENT_UPGRADE && draw(world, 2))
                event.height = 100;
        if (type == EVENT_UPGRADE)
                event.flag = draw(world, 2);
        if (type == EVENT_GATE_HIT && generation == world->machine.candidate)
                event.flag = draw(world, 2); /* on either side of the boundary */
        else if (type == EVENT_GATE_HIT && world->machine.boundary != MACHINE_NO_HEIGHT) {
                event.height = world->machine.boundary - 1 + (draw(world, 4) == 0);
                world->has_overshot = event.height >= world->machine.boundary && world->machine.breaking &&
                                      !world->settings.may_overshoot;
        }
        trace(world, machine_event_name(type), generation);
        bool was_idle = world->machine.kind == SWAP_NONE;
        int r = machine_step(&world->machine, &world->settings, &event, &actions);
        if (r > 0 && type == EVENT_UPGRADE) {
                world->swap_is_breaking = event.flag;
                /* The schedule, which the machine does not know, asks for that number again. */
                world->state_is_past = world->state_is_past && strcmp(text, "1.0.0") != 0;
                world->has_overshot = false; /* an operator has looked at the state */
        }
        if (r > 0 && was_idle && type == EVENT_ROLLBACK)
                world->swap_is_breaking =
                                false; /* the schedule, which the machine does not know, has allowed it */
        if (before != world->machine.phase) {
                trace(world, machine_phase_name(world->machine.phase), world->machine.current);
                world->verify_runs = world->verify_runs && world->machine.phase == PHASE_PREPARING;
        }
        for (size_t i = 0; r > 0 && i < actions.n; i++)
                apply(world, &actions.items[i]);
        check_state_work(world);
        if (r > 0)
                check_held(world);
}

void world_begin(struct world *world, uint64_t seed) {
        static const uint64_t backoff[] = {1000};
        *world = (struct world){.random = seed * 2654435761U + 1, .machine = machine_initial()};
        world->settings = (struct machine_settings){.overlap = draw(world, 4) == 0,
                        .snapshot = draw(world, 4) != 0,
                        .signer_inside = draw(world, 8) == 0,
                        .gate_holds = draw(world, 2),
                        .may_overshoot = draw(world, 2),
                        .rehearses_at_gate = draw(world, 3) == 0,
                        .rehearse_us = 1,
                        .prepare_us = 1,
                        .gate_us = USEC_INFINITY,
                        .snapshot_us = 1,
                        .prove_us = 1,
                        .drain_us = 1,
                        .stop_us = 1,
                        .probation_us = 1,
                        .backoff_us = backoff,
                        .n_backoff = 1,
                        .give_up_after = 3};
        world->settings.may_overshoot = world->settings.may_overshoot && !world->settings.gate_holds;
        world->settings.hold_serves = !world->settings.gate_holds && draw(world, 2);
        world->gate_is_learned = draw(world, 3) == 0;
        world->new_release_is_bad = draw(world, 2);
        world->old_release_is_bad = draw(world, 4) == 0;
        world->faults_left = draw(world, 6);
        feed(world, EVENT_START, 0, "1.0.0", false);
}

/* What may happen, drawn in one pass: every enabled event has the same weight. */
struct choice {
        enum { DO_EVENT, DO_END, DO_EMPTY, DO_RESUME, DO_POWER_CUT } what;
        enum machine_event_type type;
        uint64_t generation;
};

static void offer(struct choice *choices, size_t *n, enum machine_event_type type, uint64_t generation) {
        choices[(*n)++] = (struct choice){.what = DO_EVENT, .type = type, .generation = generation};
}

static bool is_bad(const struct world *world, const struct world_unit *unit) {
        if (unit->is_new_release)
                return world->new_release_is_bad;
        return world->old_release_is_bad && world->state_is_new;
}

static void offer_of_units(struct world *world, struct choice *choices, size_t *n) {
        for (size_t i = 0; i < WORLD_UNITS; i++) {
                struct world_unit *unit = &world->units[i];
                if (unit->generation == 0)
                        continue;
                if (is_alive(unit) && !unit->frozen &&
                                (unit->terminating || (unit->past_fence && is_bad(world, unit))))
                        choices[(*n)++] = (struct choice){.what = DO_END, .generation = unit->generation};
                if (is_alive(unit) && unit->killed)
                        choices[(*n)++] = (struct choice){.what = DO_END, .generation = unit->generation};
                if (unit->state == UNIT_ENDED && unit->killed)
                        choices[(*n)++] = (struct choice){.what = DO_EMPTY, .generation = unit->generation};
                if (unit->state == UNIT_AT_FENCE && !unit->past_fence && !unit->killed &&
                                !unit->was_seen_at_fence)
                        offer(choices, n, EVENT_AT_FENCE, unit->generation);
                if (unit->state == UNIT_UP && unit->generation == world->proving && !is_bad(world, unit))
                        offer(choices, n, EVENT_PROVED, unit->generation);
                if (unit->state == UNIT_UP && unit->generation == world->watching && !is_bad(world, unit))
                        offer(choices, n, EVENT_PROBATION_PASSED, unit->generation);
        }
}

static void offer_of_jobs(struct world *world, struct choice *choices, size_t *n) {
        if (world->verify_runs)
                offer(choices, n, draw(world, 10) ? EVENT_VERIFIED : EVENT_VERIFY_FAILED, 0);
        if (world->rehearsal_runs)
                offer(choices, n, draw(world, 4) ? EVENT_REHEARSED : EVENT_REHEARSAL_FAILED, 0);
        if (world->snapshot_runs)
                offer(choices, n, draw(world, 10) ? EVENT_SNAPSHOT_TAKEN : EVENT_SNAPSHOT_FAILED, 0);
        if (world->restore_runs)
                offer(choices, n, draw(world, 20) ? EVENT_RESTORED : EVENT_RESTORE_FAILED, 0);
        if (world->drain_runs)
                offer(choices, n, EVENT_DRAINED, 0);
        if (world->deadline_is_set)
                offer(choices, n, EVENT_DEADLINE, 0);
}

static void offer_of_operator(struct world *world, struct choice *choices, size_t *n) {
        static const enum machine_event_type commands[] = {
                        EVENT_UPGRADE, EVENT_ROLLBACK, EVENT_RESTART, EVENT_CANCEL, EVENT_STOP};
        if (world->faults_left == 0)
                return;
        offer(choices, n, commands[draw(world, ELEMENTS(commands))], 0);
        choices[(*n)++] = (struct choice){.what = draw(world, 2) ? DO_RESUME : DO_POWER_CUT};
        struct world_unit *victim = &world->units[draw(world, 8)];
        if (is_alive(victim))
                choices[(*n)++] = (struct choice){.what = DO_END, .generation = victim->generation};
}

static void end_unit(struct world *world, uint64_t generation) {
        struct world_unit *unit = find(world, generation);
        unit->state = UNIT_ENDED;
        unit->killed = unit->killed ||
                       draw(world, 2); /* nothing left behind, or something that must be killed */
        feed(world, EVENT_EXITED, generation, "ended", false);
        unit = find(world, generation);
}

static void take_job(struct world *world, enum machine_event_type type) {
        if (type == EVENT_VERIFIED || type == EVENT_VERIFY_FAILED)
                world->verify_runs = false;
        if (type == EVENT_SNAPSHOT_TAKEN || type == EVENT_SNAPSHOT_FAILED)
                world->snapshot_runs = false;
        if (type == EVENT_REHEARSED || type == EVENT_REHEARSAL_FAILED)
                world->rehearsal_runs = false;
        if (type == EVENT_SNAPSHOT_TAKEN)
                world->snapshot_exists = true;
        if (type == EVENT_RESTORED)
                world->state_is_new = world->state_is_past = false;
        if (type == EVENT_RESTORED || type == EVENT_RESTORE_FAILED)
                world->restore_runs = false;
        if (type == EVENT_DRAINED)
                world->drain_runs = false;
}

/* A deadline of the snapshot leaves its job behind; what it does then has no effect that the machine is told of. */
static void run(struct world *world, const struct choice *choice) {
        switch (choice->what) {
        case DO_END:
                end_unit(world, choice->generation);
                break;
        case DO_EMPTY:
                find(world, choice->generation)->state = UNIT_EMPTY;
                feed(world, EVENT_EMPTY, choice->generation, NULL, false);
                break;
        case DO_RESUME:
                world->faults_left--;
                world->verify_runs = world->snapshot_runs = world->restore_runs = world->drain_runs =
                                world->rehearsal_runs = false;
                world->proving = world->watching = 0;
                for (size_t i = 0; i < WORLD_UNITS; i++)
                        world->units[i].was_seen_at_fence = false; /* the keeper tells it again */
                feed(world, EVENT_RESUME, 0, NULL, false);
                break;
        case DO_POWER_CUT:
                world->faults_left--;
                memset(world->units, 0, sizeof(world->units));
                world->routed = 0;
                world->was_ready = world->ended = false;
                world->verify_runs = world->snapshot_runs = world->restore_runs = world->drain_runs =
                                world->rehearsal_runs = false;
                feed(world, EVENT_START, 0, NULL, false);
                break;
        case DO_EVENT:
                take_job(world, choice->type);
                if (choice->type == EVENT_AT_FENCE)
                        find(world, choice->generation)->was_seen_at_fence = true;
                if (choice->type == EVENT_PROVED)
                        world->proving = 0;
                if (choice->type == EVENT_PROBATION_PASSED)
                        world->watching = 0;
                if (choice->type == EVENT_GATE_HIT && world->faults_left > 0)
                        world->faults_left--;
                if (choice->type == EVENT_DEADLINE) {
                        world->deadline_is_set = false;
                        world->snapshot_runs = world->restore_runs = world->rehearsal_runs = false;
                }
                if (choice->type == EVENT_UPGRADE || choice->type == EVENT_STOP)
                        world->faults_left--;
                feed(world, choice->type, choice->generation,
                                choice->type == EVENT_UPGRADE
                                                ? strcmp(world->machine.current_release, "1.0.0") == 0
                                                                  ? "2.0.0"
                                                                  : "1.0.0"
                                                : NULL,
                                choice->type == EVENT_GATE_HIT);
                break;
        }
}

bool world_step(struct world *world) {
        struct choice choices[WORLD_PENDING + 4 * WORLD_UNITS];
        size_t n = 0;
        if (*world->violation)
                return false;
        if (world->ended && world->faults_left == 0)
                return false;
        /* Learned when a release asks, forgotten when it is added anew: neither while it stands or is about to be gone back to. */
        bool is_plain = world->machine.phase == PHASE_RUNNING && !world->machine.must_not_run;
        if (world->gate_is_learned && is_plain && draw(world, 8) == 0) {
                world->settings.gate_holds = !world->settings.gate_holds;
                world->settings.may_overshoot = world->settings.may_overshoot && !world->settings.gate_holds;
        }
        offer_of_units(world, choices, &n);
        offer_of_jobs(world, choices, &n);
        offer_of_operator(world, choices, &n);
        if (world->machine.phase == PHASE_ARMED)
                offer(choices, &n, EVENT_NEAR, 0);
        if (world->machine.phase == PHASE_ARMED || world->machine.phase == PHASE_PREPARING ||
                        world->machine.phase == PHASE_GATING)
                if (world->machine.boundary != MACHINE_NO_HEIGHT)
                        offer(choices, &n, draw(world, 10) ? EVENT_GATE_HIT : EVENT_GATE_FAILED,
                                        world->machine.current);
        bool may_renew = world->machine.phase == PHASE_RUNNING || world->machine.phase == PHASE_ARMED;
        if (may_renew && world->faults_left > 0 && draw(world, 8) == 0)
                offer(choices, &n, EVENT_RENEW, world->machine.current);
        bool is_current = world->machine.phase == PHASE_RUNNING || world->machine.phase == PHASE_STARTING ||
                          world->machine.phase == PHASE_BACKOFF;
        if (is_current && world->faults_left > 0 && draw(world, 4) == 0)
                offer(choices, &n, EVENT_GATE_HIT, world->machine.current);
        if (world->faults_left > 0 && draw(world, 40) == 0 && !world->machine.past_fence && !world->ended)
                offer(choices, &n, EVENT_STATE_IS_OLD, world->machine.current);
        if (world->machine.phase == PHASE_HELD && draw(world, 4) == 0)
                offer(choices, &n, EVENT_STATE_ACCEPTED, 0);
        bool is_new_tried = world->machine.phase == PHASE_PROBATION ||
                            world->machine.phase == PHASE_PROVING || world->machine.phase == PHASE_DRAINING;
        if (is_new_tried && draw(world, 4) == 0)
                offer(choices, &n, EVENT_GATE_HIT, world->machine.candidate);
        if (n == 0)
                return false;
        run(world, &choices[draw(world, (uint32_t)n)]);
        return true;
}

bool world_may_rest(const struct world *world) {
        const struct machine *m = &world->machine;
        enum machine_phase phase = m->phase;
        bool could_serve = m->must_not_run && m->may_serve && world->settings.hold_serves && m->stuck == 0 &&
                           m->crashes <= world->settings.give_up_after;
        if (phase == PHASE_HELD && could_serve && (m->current_is_gone || m->current != world->routed))
                return false; /* what can be served is not */
        return phase == PHASE_RUNNING || phase == PHASE_HELD || phase == PHASE_STOPPED;
}
