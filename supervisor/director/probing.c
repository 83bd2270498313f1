#include "probing.h"

#include "../lib/log.h"
#include "adoption.h"
#include "checks.h"
#include "counters.h"
#include "ending.h"
#include "events.h"
#include "flow_range.h"
#include "selection.h"
#include "state_lock.h"
#include "unit.h"
#include <signal.h>

/* While users wait for the answer, asking is worth a wake-up this often. */
#define PROVING_EVERY_US (20 * USEC_PER_MSEC)

static void set_probe_timer(struct director *director);

bool probing_asks_height(const struct director *director) {
        switch (director->config->height.source) {
        case HEIGHT_NONE:
        case HEIGHT_LOG:
        case HEIGHT_NOTIFY:
                return false;
        default:
                return true;
        }
}

bool probing_is_subscribed(const struct director *director) {
        const char *url = director->config->height.url;
        return url && strncmp(url, "ws", 2) == 0;
}

static uint64_t probe_every(const struct director *director, size_t probe) {
        const struct config *config = director->config;
        uint64_t every = probe < PROBES_MAX      ? config->probes[probe].every_us
                         : probe == ASKED_HEIGHT ? config->height.every_us
                                                 : config->height.units[counters_unit(probe)].every_us;
        return director->watch.is_proving && every > PROVING_EVERY_US ? PROVING_EVERY_US : every;
}

/* Views and epochs are told by who serves. That they are not told is nothing against a release. */
static bool is_counter_asked(const struct director *director, enum boundary_unit unit) {
        const struct watch *watch = &director->watch;
        return !watch->is_proving && watch->generation == director->record.machine.serving && counters_are_wanted(director, unit);
}

/* A probe of kind height is answered by the height's own poll. */
static bool is_asked(const struct director *director, size_t probe) {
        if (probe == ASKED_HEIGHT)
                return probing_asks_height(director);
        if (probe > ASKED_HEIGHT)
                return is_counter_asked(director, counters_unit(probe));
        return probe < director->config->n_probes && director->config->probes[probe].kind != PROBE_HEIGHT;
}

static const char *name_of(const struct director *director, size_t probe) {
        return probe >= ASKED_HEIGHT ? boundary_unit_name(counters_unit(probe)) : director->config->probes[probe].name;
}

static bool all_were_healthy(const struct director *director) {
        for (size_t i = 0; i < ASKED_END; i++)
                if (is_asked(director, i) && !director->watch.probes[i].was_healthy)
                        return false;
        return true;
}

static bool waits_for_ready(const struct director *director, const struct unit *unit) {
        return director->config->height.source == HEIGHT_NOTIFY && !unit->says_ready && unit->height == MACHINE_NO_HEIGHT;
}

static void check_proof(struct director *director) {
        struct watch *watch = &director->watch;
        struct unit *unit = unit_find(director, watch->generation);
        if (!watch->is_proving || !unit || !unit->is_running || !unit->has_executed ||
                        !adoption_is_complete(director, watch->generation) || !all_were_healthy(director) ||
                        waits_for_ready(director, unit))
                return;
        watch->is_proving = false;
        unit->was_proved = true;
        state_lock_look(director, unit);
        (void) events_feed_about(director, EVENT_PROVED, watch->generation, NULL);
}

static void begin(struct director *director, uint64_t generation) {
        struct watch *watch = &director->watch;
        checks_cancel_all(director);
        *watch = (struct watch){.generation = generation, .height_at_begin = MACHINE_NO_HEIGHT};
        uint64_t now = now_monotonic();
        for (size_t i = 0; i < ASKED_END; i++)
                watch->probes[i].due_at = now;
}

void probing_prove(struct director *director, uint64_t generation) {
        begin(director, generation);
        director->watch.is_proving = director->watch.was_on_trial = true;
        check_proof(director);
        set_probe_timer(director);
}

void probing_watch(struct director *director, uint64_t generation) {
        uint64_t now = now_monotonic();
        struct unit *unit = unit_find(director, generation);
        begin(director, generation);
        director->watch.is_probation = director->watch.was_on_trial = true;
        director->watch.probation_ends_at = now + director->config->probation_us;
        director->watch.progress_ends_at = director->config->progress_blocks ? now + director->config->progress_within_us : 0;
        director->watch.height_at_begin = unit ? unit->height : MACHINE_NO_HEIGHT;
        set_probe_timer(director);
}

void probing_follow(struct director *director, uint64_t generation) {
        const struct watch *watch = &director->watch;
        /* A subscription that was begun on trial asks more often than it has to at rest. */
        bool must_begin_anew = watch->was_on_trial && probing_is_subscribed(director);
        if (watch->generation == generation && !watch->is_proving && !watch->is_probation && !must_begin_anew)
                return;
        begin(director, generation);
        set_probe_timer(director);
}

