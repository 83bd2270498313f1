#include "outlook.h"

#include "failures.h"
#include "following.h"
#include "gate.h"
#include "gate_check.h"
#include "planning.h"
#include "way_out.h"

bool outlook_is_in_probation(const struct director *director) {
        enum machine_phase phase = director->record.machine.phase;
        return phase == PHASE_PROBATION || phase == PHASE_DRAINING;
}

const char *outlook_release(const struct director *director) {
        const struct machine *machine = &director->record.machine;
        return outlook_is_in_probation(director) ? machine->candidate_release : machine->current_release;
}

bool outlook_stands(const struct director *director) {
        return director->record.machine.phase == PHASE_HELD || planning_stands_still(director);
}

json_t *outlook_seconds(uint64_t usec) {
        return usec == USEC_INFINITY ? json_null() : json_real((double) usec / (double) USEC_PER_SEC);
}

static json_t *seconds_until(uint64_t at) {
        uint64_t now = now_monotonic();
        return outlook_seconds(at > now ? at - now : 0);
}

/* Of a node that crashed, or of the release that its hold waits for. */
static json_t *next_try(const struct director *director) {
        const struct machine *machine = &director->record.machine;
        bool is_down = machine->phase == PHASE_BACKOFF && machine->current_is_gone;
        sd_event_source *timer = is_down ? director->phase_timer : machine->phase == PHASE_HELD ? director->retry_timer : NULL;
        uint64_t at;
        return timer && sd_event_source_get_time(timer, &at) >= 0 ? seconds_until(at) : json_null();
}

static void put_probation(const struct director *director, json_t *object) {
        const struct watch *watch = &director->watch;
        bool is_watched = watch->is_probation && director->record.machine.phase == PHASE_PROBATION;
        (void) json_object_set_new(object, "probation_s", is_watched ? seconds_until(watch->probation_ends_at) : json_null());
        (void) json_object_set_new(object, "progress_s",
                        is_watched && watch->progress_ends_at ? seconds_until(watch->progress_ends_at) : json_null());
}

void outlook_put(struct director *director, json_t *object) {
        const struct machine *machine = &director->record.machine;
        char way_out[WAY_OUT_MAX];
        (void) json_object_set_new(object, "phase", json_string(machine_phase_for_status(machine->phase)));
        (void) json_object_set_new(object, "reason", *machine->reason ? json_string(machine->reason) : json_null());
        (void) json_object_set_new(object, "way_out",
                        way_out_describe(director, way_out, sizeof(way_out)) ? json_string(way_out) : json_null());
        (void) json_object_set_new(object, "next_try_s", next_try(director));
        put_probation(director, object);
}

/* RELEASE is empty where none is here. False: nothing comes next. */
static bool find_next(struct director *director, uint64_t *ret_at, char *release, size_t size) {
        const struct machine *machine = &director->record.machine;
        uint64_t height = planning_height(director), at = machine->boundary;
        struct version version;
        text_copy(release, size, machine->candidate_release);
        if (machine->kind == SWAP_NONE || outlook_is_in_probation(director)) {
                release[0] = '\0';
                if (version_parse(outlook_release(director), &version) < 0)
                        return false;
                at = schedule_first_denied(&director->schedule, &version, height == MACHINE_NO_HEIGHT ? 0 : height + 1);
                if (at == MACHINE_NO_HEIGHT)
                        return false;
                (void) following_pick(director, at, release, size);
        }
        *ret_at = at;
        return true;
}

/* The boundary has a window, in which the release in force is followed early and comes back if that fails. */
static bool has_window(struct director *director, uint64_t at) {
        const struct machine *machine = &director->record.machine;
        uint64_t height = planning_height(director);
        struct version version;
        if ((machine->kind != SWAP_NONE && !outlook_is_in_probation(director)) || director->record.follow.went_back ||
                        version_parse(outlook_release(director), &version) < 0)
                return false;
        uint64_t next = height == MACHINE_NO_HEIGHT ? 0 : height + 1;
        const struct boundary *boundary = schedule_window_ahead(&director->schedule, &version, next);
        return boundary && boundary->height == at && at > next;
}

json_t *outlook_next(struct director *director) {
        char release[MACHINE_RELEASE_MAX], gate[GATE_CHECK_TEXT_MAX];
        uint64_t at;
        if (!find_next(director, &at, release, sizeof(release)))
                return json_null();
        uint64_t gated_at = at;
        if (at == MACHINE_NO_HEIGHT) /* at once; from a hold it begins with the height that the node is held at */
                at = director->record.follow.held_at;
        json_t *object = json_object();
        const struct range *range = at == MACHINE_NO_HEIGHT ? NULL : schedule_range_at(&director->schedule, at);
        uint64_t eta = at == MACHINE_NO_HEIGHT ? 0 : outlook_stands(director) ? USEC_INFINITY : planning_eta(director, at);
        (void) json_object_set_new(object, "height", at == MACHINE_NO_HEIGHT ? json_null() : json_integer((json_int_t) at));
        (void) json_object_set_new(object, "range", range ? json_string(range->text) : json_null());
        const char *tried = range && !*release ? failures_given_up(&director->record.follow, range) : NULL;
        (void) json_object_set_new(object, "release", *release ? json_string(release) : json_null());
        (void) json_object_set_new(object, "tried_in_vain", tried ? json_string(tried) : json_null());
        gate_describe(director, outlook_release(director), gated_at, gate, sizeof(gate));
        (void) json_object_set_new(object, "gate",
                        gated_at == MACHINE_NO_HEIGHT || director->config->gate.kind == GATE_NONE ? json_null()
                                                                                                  : json_string(gate));
        if (has_window(director, gated_at))
                gate_describe_failure_in_window(outlook_release(director), gated_at, gate, sizeof(gate));
        else
                gate_describe_failure(director, outlook_release(director), gated_at, gate, sizeof(gate));
        (void) json_object_set_new(object, "on_failure", gated_at == MACHINE_NO_HEIGHT ? json_null() : json_string(gate));
        (void) json_object_set_new(object, "eta_s", outlook_seconds(eta));
        return object;
}
