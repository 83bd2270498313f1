#include "check.h"

#include "../lib/log.h"
#include "../lib/memory.h"
#include "heads.h"
#include "http.h"
#include "printable.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#define FINISHED_WORTH_RESTING 16

static int on_connected(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata);
static void go_on(struct check *check);
static void finish_refused(struct check *check, int error);
static void describe_address(const struct prober_check *request, char *text, size_t size);

void check_begin(struct prober *prober, const struct prober_check *request, int fd) {
        struct check *check = check_new(prober, request->id, request->timeout_ms, fd);
        if (!check)
                return;
        check->request = *request;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
                finish_refused(check, errno);
                return;
        }
        int r = connect(fd, (const struct sockaddr *)&request->address, request->address_length);
        if (r == 0)
                go_on(check);
        else if (errno != EINPROGRESS)
                finish_refused(check, errno);
        else if (sd_event_add_io(prober->event, &check->source, fd, EPOLLOUT, on_connected, check) < 0)
                finish_refused(check, ENOMEM);
}

void check_cancel(struct prober *prober, uint64_t id) {
        for (size_t i = 0; id != 0 && i < CHECKS_MAX; i++) {
                struct check *check = &prober->checks[i];
                if (check->request.id != id)
                        continue;
                http_end(check);
                heads_end(check);
                check->source = sd_event_source_disable_unref(check->source);
                check->deadline = sd_event_source_disable_unref(check->deadline);
                check->fd = close_fd(check->fd);
                free(check->body);
                *check = (struct check){.fd = -1};
                return;
        }
}

struct check *check_new(struct prober *prober, uint64_t id, uint32_t timeout_ms, int fd) {
        struct check *check = NULL;
        for (size_t i = 0; i < CHECKS_MAX; i++) {
                if (prober->checks[i].request.id == id) {
                        log_warning("the director asked check %lu twice; the second one is not made",
                                        (unsigned long)id);
                        close_fd(fd);
                        return NULL;
                }
                if (!check && prober->checks[i].request.id == 0)
                        check = &prober->checks[i];
        }
        if (check) {
                *check = (struct check){.prober = prober, .fd = fd, .began_at = now_monotonic()};
                check->request.id = id;
                check->request.timeout_ms = timeout_ms;
                if (sd_event_add_time_relative(prober->event, &check->deadline, CLOCK_MONOTONIC,
                                    timeout_ms * USEC_PER_MSEC, USEC_PER_MSEC, on_deadline, check) >= 0)
                        return check;
                *check = (struct check){.fd = -1};
        }
        struct prober_result result = {.id = id, .height = PROBER_HEIGHT_NONE};
        (void)snprintf(result.text, sizeof(result.text),
                        "not checked: the prober has %d checks under way already", CHECKS_MAX);
        close_fd(fd);
        prober_tell(prober, PROBER_RESULT, &result, sizeof(result));
        return NULL;
}

void check_tell(struct check *check, uint64_t height) {
        struct prober_result result = {.id = check->request.id,
                        .height = height,
                        .latency_us = now_monotonic() - check->began_at,
                        .healthy = true,
                        .goes_on = true};
        prober_tell(check->prober, PROBER_RESULT, &result, sizeof(result));
}

/* What the libraries did once is not needed for the checks that follow: given back after the first ones, and ever more seldom. */
static void note_finished(struct prober *prober) {
        unsigned n = ++prober->n_finished;
        if (n >= FINISHED_WORTH_RESTING && (n & (n - 1)) == 0)
                memory_rest();
}

void check_finish(struct check *check, bool healthy, uint32_t status, uint64_t height, const char *text) {
        struct prober *prober = check->prober;
        struct prober_result result = {.id = check->request.id,
                        .height = height,
                        .latency_us = now_monotonic() - check->began_at,
                        .healthy = healthy,
                        .status = status};
        printable_copy(result.text, sizeof(result.text), text);
        check_cancel(prober, result.id);
        prober_tell(prober, PROBER_RESULT, &result, sizeof(result));
        note_finished(prober);
}

static int on_connected(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct check *check = userdata;
        int error = 0;
        socklen_t length = sizeof(error);
        (void)source;
        (void)revents;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
                error = errno;
        check->source = sd_event_source_disable_unref(check->source);
        if (error)
                finish_refused(check, error);
        else
                go_on(check);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct check *check = userdata;
        char text[160], address[80];
        (void)source;
        (void)usec;
        if (check->heads && heads_ask(check))
                return 0;
        if (check->is_text)
                (void)snprintf(text, sizeof(text), "the text did not end within %u ms",
                                check->request.timeout_ms);
        else {
                describe_address(&check->request, address, sizeof(address));
                (void)snprintf(text, sizeof(text), "no answer from %s within %u ms", address,
                                check->request.timeout_ms);
        }
        check_finish(check, false, 0, PROBER_HEIGHT_NONE, text);
        return 0;
}

static void go_on(struct check *check) {
        if (check->request.kind == CHECK_TCP)
                check_finish(check, true, 0, PROBER_HEIGHT_NONE, "");
        else if (check->request.kind == CHECK_ETHEREUM_HEADS)
                heads_begin(check);
        else if (http_begin(check, &check->prober->transfers) < 0)
                check_finish(check, false, 0, PROBER_HEIGHT_NONE,
                                "the prober cannot make the request: check the URL in the configuration");
}

/* Metrics also tell views and epochs, from other URLs. */
static bool asks_for_height(uint32_t kind) {
        return kind == CHECK_ETHEREUM || kind == CHECK_COMETBFT || kind == CHECK_FLOW ||
               kind == CHECK_BITCOIN || kind == CHECK_ETHEREUM_HEADS;
}

static void finish_refused(struct check *check, int error) {
        char text[200], address[80];
        describe_address(&check->request, address, sizeof(address));
        if (error == ECONNREFUSED)
                (void)snprintf(text, sizeof(text), "connection refused by %s%s", address,
                                asks_for_height(check->request.kind) ? " (height.url)" : "");
        else
                (void)snprintf(text, sizeof(text), "cannot connect to %s: %s", address, strerror(error));
        check_finish(check, false, 0, PROBER_HEIGHT_NONE, text);
}

static void describe_address(const struct prober_check *request, char *text, size_t size) {
        char host[INET6_ADDRSTRLEN] = "?";
        const struct sockaddr_in *in = (const struct sockaddr_in *)&request->address;
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&request->address;
        if (request->address.ss_family == AF_INET) {
                (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
                (void)snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
        } else if (request->address.ss_family == AF_INET6) {
                (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
                (void)snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
        } else
                (void)snprintf(text, size, "its address");
}