void probing_listener_changed(struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        if (unit && unit->waits_at_fence && !unit->pass_is_pending) {
                (void) events_feed_about(director, EVENT_UNHEALTHY, generation,
                                "it began to listen before it asked for its state lock, so the lock is no fence: set "
                                "`state.fence: exec`");
                return;
        }
        if (generation != director->watch.generation)
                return;
        if (director->watch.is_proving && adoption_is_complete(director, generation))
                for (size_t i = 0; i < ASKED_END; i++)
                        director->watch.probes[i].due_at = now_monotonic();
        check_proof(director);
        set_probe_timer(director);
}

/* Where neither a listener nor a probe says so, this is all that can be known. */
void probing_started(struct director *director, uint64_t generation) {
        if (generation != director->watch.generation)
                return;
        check_proof(director);
        set_probe_timer(director);
}

void probing_units_changed(struct director *director) {
        for (size_t i = ASKED_HEIGHT + 1; i < ASKED_END; i++)
                director->watch.probes[i].due_at = now_monotonic();
        set_probe_timer(director);
}

static bool blocks_were_made(const struct director *director) {
        const struct watch *watch = &director->watch;
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation == watch->generation && watch->height_at_begin != MACHINE_NO_HEIGHT &&
                                director->units[i].height != MACHINE_NO_HEIGHT)
                        return director->units[i].height >= watch->height_at_begin + director->config->progress_blocks;
        return false;
}

static void check_probation(struct director *director) {
        struct watch *watch = &director->watch;
        struct unit *unit = unit_find(director, watch->generation);
        uint64_t now = now_monotonic();
        char text[160];
        if (!watch->is_probation || !unit)
                return;
        if (watch->height_at_begin == MACHINE_NO_HEIGHT)
                watch->height_at_begin = unit->height;
        if (watch->progress_ends_at && blocks_were_made(director))
                watch->progress_ends_at = 0;
        if (watch->progress_ends_at && now >= watch->progress_ends_at) {
                watch->is_probation = false;
                (void) snprintf(text, sizeof(text),
                                "no progress: %u blocks were expected within %lu ms, the height is %ld after %ld",
                                director->config->progress_blocks, director->config->progress_within_us / USEC_PER_MSEC,
                                (long) unit->height, (long) watch->height_at_begin);
                (void) events_feed_about(director, EVENT_UNHEALTHY, watch->generation, text);
                return;
        }
        if (!watch->progress_ends_at && now >= watch->probation_ends_at) {
                watch->is_probation = false;
                (void) events_feed_about(director, EVENT_PROBATION_PASSED, watch->generation, NULL);
        }
}

void probing_height_told(struct director *director, uint64_t generation) {
        if (generation != director->watch.generation)
                return;
        check_probation(director);
        set_probe_timer(director);
}

/* What is well from afar may be wrong here. */
static bool is_healthy(struct director *director, uint64_t generation, size_t probe, const struct prober_result *result) {
        struct probe_state *state = &director->watch.probes[probe];
        bool is_version = probe < PROBES_MAX && director->config->probes[probe].kind == PROBE_FLOW_VERSION;
        bool is_well = result->healthy && (!is_version || flow_range_judge(director, generation, result->height, state->warning,
                                                                          sizeof(state->warning)));
        if (is_well) {
                state->was_healthy = true;
                state->failures = 0;
                state->last_failure[0] = '\0';
        } else {
                state->failures++;
                (void) snprintf(state->last_failure, sizeof(state->last_failure), "%.40s: %.400s", name_of(director, probe),
                                result->healthy ? state->warning : result->text);
                state->warning[0] = '\0';
        }
        return is_well;
}

void probing_result(struct director *director, uint64_t generation, size_t probe, const struct prober_result *result) {
        struct watch *watch = &director->watch;
        if (generation == 0 && probe == ASKED_HEIGHT) {
                uint64_t height = result->healthy ? result->height : MACHINE_NO_HEIGHT;
                if (director->is_selecting)
                        selection_on_height(director, height, result->text);
                ending_on_height(director, height);
        }
        if (generation == 0 || generation != watch->generation || probe >= ASKED_END)
                return;
        struct probe_state *state = &watch->probes[probe];
        state->is_under_way = result->goes_on;
        /* A probe that came while users are not yet served there is asked again soon. */
        state->due_at = now_monotonic() + probe_every(director, probe);
        bool healthy = is_healthy(director, generation, probe, result);
        if (probe > ASKED_HEIGHT) {
                counters_take(director, counters_unit(probe), generation, result);
                set_probe_timer(director);
                return;
        }
        if (healthy && probe == ASKED_HEIGHT && result->height != PROBER_HEIGHT_NONE)
                events_height(director, generation, result->height);
        if (generation != watch->generation)
                return; /* the height has moved the machine on */
        unsigned limit = probe == ASKED_HEIGHT ? 10 : director->config->probes[probe].failures;
        if (!healthy && watch->is_probation && state->failures >= limit) {
                watch->is_probation = false;
                (void) events_feed_about(director, EVENT_UNHEALTHY, generation, state->last_failure);
                return;
        }
        check_proof(director);
        check_probation(director);
        set_probe_timer(director);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        struct watch *watch = &director->watch;
        (void) source;
        (void) usec;
        check_probation(director);
        uint64_t now = now_monotonic(), generation = watch->generation;
        for (size_t i = 0; i < ASKED_END && generation == watch->generation; i++) {
                struct probe_state *state = &watch->probes[i];
                if (!is_asked(director, i) || state->is_under_way || state->due_at > now)
                        continue;
                state->is_under_way = true;
                state->due_at = now + probe_every(director, i);
                if (checks_begin(director, generation, i) < 0)
                        state->is_under_way = false;
        }
        set_probe_timer(director);
        return 0;
}

