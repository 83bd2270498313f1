#include "status.h"

#include "../lib/state_access.h"
#include "adoption.h"
#include "connections.h"
#include "counters.h"
#include "elsewhere.h"
#include "frozen.h"
#include "gate.h"
#include "gate_check.h"
#include "gate_uprobe.h"
#include "heights.h"
#include "hold.h"
#include "outlook.h"
#include "planning.h"
#include "probing.h"
#include "signing.h"
#include "source.h"
#include "steering.h"
#include "unheld.h"
#include "unit.h"
#include "verification.h"
#include "waiting_room.h"
#include <jansson.h>

#define PENDING_SHOWN 20

static json_t *text_or_null(const char *text) {
        return text && *text ? json_string(text) : json_null();
}

static json_t *number(uint64_t value) {
        return json_integer((json_int_t) value);
}

bool status_describe_unstartable(struct director *director, char *text, size_t size) {
        verification_look(director);
        if (verification_reads_again(director))
                (void) snprintf(text, size,
                                "the files of the release that runs, %.100s, were changed since it was verified: it is being read through "
                                "again, ask again in a moment",
                                director->record.machine.current_release);
        else if (*director->unstartable)
                (void) snprintf(text, size, "the release that runs could not be started again: %.500s", director->unstartable);
        else
                return false;
        return true;
}

static json_t *listeners(struct director *director) {
        json_t *array = json_array();
        uint32_t slot = steering_routed_slot(director);
        for (uint32_t group = 0; group < STEERING_GROUPS; group++) {
                struct steering_counters sum = {0};
                if (!director->groups[group].used)
                        continue;
                uint32_t queued = 0;
                for (uint32_t i = 0; i <= STEERING_WAITING; i++) {
                        struct steering_counters one = {0};
                        steering_count(director, group, i, &one);
                        queued += i < STEERING_SLOTS ? adoption_queued(director, group, i) : waiting_room_queued(director, group);
                        sum.steered += one.steered + one.astray;
                        sum.migrated += one.migrated;
                        sum.probed += one.probed;
                }
                json_t *object = json_object();
                (void) json_object_set_new(object, "address",
                                json_string(director->config->listen[director->groups[group].listen].text));
                (void) json_object_set_new(object, "family",
                                json_string(director->groups[group].address.family == AF_INET ? "ipv4" : "ipv6"));
                (void) json_object_set_new(object, "slot", number(slot));
                (void) json_object_set_new(object, "queued", number(queued));
                (void) json_object_set_new(object, "steered", number(sum.steered));
                (void) json_object_set_new(object, "migrated", number(sum.migrated));
                (void) json_object_set_new(object, "probed", number(sum.probed));
                (void) json_array_append_new(array, object);
        }
        return array;
}

static const char *state_of(const struct director *director, const struct unit *unit) {
        const struct machine *machine = &director->record.machine;
        if (!unit->is_running)
                return "ended";
        if (unit->is_frozen)
                return "frozen";
        if (unit->waits_at_fence)
                return "at-fence";
        if (unit->generation == machine->serving)
                return unit->is_terminated ? "stopping" : "serving";
        if (unit->generation == machine->current && machine->phase == PHASE_DRAINING)
                return "draining";
        return unit->is_terminated ? "stopping" : "starting";
}

static json_t *generations(struct director *director) {
        json_t *array = json_array();
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                if (unit->generation == 0)
                        continue;
                json_t *object = json_object();
                (void) json_object_set_new(object, "generation", number(unit->generation));
                (void) json_object_set_new(object, "release", json_string(unit->release));
                (void) json_object_set_new(object, "slot", number(steering_slot(unit->generation)));
                (void) json_object_set_new(object, "pid", json_integer(unit->pid));
                (void) json_object_set_new(object, "state", json_string(state_of(director, unit)));
                (void) json_object_set_new(object, "connections", number(connections_count(director, unit->generation)));
                (void) json_array_append_new(array, object);
        }
        return array;
}

