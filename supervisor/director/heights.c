#include "heights.h"

#include "../lib/log.h"
#include "planning.h"
#include "probing.h"
#include "unit.h"

/* So long a generation may still be on its way to where the node was. */
#define FRESH_US (60 * USEC_PER_SEC)
/* A doubt is written to the log so often at most. */
#define SAY_EVERY_US (60 * USEC_PER_SEC)
/* A height is old after so many polls without an answer, and what an answer may take. */
#define POLLS_MISSED 5
#define ANSWER_US (3 * USEC_PER_SEC)

static bool is_decisive(struct director *director, const struct unit *unit, uint64_t height);

static bool is_told(const struct director *director) {
        enum height_source source = director->config->height.source;
        enum gate_kind gate = director->config->gate.kind;
        return source == HEIGHT_LOG || source == HEIGHT_NOTIFY || gate == GATE_LOG || gate == GATE_NOTIFY;
}

bool heights_take(struct director *director, struct unit *unit, uint64_t height) {
        uint64_t now = now_monotonic();
        struct plausible node = {.height = director->rate.height,
                        .at = director->rate.at,
                        .usec_per_block = director->rate.usec_per_block};
        struct plausible_view view = {.node = &node,
                        .is_fresh = now - unit->started_at < FRESH_US,
                        .is_told = is_told(director),
                        .is_decisive = !is_told(director) && is_decisive(director, unit, height)};
        char text[200];
        if (plausible_judge(&unit->known, &view, height, now) == PLAUSIBLE_ACCEPTED) {
                unit->height = height;
                return true;
        }
        plausible_describe(&unit->known, "height", text, sizeof(text));
        if (*text && (unit->doubt_said_at == 0 || now - unit->doubt_said_at > SAY_EVERY_US)) {
                unit->doubt_said_at = now;
                log_warning("generation %lu: %s", unit->generation, text);
        }
        return false;
}

void heights_set(struct unit *unit, uint64_t height) {
        plausible_set(&unit->known, height, now_monotonic());
        unit->height = height;
}

/* Would a swap begin, or a release be stopped, or be made ready? */
static bool is_decisive(struct director *director, const struct unit *unit, uint64_t height) {
        uint64_t boundary = director->record.machine.boundary, soon = height + 1 + PLANNING_NEAR_BLOCKS;
        struct version version;
        if (boundary != MACHINE_NO_HEIGHT && boundary <= soon)
                return true;
        return version_parse(unit->release, &version) >= 0 &&
               schedule_first_denied(&director->schedule, &version, height + 1) <= soon;
}

uint64_t heights_age(struct director *director) {
        const struct unit *unit = unit_find(director, director->record.machine.serving);
        uint64_t at = unit && unit->known.at ? unit->known.at : director->rate.at;
        return at ? now_monotonic() - at : USEC_INFINITY;
}

static uint64_t old_after(const struct director *director) {
        uint64_t every = director->config->height.every_us;
        return (probing_is_subscribed(director) ? PROBING_SILENCE_US : POLLS_MISSED * every) + ANSWER_US;
}

void heights_problem(struct director *director, char *text, size_t size) {
        const struct unit *unit = unit_find(director, director->record.machine.serving);
        const struct probe_state *poll = &director->watch.probes[ASKED_HEIGHT];
        text_copy(text, size, "");
        if (unit)
                plausible_describe(&unit->known, "height", text, size);
        if (*text || !probing_asks_height(director))
                return;
        bool is_asked = unit && director->watch.generation == unit->generation;
        uint64_t age = heights_age(director);
        if (is_asked && poll->failures > 0)
                text_copy(text, size, poll->last_failure);
        else if (!is_asked && machine_is_in_gap(&director->record.machine))
                return; /* there is nobody to ask */
        else if (age != USEC_INFINITY && age > old_after(director))
                text_copy(text, size,
                                director->prober < 0 ? "the prober is being restarted"
                                : is_asked           ? "the node has not told its height since"
                                                     : "the node is not asked for its height just now");
}