/* One timer for all: at rest nothing else wakes the director. */
static void set_probe_timer(struct director *director) {
        struct watch *watch = &director->watch;
        uint64_t due = USEC_INFINITY;
        bool may_ask = watch->generation != 0 && (!watch->is_proving || adoption_is_complete(director, watch->generation));
        for (size_t i = 0; may_ask && director->prober >= 0 && i < ASKED_END; i++)
                if (is_asked(director, i) && !watch->probes[i].is_under_way && watch->probes[i].due_at < due)
                        due = watch->probes[i].due_at;
        if (watch->is_probation && watch->probation_ends_at > now_monotonic() && watch->probation_ends_at < due)
                due = watch->probation_ends_at;
        if (watch->is_probation && watch->progress_ends_at && watch->progress_ends_at < due)
                due = watch->progress_ends_at;
        if (!director->probe_timer) {
                if (sd_event_add_time(director->event, &director->probe_timer, CLOCK_MONOTONIC, due, 1000, on_due, director) < 0)
                        log_error("out of memory: no probes any more");
                return;
        }
        (void) sd_event_source_set_time(director->probe_timer, due);
        (void) sd_event_source_set_enabled(director->probe_timer, due == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void probing_forget(struct director *director, uint64_t generation) {
        struct prober_forget forget = {.generation = generation};
        if (director->prober >= 0)
                (void) wire_send(director->prober, PROBER_FORGET, &forget, sizeof(forget), NULL, 0);
        if (director->watch.generation == generation)
                probing_follow(director, 0);
}

/* What a command printed is anybody's text. The line ends where it cannot be shown. */
static void keep_first_line(struct job *job) {
        size_t n = 0, blanks = strspn(job->output, " \t");
        job->output_size -= blanks;
        memmove(job->output, job->output + blanks, job->output_size + 1);
        while (n < job->output_size && (unsigned char) job->output[n] >= ' ' && job->output[n] != 0x7f)
                n++;
        while (n > 0 && job->output[n - 1] == ' ')
                n--;
        job->output[n] = '\0';
}

static void describe_command_failure(const struct job *job, const struct keeper_exited *exited, char *text, size_t size) {
        const char *colon = *job->output ? ": " : "";
        if (*job->failure)
                (void) snprintf(text, size, "its command could not be started: %s", job->failure);
        else if (job->was_killed)
                (void) snprintf(text, size, "its command took too long and was killed%s%.400s", colon, job->output);
        else if (exited->code == CLD_EXITED)
                (void) snprintf(text, size, "its command exited with status %d%s%.400s", exited->status, colon, job->output);
        else
                (void) snprintf(text, size, "its command was ended by signal %d (%s)%s%.400s", exited->status,
                                strsignal(exited->status), colon, job->output);
}

void probing_command_done(struct director *director, struct job *job, const struct keeper_exited *exited) {
        struct prober_result result = {.height = PROBER_HEIGHT_NONE};
        bool worked = exited->code == CLD_EXITED && exited->status == 0;
        keep_first_line(job);
        if (!worked)
                describe_command_failure(job, exited, result.text, sizeof(result.text));
        else if (job->kind == JOB_HEIGHT && (parse_u64(job->output, &result.height) < 0 || result.height > HEIGHT_MAX)) {
                worked = false;
                result.height = PROBER_HEIGHT_NONE;
                const char *what = job->probe > ASKED_HEIGHT ? "whole number" : "height";
                if (*job->output)
                        (void) snprintf(result.text, sizeof(result.text), "its command printed \"%.60s\", which is not a %s",
                                        job->output, what);
                else
                        (void) snprintf(result.text, sizeof(result.text), "its command printed nothing, and a %s was expected",
                                        what);
        }
        result.healthy = worked;
        probing_result(director, job->for_generation, job->probe, &result);
}

const char *probing_complaint(const struct director *director) {
        for (size_t i = 0; i <= ASKED_HEIGHT; i++)
                if (is_asked(director, i) && director->watch.probes[i].failures > 0)
                        return director->watch.probes[i].last_failure;
        return "";
}

void probing_describe_wait(struct director *director, char *text, size_t size) {
        const struct unit *unit = unit_find(director, director->watch.generation);
        text[0] = '\0';
        if (!director->watch.is_proving || !unit)
                return;
        for (size_t i = 0; i < ASKED_END; i++)
                if (is_asked(director, i) && !director->watch.probes[i].was_healthy) {
                        (void) snprintf(text, size, "%.40s: it was asked and has not answered yet", name_of(director, i));
                        return;
                }
        if (waits_for_ready(director, unit))
                (void) snprintf(text, size, "it has told neither READY=1 nor a height");
}
