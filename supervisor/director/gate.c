#include "gate.h"

#include "../lib/log.h"
#include "ending.h"
#include "events.h"
#include "gate_node.h"
#include "gate_page.h"
#include "gate_uprobe.h"
#include "gate_users.h"
#include "journal_place.h"
#include "perform.h"
#include "planning.h"
#include "unit.h"

struct gate {
        uint64_t generation, height; /* what is armed; height MACHINE_NO_HEIGHT: nothing */
        bool was_hit;
        uint64_t hit_height; /* the last one committed then */
};

static struct gate *get(struct director *director) {
        if (!director->gate) {
                director->gate = calloc(1, sizeof(*director->gate));
                INVARIANT(director->gate);
                director->gate->height = MACHINE_NO_HEIGHT;
        }
        return director->gate;
}

static bool is_kind(const struct director *director, enum gate_kind kind) {
        return director->config->gate.kind == kind;
}

bool gate_holds(const struct director *director, const char *release) {
        return is_kind(director, GATE_UPROBE) ||
               (is_kind(director, GATE_NOTIFY) && gate_users_know(&director->record.gate_users, release));
}

bool gate_is_exact(const struct director *director, const char *release) {
        return is_kind(director, GATE_NODE) || gate_holds(director, release);
}

int gate_adopt_stored(struct director *director, const char *name, int fd) {
        int r = gate_page_adopt_stored(director, name, fd);
        return r == 0 ? gate_uprobe_adopt_stored(director, name, fd) : r;
}

int gate_open(struct director *director) {
        return is_kind(director, GATE_UPROBE) ? gate_uprobe_open(director) : 0;
}

bool gate_stands(struct director *director, uint64_t generation, uint64_t height) {
        struct gate *gate = get(director);
        if (gate->generation == 0)
                return true; /* a new director, in a phase that has no use for a gate: what stands stays */
        if (generation != gate->generation || gate->height == MACHINE_NO_HEIGHT || height < gate->height)
                return false; /* stopped by a gate that has been disarmed since */
        if (!gate->was_hit) {
                gate->was_hit = true;
                gate->hit_height = height - 1;
                events_gate_hit(director, gate->generation, gate->hit_height);
        }
        return true;
}

void gate_on_notification(struct director *director, uint64_t generation, uint64_t height) {
        const struct unit *unit = unit_find(director, generation);
        if (!unit || !is_kind(director, GATE_NOTIFY))
                return;
        gate_users_learn(director, unit);
        if (height != PROBER_HEIGHT_NONE && height > 0)
                (void) gate_stands(director, generation, height);
}

/* Now that it is known where the state stands, the gate is set where it belongs; that it stops there is the node's own doing. */
static bool look_for_node(struct director *director, const struct unit *unit) {
        uint64_t boundary = planning_gate_height_now(director, unit->generation);
        if (boundary != PLANNING_FIRST_BLOCK)
                (void) gate_arm(director, unit->generation, boundary);
        return false;
}

/* Held, it was believed to stand. */
static void stop_held(struct director *director, uint64_t generation) {
        if (director->record.machine.phase == PHASE_HELD && generation == director->record.machine.current)
                perform(director, &(struct machine_actions){.n = 2,
                                                  .items = {{.type = ACTION_TERMINATE, .generation = generation},
                                                                  {.type = ACTION_DEADLINE, .value = director->settings.stop_us}}});
}

bool gate_on_height(struct director *director, struct unit *unit, uint64_t height) {
        uint64_t boundary = gate_height(director, unit->generation);
        bool is_doubted = is_kind(director, GATE_NOTIFY) && gate_users_doubt(director, unit, height, boundary);
        if (is_doubted && boundary != MACHINE_NO_HEIGHT && height + 1 >= boundary)
                stop_held(director, unit->generation);
        if (boundary == MACHINE_NO_HEIGHT || is_kind(director, GATE_UPROBE) || height + 1 < boundary)
                return false;
        if (is_kind(director, GATE_NODE) && boundary == PLANNING_FIRST_BLOCK && planning_allows(director, unit->release, height))
                return look_for_node(director, unit);
        if (is_kind(director, GATE_NODE) && height < boundary) {
                gate_node_stands(director, unit, height);
                return false;
        }
        if (!gate_holds(director, unit->release)) {
                events_gate_hit(director, unit->generation, height);
                return true;
        }
        /* It stands when it says so: where the gate was armed late, it may be in the middle of the boundary's block. One that has not
         * said that it asks may not do so at all, whatever others of its release did. */
        return height >= boundary && gate_users_heard(&director->record.gate_users, unit) &&
               gate_stands(director, unit->generation, height + 1);
}

