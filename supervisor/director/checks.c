#include "checks.h"

#include "../lib/log.h"
#include "counters.h"
#include "events.h"
#include "gate.h"
#include "gate_node.h"
#include "jobs.h"
#include "keeper_link.h"
#include "liveness.h"
#include "probing.h"
#include "selection.h"
#include "steering.h"
#include "unit.h"
#include <arpa/inet.h>
#include <sys/socket.h>

#define HEIGHT_TIMEOUT_US (2 * USEC_PER_SEC)
/* Of a node that tells its blocks, while its answer decides about a release. */
#define SILENCE_ON_TRIAL_US USEC_PER_SEC

static struct check *check_new(struct director *director, uint64_t generation, size_t probe) {
        for (size_t i = 0; i < CHECKS_MAX; i++)
                if (director->checks[i].id == 0) {
                        director->checks[i] =
                                        (struct check){.id = ++director->last_check, .generation = generation, .probe = probe};
                        return &director->checks[i];
                }
        return NULL;
}

static void check_end(struct director *director, struct check *check) {
        if (check->port)
                steering_unaim(director, check->port);
        check->id = 0;
}

/* Bound here, so that the port is known and aimed before the first packet leaves. Fills the address to connect to. */
static int bind_source(struct director *director, const struct address *target, struct check *check,
                struct sockaddr_storage *ret_sockaddr, socklen_t *ret_length, int *ret_fd) {
        struct address to = *target, from = {.family = target->family};
        struct sockaddr_storage sockaddr;
        if (address_is_wildcard(&to)) {
                to.ip[to.family == AF_INET ? 0 : 15] = to.family == AF_INET ? 127 : 1;
                if (to.family == AF_INET)
                        to.ip[3] = 1;
        }
        socklen_t length = address_to_sockaddr(&from, &sockaddr);
        _cleanup_close_ int fd = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sockaddr, length) < 0)
                return -errno;
        length = sizeof(sockaddr);
        if (getsockname(fd, (struct sockaddr *) &sockaddr, &length) < 0)
                return -errno;
        struct address bound;
        int r = address_from_sockaddr(TRANSPORT_TCP, (struct sockaddr *) &sockaddr, length, &bound);
        if (r >= 0)
                r = steering_aim(director, bound.port, check->generation);
        if (r < 0)
                return r;
        check->port = bound.port;
        *ret_length = address_to_sockaddr(&to, ret_sockaddr);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static bool has_no_path(const char *url) {
        const char *authority = strstr(url, "://") + 3, *path = authority + strcspn(authority, "/?#");
        return *path == '\0' || strcmp(path, "/") == 0;
}

static void append_path(char *url, size_t size, const char *path) {
        size_t length = strlen(url);
        if (length + strlen(path) + 1 < size)
                (void) snprintf(url + length, size - length, "%s%s", url[length - 1] == '/' ? "" : "/", path);
}

static void fill_height_check(const struct director *director, struct prober_check *request) {
        const struct height_config *height = &director->config->height;
        static const uint32_t kinds[] = {[HEIGHT_ETHEREUM] = CHECK_ETHEREUM,
                        [HEIGHT_COMETBFT] = CHECK_COMETBFT,
                        [HEIGHT_FLOW] = CHECK_FLOW,
                        [HEIGHT_METRICS] = CHECK_METRICS,
                        [HEIGHT_BITCOIN] = CHECK_BITCOIN};
        const struct watch *watch = &director->watch;
        bool is_on_trial = watch->is_proving || watch->is_probation;
        INVARIANT(height->source < ELEMENTS(kinds) && kinds[height->source] != 0);
        request->kind = probing_is_subscribed(director)                   ? CHECK_ETHEREUM_HEADS
                        : height->source == HEIGHT_FLOW && height->metric ? CHECK_METRICS
                                                                          : kinds[height->source];
        request->every_ms = (uint32_t) (height->every_us / USEC_PER_MSEC);
        request->silence_ms = (uint32_t) ((is_on_trial ? SILENCE_ON_TRIAL_US : PROBING_SILENCE_US) / USEC_PER_MSEC);
        request->timeout_ms = (uint32_t) (HEIGHT_TIMEOUT_US / USEC_PER_MSEC);
        text_copy(request->url, sizeof(request->url), height->url);
        if (height->source == HEIGHT_COMETBFT && !strstr(height->url, "/status"))
                append_path(request->url, sizeof(request->url), "status");
        if (request->kind == CHECK_FLOW && has_no_path(height->url))
                append_path(request->url, sizeof(request->url), "v1/blocks?height=sealed");
        if (height->metric)
                text_copy(request->argument, sizeof(request->argument), height->metric);
}