static json_t *last_swap(struct director *director) {
        _cleanup_free_ struct journal_swap *swaps = NULL;
        size_t n = 0;
        if (journal_swap_list(director->journal, 2, &swaps, &n) < 0)
                return json_null();
        for (size_t i = 0; i < n; i++) {
                const struct journal_swap *swap = &swaps[i];
                if (swap->ended_at == 0)
                        continue;
                json_t *object = json_object();
                (void) json_object_set_new(object, "id", number(swap->id));
                (void) json_object_set_new(object, "kind", json_string(swap->kind));
                (void) json_object_set_new(object, "from", json_string(swap->from));
                (void) json_object_set_new(object, "to", json_string(swap->to));
                (void) json_object_set_new(object, "at_height",
                                swap->at_height == UINT64_MAX ? json_null() : number(swap->at_height));
                (void) json_object_set_new(object, "outcome", json_string(swap->outcome));
                (void) json_object_set_new(object, "reason", text_or_null(swap->reason));
                (void) json_object_set_new(object, "gap_ms",
                                journal_swap_has_gap(swap) ? json_real((double) swap->gap_us / (double) USEC_PER_MSEC)
                                                           : json_null());
                (void) json_object_set_new(object, "prepared_ms", json_real((double) swap->prepared_us / (double) USEC_PER_MSEC));
                (void) json_object_set_new(object, "total_ms", json_real((double) swap->total_us / (double) USEC_PER_MSEC));
                return object;
        }
        return json_null();
}

static void append(json_t *array, const char *text) {
        if (text && *text)
                (void) json_array_append_new(array, json_string(text));
}

static void append_to(const char *text, void *userdata) {
        append(userdata, text);
}

static void append_elsewhere(struct director *director, json_t *array, uint64_t generation) {
        char text[800], sentence[840];
        steering_read_events(director); /* what has just been opened is not missing */
        if (!elsewhere_describe(director, generation, text, sizeof(text)))
                return;
        (void) snprintf(sentence, sizeof(sentence), "generation %lu %s", generation, text);
        append(array, sentence);
}

static void append_later_locks(struct director *director, json_t *array) {
        const struct unit *unit = unit_find(director, director->record.machine.serving);
        char text[200];
        if (!unit || unit->later_locks == 0)
                return;
        (void) snprintf(text, sizeof(text),
                        "the node locks again and again (%lu times so far), and each time it is asked about: set state.fence: exec",
                        unit->later_locks);
        append(array, text);
}

/* What a release that is held serves, and what became of the rest: null unless it is cut off. */
static json_t *cut_off(struct director *director) {
        static const char *const names[HOLD_WAYS] = {[HOLD_SERVED_IN] = "served_in",
                        [HOLD_SERVED_OUT] = "served_out",
                        [HOLD_PROBED_IN] = "probed_in",
                        [HOLD_PROBED_OUT] = "probed_out",
                        [HOLD_CUT_IN] = "cut_in",
                        [HOLD_CUT_OUT] = "cut_out",
                        [HOLD_CONNECT_CUT] = "connects_refused",
                        [HOLD_SEND_CUT] = "sends_refused"};
        uint64_t counts[HOLD_WAYS];
        if (!hold_is_on(director))
                return json_null();
        json_t *object = json_object(), *serve = json_array();
        for (size_t i = 0; i < director->config->n_hold_serve; i++)
                (void) json_array_append_new(serve, json_string(director->config->hold_serve[i].text));
        (void) json_object_set_new(object, "generation", number(director->record.machine.cut_off));
        (void) json_object_set_new(object, "serves", serve);
        hold_count(director, counts);
        for (size_t i = 0; i < HOLD_WAYS; i++)
                (void) json_object_set_new(object, names[i], number(counts[i]));
        return object;
}