int gate_apply(struct director *director, struct unit *unit) {
        const struct gate *gate = get(director);
        if (!is_kind(director, GATE_UPROBE) || gate->height == MACHINE_NO_HEIGHT || unit->generation != gate->generation)
                return 0;
        return gate_uprobe_set(director, unit, gate->height);
}

static void let_pass(struct director *director, uint64_t generation) {
        if (is_kind(director, GATE_UPROBE))
                gate_uprobe_let_pass(director, generation);
}

int gate_arm(struct director *director, uint64_t generation, uint64_t height) {
        struct gate *gate = get(director);
        if (height == MACHINE_NO_HEIGHT) {
                gate->generation = generation;
                gate_disarm(director);
                return 0;
        }
        bool stood = gate->was_hit && gate->generation == generation, may_pass = stood && height > gate->hit_height + 1;
        gate->was_hit = stood && !may_pass;
        gate->generation = generation;
        gate->height = height;
        gate_page_set(director, generation, height);
        struct unit *unit = unit_find(director, generation);
        if (!unit || unit->cgroup_fd < 0)
                return 0;
        int r = gate_apply(director, unit);
        if (r >= 0 && may_pass)
                let_pass(director, generation);
        else if (r >= 0 && stood)
                events_gate_hit_later(director, generation, gate->hit_height); /* it may have come too early to be of use */
        if (gate_node_has_told(director, generation, height))
                events_gate_hit_later(director, generation, height - 1);
        /* The height may have been seen before it was asked for. */
        if (r >= 0 && unit->height != MACHINE_NO_HEIGHT)
                events_height_stands(director, unit);
        return r;
}

void gate_follow_schedule(struct director *director) {
        const struct gate *gate = get(director);
        if (!unit_find(director, gate->generation) || journal_place_leaves_gate(director, gate->generation))
                return;
        uint64_t height = planning_gate_height_now(director, gate->generation);
        if (height != gate->height)
                (void) gate_arm(director, gate->generation, height);
}

void gate_forget(struct director *director, uint64_t generation) {
        struct gate *gate = get(director);
        if (is_kind(director, GATE_UPROBE))
                gate_uprobe_forget(director, generation);
        gate_page_forget(director, generation);
        if (gate->generation == generation)
                gate->was_hit = false;
}

void gate_disarm(struct director *director) {
        struct gate *gate = get(director);
        gate->height = MACHINE_NO_HEIGHT;
        gate->was_hit = false;
        gate_page_set(director, gate->generation, MACHINE_NO_HEIGHT);
        if (!is_kind(director, GATE_UPROBE))
                return;
        gate_uprobe_clear(director);
        if (gate->generation)
                gate_uprobe_let_pass(director, gate->generation);
}

bool gate_must_precede(const struct director *director, uint64_t generation) {
        return is_kind(director, GATE_UPROBE) && gate_height(director, generation) != MACHINE_NO_HEIGHT;
}

uint64_t gate_height(const struct director *director, uint64_t generation) {
        return director->gate && director->gate->generation == generation ? director->gate->height : MACHINE_NO_HEIGHT;
}

int gate_hand_over(struct director *director, uint64_t generation, int *ret_fd) {
        if (!is_kind(director, GATE_NOTIFY))
                return 0;
        int r = gate_page_make(director, generation, gate_height(director, generation), ret_fd);
        return r < 0 ? r : 1;
}

void gate_resume(struct director *director) {
        if (is_kind(director, GATE_UPROBE))
                gate_uprobe_resume(director);
        else if (is_kind(director, GATE_NODE))
                gate_node_resume(director);
}

void gate_ask_again(struct director *director) {
        for (size_t i = 0; i < UNITS_MAX; i++)
                director->units[i].unasked_from = MACHINE_NO_HEIGHT;
        gate_page_ask_again(director);
        ending_ask_again(director);
}
