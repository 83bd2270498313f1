#include "counters.h"

#include "../lib/log.h"
#include "boundaries.h"
#include "unit.h"

/* A value is old after so many polls without an answer, and what an answer may take. */
#define POLLS_MISSED 5
#define ANSWER_US (3 * USEC_PER_SEC)
/* So many failures in a row are written to the log, once: a release that was just started may not answer there yet. */
#define FAILURES_SAID 3
/* A doubt is written to the log so often at most. */
#define SAY_EVERY_US (60 * USEC_PER_SEC)

static const struct counter_config *config_of(const struct director *director, uint32_t unit) {
        return &director->config->height.units[unit];
}

static const struct probe_state *poll_of(const struct director *director, uint32_t unit) {
        return &director->watch.probes[unit == UNIT_VIEW ? ASKED_VIEW : ASKED_EPOCH];
}

bool counters_have_source(const struct director *director, uint32_t unit) {
        return config_of(director, unit)->source != HEIGHT_NONE;
}

bool counters_are_wanted(const struct director *director, uint32_t unit) {
        return counters_have_source(director, unit) && schedule_first_pending(&director->schedule, unit);
}

static void say_failure(const struct director *director, uint32_t unit) {
        if (poll_of(director, unit)->failures == FAILURES_SAID)
                log_warning("boundaries in %ss wait: %s", boundary_unit_name(unit), poll_of(director, unit)->last_failure);
}

static void say_doubt(struct counter *counter, uint32_t unit, uint64_t now) {
        char text[200];
        plausible_describe(&counter->known, boundary_unit_name(unit), text, sizeof(text));
        if (!*text || (counter->doubt_said_at != 0 && now - counter->doubt_said_at < SAY_EVERY_US))
                return;
        counter->doubt_said_at = now;
        log_warning("boundaries in %ss wait: %s", boundary_unit_name(unit), text);
}

void counters_take(struct director *director, uint32_t unit, uint64_t generation, const struct prober_result *result) {
        static const struct plausible nothing;
        struct counter *counter = &director->counters[unit];
        uint64_t now = now_monotonic();
        struct plausible_view view = {.node = &nothing, .is_rare = unit == UNIT_EPOCH};
        if (!result->healthy || result->height == PROBER_HEIGHT_NONE) {
                say_failure(director, unit);
                return;
        }
        view.is_decisive = boundaries_would_be_due(director, unit, result->height);
        if (plausible_judge(&counter->known, &view, result->height, now) != PLAUSIBLE_ACCEPTED) {
                say_doubt(counter, unit, now);
                return;
        }
        counter->generation = generation;
        boundaries_look(director);
}

static bool is_fresh(const struct director *director, uint32_t unit) {
        const struct counter *counter = &director->counters[unit];
        return now_monotonic() - counter->known.at <= POLLS_MISSED * config_of(director, unit)->every_us + ANSWER_US;
}

bool counters_value(const struct director *director, uint32_t unit, uint64_t *ret_value) {
        const struct counter *counter = &director->counters[unit];
        if (counter->generation == 0 || counter->generation != director->record.machine.serving || counter->known.doubt.n > 0 ||
                        !is_fresh(director, unit))
                return false;
        *ret_value = counter->known.height;
        return true;
}

bool counters_last(const struct director *director, uint32_t unit, uint64_t *ret_value, uint64_t *ret_age) {
        const struct counter *counter = &director->counters[unit];
        if (counter->known.at == 0)
                return false;
        *ret_value = counter->known.height;
        *ret_age = now_monotonic() - counter->known.at;
        return true;
}

/* An epoch that was seen to begin says nothing of how long it takes. */
uint64_t counters_eta(const struct director *director, const struct boundary_rule *rule) {
        const struct plausible *known = &director->counters[rule->unit].known;
        if (rule->unit != UNIT_VIEW || known->at == 0 || known->usec_per_block <= 0)
                return USEC_INFINITY;
        return rule->at <= known->height ? 0 : (uint64_t) ((double) (rule->at - known->height) * known->usec_per_block);
}

static void describe(struct director *director, uint32_t unit, char *text, size_t size) {
        const struct counter *counter = &director->counters[unit];
        const struct probe_state *poll = poll_of(director, unit);
        const char *name = boundary_unit_name(unit);
        bool is_asked = director->watch.generation != 0 && director->watch.generation == director->record.machine.serving;
        if (is_asked && poll->failures > 0)
                text_copy(text, size, poll->last_failure);
        else
                plausible_describe(&counter->known, name, text, size);
        if (*text || (!is_asked && machine_is_in_gap(&director->record.machine)))
                return;
        if (counter->known.at != 0 && !is_fresh(director, unit))
                (void) snprintf(text, size, "the node %s its %s just now", is_asked ? "has not told" : "is not asked for", name);
}

void counters_problem(struct director *director, uint32_t unit, char *text, size_t size) {
        const struct boundary *first = schedule_first_pending(&director->schedule, unit);
        char point[64], why[PROBER_TEXT_MAX] = "", last[80] = "";
        uint64_t value, age;
        text_copy(text, size, "");
        if (!first || unit == UNIT_TIME)
                return;
        boundary_format_point(unit, first->rule.at, point, sizeof(point));
        if (!counters_have_source(director, unit)) {
                (void) snprintf(text, size,
                                "%s is in the schedule, and nothing tells %ss here: say in `height.units` what does, or take it out with "
                                "`interrex schedule remove %s %s`",
                                point, boundary_unit_name(unit), director->config->node, point);
                return;
        }
        describe(director, unit, why, sizeof(why));
        if (!*why)
                return;
        if (counters_last(director, unit, &value, &age))
                (void) snprintf(last, sizeof(last), ", and the last good %s, %lu, is %lu s old", boundary_unit_name(unit), value,
                                age / USEC_PER_SEC);
        (void) snprintf(text, size,
                        "%.400s%s; %s waits for it: see that the node tells it as `height.units` says, or set the boundary at a height",
                        why, last, point);
}