/* A served address may be one by which blocks are handed in. */
static void append_made_in_hold(struct director *director, json_t *array) {
        const struct unit *unit = unit_find(director, director->record.machine.cut_off);
        uint64_t held_at = director->record.follow.held_at;
        char text[400];
        if (!unit || unit->height == MACHINE_NO_HEIGHT || held_at == MACHINE_NO_HEIGHT || unit->height < held_at)
                return;
        (void) snprintf(text, sizeof(text),
                        "release %.100s has made blocks %lu to %lu while it was held, which the schedule forbids: somebody hands them in by a "
                        "served address; take that out of hold.serve, and put a state from before block %lu back",
                        director->record.machine.current_release, held_at, unit->height, held_at);
        append(array, text);
}

static void append_cut_off(struct director *director, json_t *array) {
        uint64_t counts[HOLD_WAYS];
        char text[400] = "held, and cut off from its peers: it serves only";
        append(array, director->hold_complaint);
        if (!hold_is_on(director))
                return;
        hold_count(director, counts);
        for (size_t i = 0; i < director->config->n_hold_serve; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %.100s", i ? "," : "",
                                director->config->hold_serve[i].text);
        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text),
                        " (dropped so far: %lu packets in, %lu out; refused: %lu connects, %lu sends)", counts[HOLD_CUT_IN],
                        counts[HOLD_CUT_OUT], counts[HOLD_CONNECT_CUT], counts[HOLD_SEND_CUT]);
        append(array, text);
}

static void append_source(struct director *director, json_t *array) {
        char text[1200];
        double age = source_age(director);
        if (!*director->source.error)
                return;
        (void) snprintf(text, sizeof(text), "the schedule from %.200s is not taken: %s; ", source_place(director),
                        director->source.error);
        size_t used = strlen(text);
        if (age < 0)
                (void) snprintf(text + used, sizeof(text) - used, "none of it was ever in order");
        else
                (void) snprintf(text + used, sizeof(text) - used, "the last good one, of %.0f s ago, stays in force", age);
        append(array, text);
}

/* The release that runs, and the one that comes next (NULL: none), as they lie on the disk just now. */
static void append_unstartable(struct director *director, const char *release, json_t *array) {
        char text[sizeof(director->unstartable) + 200], why[512];
        if (status_describe_unstartable(director, text, sizeof(text)))
                append(array, text);
        append(array, director->replaced);
        bool is_other = release && strcmp(release, outlook_release(director)) != 0;
        if (!is_other || verification_can_open(director, release, why, sizeof(why)))
                return;
        (void) snprintf(text, sizeof(text), "the release that comes next could not be started: %s", why);
        append(array, text);
}

static void append_counters(struct director *director, json_t *array) {
        char text[COUNTERS_PROBLEM_MAX];
        for (uint32_t unit = 0; unit < BOUNDARY_UNITS; unit++) {
                counters_problem(director, unit, text, sizeof(text));
                append(array, text);
        }
}

static void append_pin(const struct director *director, json_t *array) {
        char text[400];
        if (director->config->gate.kind != GATE_UPROBE || director->directories.pin_error == 0)
                return;
        (void) snprintf(text, sizeof(text),
                        "the gate is not pinned in the kernel (no file system of type bpf can be mounted in %.200s: %s): it holds over the death "
                        "of each of interrex's processes, but if all are killed at once the node may go past a height before it ends too",
                        director->directories.run, strerror(-director->directories.pin_error));
        append(array, text);
}