static const struct address *fill_probe_check(const struct director *director, size_t probe, struct prober_check *request) {
        const struct probe_config *config = &director->config->probes[probe];
        request->kind = config->kind == PROBE_TCP            ? CHECK_TCP
                        : config->kind == PROBE_FLOW_VERSION ? CHECK_FLOW_VERSION
                                                             : CHECK_HTTP;
        request->timeout_ms = (uint32_t) (config->timeout_us / USEC_PER_MSEC);
        request->status = config->status;
        if (config->url)
                text_copy(request->url, sizeof(request->url), config->url);
        if (request->kind == CHECK_FLOW_VERSION && has_no_path(request->url))
                append_path(request->url, sizeof(request->url), "v1/node_version_info");
        if (config->contains)
                text_copy(request->argument, sizeof(request->argument), config->contains);
        return &config->address;
}

static const struct address *fill_counter_check(const struct director *director, enum boundary_unit unit,
                struct prober_check *request) {
        const struct counter_config *config = &director->config->height.units[unit];
        request->kind = CHECK_METRICS;
        request->timeout_ms = (uint32_t) (HEIGHT_TIMEOUT_US / USEC_PER_MSEC);
        text_copy(request->url, sizeof(request->url), config->url);
        text_copy(request->argument, sizeof(request->argument), config->metric);
        return &config->address;
}

static int begin_network(struct director *director, uint64_t generation, size_t probe) {
        struct prober_check request = {0};
        const struct address *target = &director->config->height.address;
        _cleanup_close_ int fd = -1;
        if (probe == ASKED_HEIGHT)
                fill_height_check(director, &request);
        else
                target = probe > ASKED_HEIGHT ? fill_counter_check(director, counters_unit(probe), &request)
                                              : fill_probe_check(director, probe, &request);
        struct check *check = check_new(director, generation, probe);
        if (!check)
                return -EBUSY;
        int r = bind_source(director, target, check, &request.address, &request.address_length, &fd);
        request.id = check->id;
        if (r >= 0)
                r = wire_send(director->prober, PROBER_CHECK, &request, sizeof(request), &fd, 1);
        if (r < 0)
                check_end(director, check);
        return r;
}

static int begin_file(struct director *director, uint64_t generation) {
        struct keeper_open open_request = {.serial = keeper_serial(director)};
        struct prober_read_text request = {.timeout_ms = 1000};
        _cleanup_close_ int fd = -1;
        text_copy(open_request.path, sizeof(open_request.path), director->config->height.path);
        int r = keeper_ask(director, KEEPER_OPEN, &open_request, sizeof(open_request), NULL, 0, open_request.serial, &fd);
        if (r < 0 || fd < 0)
                return r < 0 ? r : -ENOENT;
        struct check *check = check_new(director, generation, ASKED_HEIGHT);
        if (!check)
                return -EBUSY;
        request.id = check->id;
        if (director->config->height.pattern)
                text_copy(request.pattern, sizeof(request.pattern), director->config->height.pattern);
        r = wire_send(director->prober, PROBER_READ_TEXT, &request, sizeof(request), &fd, 1);
        if (r < 0)
                check_end(director, check);
        return r;
}

/* Where too much is under way just now (-EBUSY) it is tried again; any other failure is an answer. */
static int begin_command(struct director *director, enum job_kind kind, char *const *command, uint64_t generation, size_t probe,
                uint64_t timeout_us) {
        struct prober_result result = {.height = PROBER_HEIGHT_NONE};
        int r = jobs_run_command(director, kind, command, generation, probe, timeout_us);
        if (r >= 0 || r == -EBUSY)
                return r;
        (void) snprintf(result.text, sizeof(result.text), "its command %.200s cannot be started: %s", command[0], strerror(-r));
        probing_result(director, generation, probe, &result);
        return 0;
}

int checks_begin(struct director *director, uint64_t generation, size_t probe) {
        const struct config *config = director->config;
        if (director->prober < 0)
                return -EAGAIN;
        if (probe < PROBES_MAX && config->probes[probe].kind == PROBE_EXEC)
                return begin_command(director, JOB_PROBE, config->probes[probe].command, generation, probe,
                                config->probes[probe].timeout_us);
        if (probe > ASKED_HEIGHT && config->height.units[counters_unit(probe)].source == HEIGHT_EXEC)
                return begin_command(director, JOB_HEIGHT, config->height.units[counters_unit(probe)].command, generation, probe,
                                HEIGHT_TIMEOUT_US);
        if (probe == ASKED_HEIGHT && config->height.source == HEIGHT_EXEC)
                return begin_command(director, JOB_HEIGHT, config->height.command, generation, probe, HEIGHT_TIMEOUT_US);
        if (probe == ASKED_HEIGHT && config->height.source == HEIGHT_FILE) {
                int r = begin_file(director, generation);
                struct prober_result result = {.height = PROBER_HEIGHT_NONE};
                text_copy(result.text, sizeof(result.text), strerror(r < 0 ? -r : 0));
                if (r < 0)
                        probing_result(director, generation, probe, &result);
                return 0;
        }
        return begin_network(director, generation, probe);
}

