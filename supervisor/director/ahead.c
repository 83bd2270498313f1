#include "ahead.h"

#include "counters.h"
#include "planning.h"

/* A boundary that is given its height when it comes lies so far behind where the node is then. */
#define PLACED_BLOCKS 2
#define PLACED_US USEC_PER_SEC

static bool is_armed(const struct machine *machine) {
        return machine->kind == SWAP_UPGRADE && machine->boundary != MACHINE_NO_HEIGHT && machine->phase >= PHASE_ARMED &&
               machine->phase <= PHASE_PROVING;
}

static uint64_t until(uint64_t moment) {
        uint64_t now = now_realtime();
        if (moment >= USEC_INFINITY / USEC_PER_SEC)
                return USEC_INFINITY;
        return moment * USEC_PER_SEC > now ? moment * USEC_PER_SEC - now : 0;
}

/* Where no rate is known yet, heights go before the others: no block has come that would tell more. */
static uint64_t comes_in(struct director *director, const struct boundary *boundary) {
        const struct boundary_rule *rule = &boundary->rule;
        if (boundary->height != SCHEDULE_NO_HEIGHT) {
                uint64_t eta = planning_eta(director, boundary->height);
                return eta == USEC_INFINITY ? 0 : eta;
        }
        uint64_t eta = rule->unit == UNIT_TIME ? until(rule->at) : counters_eta(director, rule);
        uint64_t behind = PLACED_US + (uint64_t) (PLACED_BLOCKS * director->rate.usec_per_block);
        return eta < USEC_INFINITY - behind ? eta + behind : USEC_INFINITY;
}

/* Heights and points of one unit stay in their own order. */
static int compare(const void *a, const void *b) {
        const struct ahead_item *one = a, *other = b;
        const struct boundary *first = one->boundary, *second = other->boundary;
        if (one->comes_in != other->comes_in)
                return one->comes_in < other->comes_in ? -1 : 1;
        if (first->height != second->height)
                return first->height < second->height ? -1 : 1;
        if (first->rule.unit != second->rule.unit)
                return first->rule.unit < second->rule.unit ? -1 : 1;
        return first->rule.at < second->rule.at ? -1 : first->rule.at > second->rule.at;
}

static void append(struct director *director, struct ahead *ahead, const struct boundary *boundary) {
        const struct machine *machine = &director->record.machine;
        ahead->items[ahead->n++] = (struct ahead_item){.boundary = boundary,
                        .comes_in = comes_in(director, boundary),
                        .is_armed = is_armed(machine) && boundary->height == machine->boundary};
}

static void append_armed(struct director *director, struct ahead *ahead) {
        uint64_t height = director->record.machine.boundary;
        const struct range *range = schedule_range_at(&director->schedule, height);
        ahead->armed = (struct boundary){.height = height,
                        .rule = {.unit = director->config->height.unit, .at = height, .from = BOUNDARY_NO_WINDOW}};
        if (range)
                ahead->armed.range = *range;
        else
                INVARIANT(range_parse("*", &ahead->armed.range) >= 0);
        append(director, ahead, &ahead->armed);
}

/* As schedule_place() will see it. */
static bool is_overtaken(const struct boundary *boundary, const struct boundary *in_force) {
        bool may_go_back = boundary->height != SCHEDULE_NO_HEIGHT || !in_force ||
                           (in_force->rule.unit == boundary->rule.unit && in_force->rule.at <= boundary->rule.at);
        return !may_go_back && range_lies_below(&boundary->range, &in_force->range);
}

static void note_overtaken(const struct schedule *schedule, uint64_t from, struct ahead *ahead) {
        const struct boundary *in_force = NULL;
        for (size_t i = 0; i < schedule->n && schedule->boundaries[i].height <= from; i++)
                in_force = &schedule->boundaries[i];
        for (size_t i = 0; i < ahead->n; i++) {
                ahead->items[i].is_overtaken = is_overtaken(ahead->items[i].boundary, in_force);
                if (!ahead->items[i].is_overtaken)
                        in_force = ahead->items[i].boundary;
        }
}

int ahead_list(struct director *director, struct ahead *ret_ahead) {
        const struct schedule *schedule = &director->schedule;
        const struct machine *machine = &director->record.machine;
        uint64_t height = planning_height(director), from = height == MACHINE_NO_HEIGHT ? 0 : height;
        bool is_missing = is_armed(machine) && machine->boundary > from;
        ret_ahead->n = 0;
        ret_ahead->items = calloc(schedule->n + schedule->n_pending + 1, sizeof(*ret_ahead->items));
        if (!ret_ahead->items)
                return -ENOMEM;
        for (size_t i = 0; i < schedule->n; i++)
                if (schedule->boundaries[i].height > from) {
                        append(director, ret_ahead, &schedule->boundaries[i]);
                        is_missing = is_missing && schedule->boundaries[i].height != machine->boundary;
                }
        if (is_missing)
                append_armed(director, ret_ahead);
        for (size_t i = 0; i < schedule->n_pending; i++)
                append(director, ret_ahead, &schedule->pending[i]);
        qsort(ret_ahead->items, ret_ahead->n, sizeof(*ret_ahead->items), compare);
        note_overtaken(schedule, from, ret_ahead);
        return 0;
}

void ahead_done(struct ahead *ahead) {
        free(ahead->items);
        ahead->items = NULL;
        ahead->n = 0;
}