/* STATUS as far as it has been put together: what stands there is not looked for again. */
static json_t *degraded(struct director *director, const json_t *status) {
        const struct config *config = director->config;
        const char *way_out = json_string_value(json_object_get(status, "way_out"));
        const char *release = json_string_value(json_object_get(json_object_get(status, "next"), "release"));
        json_t *array = json_array();
        char text[700], signing[700];
        append_cut_off(director, array);
        append_made_in_hold(director, array);
        append(array, way_out);
        append(array, director->journal_complaint);
        if (director->record.journal_was_lost)
                append(array, "the journal was lost, and the gate stays where it had been set: set the schedule again");
        append(array, director->stray);
        frozen_describe(director, append_to, array);
        append_elsewhere(director, array, director->record.machine.serving);
        if (director->watch.generation != director->record.machine.serving)
                append_elsewhere(director, array, director->watch.generation);
        append(array, probing_complaint(director));
        for (size_t i = 0; i < config->n_probes; i++)
                append(array, director->watch.probes[i].warning);
        heights_problem(director, text, sizeof(text));
        if (strcmp(text, probing_complaint(director)) != 0)
                append(array, text);
        append_counters(director, array);
        if (*director->no_hooks) {
                (void) snprintf(text, sizeof(text),
                                "%.180s; sockets are found by seccomp notifications, which cost each system call some 30 ns",
                                director->no_hooks);
                append(array, text);
        }
        append(array, director->no_aim);
        append(array, director->no_notify_filter);
        append(array, gate_uprobe_complaint(director));
        append_later_locks(director, array);
        unheld_describe(director, director->record.machine.serving, append_to, array);
        append_source(director, array);
        append(array, source_describe_beside(director, text, sizeof(text)) ? text : "");
        if (director->prober < 0)
                append(array, "the prober is being restarted: nothing is probed just now");
        if (!director->settings.snapshot && config->state.directory) {
                (void) snprintf(text, sizeof(text), "no snapshot can be taken: %.250s", director->snapshot_reason);
                append(array, text);
        }
        if (signing_describe(director, signing, sizeof(signing)) || state_keep_is_missing(&config->state, signing, sizeof(signing)))
                append(array, signing);
        if (!config->state.overlap && config->state.fence == FENCE_LOCK && director->state_directory &&
                        !director->record.takes_lock)
                append(array, "the node was not seen to take a lock below its state directory: new releases are parked before exec; if it takes "
                              "none, write `fence: exec` into `state`");
        append_unstartable(director, release, array);
        append_pin(director, array);
        if (config->gate.kind != GATE_NONE && !gate_is_exact(director, director->record.machine.current_release)) {
                (void) snprintf(text, sizeof(text), "the gate `%s` may overshoot: %s", gate_kind_name(config->gate.kind),
                                config->gate.kind == GATE_OBSERVE ? "the height is only polled"
                                                                  : "the node is stopped only after it has told the height");
                append(array, text);
        }
        return array;
}

static void put_told(const struct director *director, const struct boundary_rule *rule, json_t *object) {
        uint64_t value, age, now = now_realtime() / USEC_PER_SEC;
        uint64_t eta = outlook_stands(director) ? USEC_INFINITY : counters_eta(director, rule);
        bool is_told = counters_last(director, rule->unit, &value, &age);
        if (rule->unit == UNIT_TIME)
                eta = rule->at <= now ? 0 : (rule->at - now) * USEC_PER_SEC;
        (void) json_object_set_new(object, "told", is_told ? number(value) : json_null());
        (void) json_object_set_new(object, "told_age_s", is_told ? json_real((double) age / (double) USEC_PER_SEC) : json_null());
        (void) json_object_set_new(object, "eta_s", outlook_seconds(eta));
}

/* The boundaries of which it is not known yet at which height they lie. */
static json_t *pending(struct director *director) {
        json_t *array = json_array();
        for (size_t i = 0; i < director->schedule.n_pending && i < PENDING_SHOWN; i++) {
                const struct boundary_rule *rule = &director->schedule.pending[i].rule;
                char point[64], problem[COUNTERS_PROBLEM_MAX];
                json_t *object = json_object();
                boundary_format_point(rule->unit, rule->at, point, sizeof(point));
                counters_problem(director, rule->unit, problem, sizeof(problem));
                (void) json_object_set_new(object, "point", json_string(point));
                (void) json_object_set_new(object, "unit", json_string(boundary_unit_name(rule->unit)));
                (void) json_object_set_new(object, "at", number(rule->at));
                (void) json_object_set_new(object, "range", json_string(rule->range));
                put_told(director, rule, object);
                (void) json_object_set_new(object, "problem", text_or_null(problem));
                (void) json_array_append_new(array, object);
        }
        return array;
}