void checks_cancel_all(struct director *director) {
        for (size_t i = 0; i < CHECKS_MAX; i++)
                if (director->checks[i].id != 0) {
                        struct prober_cancel cancel = {.id = director->checks[i].id};
                        if (director->prober >= 0)
                                (void) wire_send(director->prober, PROBER_CANCEL, &cancel, sizeof(cancel), NULL, 0);
                        check_end(director, &director->checks[i]);
                }
}

static void on_result(struct director *director, struct prober_result *result) {
        result->text[sizeof(result->text) - 1] = '\0';
        for (size_t i = 0; i < CHECKS_MAX; i++) {
                struct check check = director->checks[i];
                if (check.id == 0 || check.id != result->id)
                        continue;
                if (!result->goes_on)
                        check_end(director, &director->checks[i]);
                probing_result(director, check.generation, check.probe, result);
                return;
        }
}

static void on_log_ended(struct director *director, struct prober_log_ended *ended) {
        struct unit *unit = unit_find(director, ended->generation);
        if (!unit)
                return;
        ended->text[sizeof(ended->text) - 1] = '\0';
        text_copy(unit->last_words, sizeof(unit->last_words), ended->text);
        unit->log_has_ended = true;
        events_ending_is_complete(director, unit);
}

static void dispatch(struct director *director, struct wire_message *message) {
        void *body = message->body;
        struct prober_height *height = body;
        struct unit *unit;
        switch (message->type) {
        case PROBER_RESULT:
                on_result(director, body);
                break;
        case PROBER_HEIGHT:
                events_height(director, height->generation, height->height);
                probing_height_told(director, height->generation);
                break;
        case PROBER_NOTIFIED:
                unit = unit_find(director, ((struct prober_notified *) body)->generation);
                if (unit && ((struct prober_notified *) body)->what == NOTIFIED_READY) {
                        unit->says_ready = true;
                        probing_listener_changed(director, unit->generation);
                }
                break;
        case PROBER_GATE:
                gate_on_notification(director, ((struct prober_gate *) body)->generation, ((struct prober_gate *) body)->height);
                break;
        case PROBER_HALTED:
                gate_node_told(director, height->generation, height->height);
                break;
        case PROBER_LOG_ENDED:
                on_log_ended(director, body);
                break;
        }
}

static int on_prober(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) fd;
        (void) revents;
        int r = wire_receive(director->prober, prober_answers, n_prober_answers, &director->prober_message);
        if (r > 0) {
                liveness_note_prober(director);
                dispatch(director, &director->prober_message);
                wire_message_done(&director->prober_message);
        }
        if (r < 0 && r != -EBADMSG) { /* it died: the keeper starts another one and sends its link */
                director->prober_source = sd_event_source_disable_unref(director->prober_source);
                director->prober = close_fd(director->prober);
        }
        return 0;
}

int probing_connect(struct director *director, int fd) {
        director->prober_source = sd_event_source_disable_unref(director->prober_source);
        close_fd(director->prober);
        director->prober = fd;
        liveness_note_prober(director);
        for (size_t i = 0; i < CHECKS_MAX; i++)
                if (director->checks[i].id != 0)
                        check_end(director, &director->checks[i]);
        for (size_t i = 0; i < ASKED_END; i++)
                director->watch.probes[i].is_under_way = false;
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation != 0)
                        probing_watch_output(director, &director->units[i]);
        int r = sd_event_add_io(director->event, &director->prober_source, fd, EPOLLIN, on_prober, director);
        gate_ask_again(director);
        probing_listener_changed(director, director->watch.generation);
        selection_on_prober(director);
        return r;
}

void probing_watch_output(struct director *director, struct unit *unit) {
        const struct config *config = director->config;
        struct prober_watch_log log = {.generation = unit->generation, .relay = 1};
        struct prober_watch_notify notify = {.generation = unit->generation};
        if (director->prober < 0)
                return;
        const char *pattern = config->gate.kind == GATE_LOG         ? config->gate.pattern
                              : config->height.source == HEIGHT_LOG ? config->height.pattern
                                                                    : NULL;
        (void) snprintf(log.prefix, sizeof(log.prefix), "%.24s %.24s g%lu", config->node, unit->release, unit->generation);
        if (pattern)
                text_copy(log.pattern, sizeof(log.pattern), pattern);
        if (config->gate.kind == GATE_NODE && config->gate.pattern)
                text_copy(log.halt_pattern, sizeof(log.halt_pattern), config->gate.pattern);
        if (unit->log_fd >= 0)
                (void) wire_send(director->prober, PROBER_WATCH_LOG, &log, sizeof(log), &unit->log_fd, 1);
        if (unit->notify_fd >= 0)
                (void) wire_send(director->prober, PROBER_WATCH_NOTIFY, &notify, sizeof(notify), &unit->notify_fd, 1);
}
