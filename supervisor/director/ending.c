#include "ending.h"

#include "checks.h"
#include "events.h"
#include "gate.h"

/* Longer than a reading may take. */
#define PATIENCE_US (3 * USEC_PER_SEC)

static bool matters(const struct director *director, const struct unit *unit) {
        enum height_source source = director->config->height.source;
        return director->config->gate.kind == GATE_NODE && (source == HEIGHT_FILE || source == HEIGHT_EXEC) &&
               gate_height(director, unit->generation) != MACHINE_NO_HEIGHT;
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) usec;
        sd_event_source_unref(source);
        ending_on_height(director, MACHINE_NO_HEIGHT);
        return 0;
}

/* Without a prober it is asked when there is one. */
static bool ask(struct director *director) {
        int r = checks_begin(director, 0, ASKED_HEIGHT);
        return r >= 0 || r == -EAGAIN;
}

bool ending_is_read(struct director *director, struct unit *unit) {
        sd_event_source *timer = NULL;
        if (unit->end_state != END_UNREAD || !matters(director, unit))
                return unit->end_state == END_UNREAD || unit->end_state == END_READ;
        if (sd_event_add_time_relative(director->event, &timer, CLOCK_MONOTONIC, PATIENCE_US, 0, on_patience, director) < 0)
                return true;
        unit->end_state = END_ASKED;
        if (!ask(director))
                unit->end_state = END_READ;
        else if (unit->end_state == END_ASKED)
                unit->end_state = END_AWAITED;
        return unit->end_state == END_READ;
}

void ending_on_height(struct director *director, uint64_t height) {
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                bool is_awaited = unit->end_state == END_AWAITED;
                if (unit->generation == 0 || (!is_awaited && unit->end_state != END_ASKED))
                        continue;
                unit->end_state = END_READ;
                unit->end_height = height;
                if (is_awaited)
                        events_ending_is_complete(director, unit);
        }
}

void ending_ask_again(struct director *director) {
        bool is_awaited = false;
        for (size_t i = 0; i < UNITS_MAX; i++)
                is_awaited = is_awaited || (director->units[i].generation != 0 && director->units[i].end_state == END_AWAITED);
        if (is_awaited && !ask(director))
                ending_on_height(director, MACHINE_NO_HEIGHT);
}