/* Where it comes from and how fresh it is. */
static json_t *schedule_object(struct director *director) {
        json_t *object = json_object();
        uint64_t sequence = SCHEDULE_NO_SEQUENCE;
        double age = source_age(director);
        bool is_sourced = source_name(director) != NULL;
        (void) journal_document_get(director->journal, &sequence);
        (void) json_object_set_new(object, "source", text_or_null(source_name(director)));
        (void) json_object_set_new(object, "from", text_or_null(is_sourced ? source_place(director) : NULL));
        (void) json_object_set_new(object, "sequence", sequence == SCHEDULE_NO_SEQUENCE ? json_null() : number(sequence));
        (void) json_object_set_new(object, "age_s", is_sourced && age >= 0 ? json_real(age) : json_null());
        (void) json_object_set_new(object, "error", text_or_null(director->source.error));
        (void) json_object_set_new(object, "pending", pending(director));
        return object;
}

static void put_run(struct director *director, json_t *object) {
        const struct machine *machine = &director->record.machine;
        uint64_t shown = machine->flipped && machine->candidate ? machine->candidate : machine->current;
        struct unit *unit = unit_find(director, shown);
        uint64_t height = planning_height(director);
        bool runs = unit && unit->is_running;
        (void) json_object_set_new(object, "release",
                        json_string(shown == machine->candidate && shown ? machine->candidate_release : machine->current_release));
        (void) json_object_set_new(object, "generation", number(shown));
        (void) json_object_set_new(object, "pid", runs ? json_integer(unit->pid) : json_null());
        (void) json_object_set_new(object, "uptime_s",
                        json_real(runs ? (double) (now_monotonic() - unit->started_at) / (double) USEC_PER_SEC : 0.0));
        (void) json_object_set_new(object, "has_heights",
                        json_boolean(director->config->height.source != HEIGHT_NONE || director->config->gate.kind != GATE_NONE));
        (void) json_object_set_new(object, "height", height == MACHINE_NO_HEIGHT ? json_null() : number(height));
        uint64_t age = height == MACHINE_NO_HEIGHT ? USEC_INFINITY : heights_age(director);
        char problem[PROBER_TEXT_MAX];
        heights_problem(director, problem, sizeof(problem));
        (void) json_object_set_new(object, "height_age_s",
                        age == USEC_INFINITY ? json_null() : json_real((double) age / (double) USEC_PER_SEC));
        (void) json_object_set_new(object, "height_problem", text_or_null(problem));
}

/* Since when nobody accepts; null: somebody does. Before a generation of this supervisor's has served there is no socket to wait in. */
static void put_waiting(const struct director *director, json_t *object) {
        const struct machine *machine = &director->record.machine;
        uint64_t began_at = director->record.gap_began_at, now = now_monotonic();
        bool waits = machine->serving != 0 && machine_is_in_gap(machine) && began_at != 0 && began_at <= now;
        (void) json_object_set_new(object, "waiting_s",
                        waits ? json_real((double) (now - began_at) / (double) USEC_PER_SEC) : json_null());
}

char *status_text(struct director *director) {
        char warning[700];
        json_t *object = json_object();
        (void) json_object_set_new(object, "node", json_string(director->config->node));
        (void) json_object_set_new(object, "config", json_string(director->welcome.config_path));
        outlook_put(director, object);
        put_run(director, object);
        put_waiting(director, object);
        (void) json_object_set_new(object, "next", outlook_next(director));
        (void) json_object_set_new(object, "schedule", schedule_object(director));
        (void) json_object_set_new(object, "listeners", listeners(director));
        (void) json_object_set_new(object, "generations", generations(director));
        (void) json_object_set_new(object, "last_swap", last_swap(director));
        (void) json_object_set_new(object, "restarts", number(director->restarts));
        (void) json_object_set_new(object, "cut_off", cut_off(director));
        (void) json_object_set_new(object, "degraded", degraded(director, object));
        (void) json_object_set_new(object, "signer_warning",
                        signing_describe(director, warning, sizeof(warning)) ? json_string(warning) : json_null());
        (void) json_object_set_new(object, "rehearses_at_gate", json_boolean(director->config->rehearses_at_gate));
        char *text = json_dumps(object, JSON_INDENT(2));
        json_decref(object);
        return text;
}
