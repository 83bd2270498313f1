#include "check.h"

#include "answers.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#define TEXT_BYTES_MAX 65536

static void describe_address(const struct prober_check *request, char *text, size_t size) {
        char host[INET6_ADDRSTRLEN] = "?";
        if (request->address.ss_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *) &request->address;
                (void) inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
                (void) snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
        } else {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &request->address;
                (void) inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
                (void) snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
        }
}

void check_finish(struct check *check, bool healthy, uint32_t status, uint64_t height, const char *text) {
        struct prober_result result = {.id = check->request.id,
                        .height = height,
                        .latency_us = now_monotonic() - check->began_at,
                        .healthy = healthy,
                        .status = status};
        struct prober *prober = check->prober;
        text_copy(result.text, sizeof(result.text), text);
        check_cancel(prober, result.id);
        prober_tell(prober, PROBER_RESULT, &result, sizeof(result));
}

void check_cancel(struct prober *prober, uint64_t id) {
        for (size_t i = 0; id != 0 && i < CHECKS_MAX; i++) {
                struct check *check = &prober->checks[i];
                if (check->request.id != id)
                        continue;
                http_end(check);
                check->source = sd_event_source_disable_unref(check->source);
                check->deadline = sd_event_source_disable_unref(check->deadline);
                check->fd = close_fd(check->fd);
                free(check->body);
                *check = (struct check){.fd = -1};
                return;
        }
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct check *check = userdata;
        char text[160], address[80];
        (void) source;
        (void) usec;
        if (check->is_text)
                (void) snprintf(text, sizeof(text), "no text came within %u ms", check->request.timeout_ms);
        else {
                describe_address(&check->request, address, sizeof(address));
                (void) snprintf(text, sizeof(text), "no answer from %s within %u ms", address, check->request.timeout_ms);
        }
        check_finish(check, false, 0, PROBER_HEIGHT_NONE, text);
        return 0;
}

static struct check *check_new(struct prober *prober, uint64_t id, uint32_t timeout_ms, int fd) {
        for (size_t i = 0; i < CHECKS_MAX; i++) {
                struct check *check = &prober->checks[i];
                if (check->request.id != 0)
                        continue;
                *check = (struct check){.prober = prober, .fd = fd, .began_at = now_monotonic()};
                check->request.id = id;
                check->request.timeout_ms = timeout_ms;
                if (sd_event_add_time_relative(prober->event, &check->deadline, CLOCK_MONOTONIC, timeout_ms * USEC_PER_MSEC, 1000, on_deadline, check) < 0)
                        break;
                return check;
        }
        struct prober_result result = {.id = id, .height = PROBER_HEIGHT_NONE};
        text_copy(result.text, sizeof(result.text), "the prober has too many checks under way");
        prober_tell(prober, PROBER_RESULT, &result, sizeof(result));
        close_fd(fd);
        return NULL;
}

static void finish_connect(struct check *check, int error) {
        char text[160], address[80];
        describe_address(&check->request, address, sizeof(address));
        if (error == ECONNREFUSED)
                (void) snprintf(text, sizeof(text), "connection refused by %s", address);
        else
                (void) snprintf(text, sizeof(text), "cannot connect to %s: %s", address, strerror(error));
        check_finish(check, error == 0, 0, PROBER_HEIGHT_NONE, error == 0 ? "" : text);
}

static void go_on(struct check *check) {
        if (check->request.kind == CHECK_TCP)
                finish_connect(check, 0);
        else if (http_begin(check) < 0)
                check_finish(check, false, 0, PROBER_HEIGHT_NONE, "the prober could not make the request");
}

static int on_connected(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct check *check = userdata;
        int error = 0;
        socklen_t length = sizeof(error);
        (void) source;
        (void) revents;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
                error = errno;
        check->source = sd_event_source_disable_unref(check->source);
        if (error)
                finish_connect(check, error);
        else
                go_on(check);
        return 0;
}

void check_begin(struct prober *prober, const struct prober_check *request, int fd) {
        struct check *check = check_new(prober, request->id, request->timeout_ms, fd);
        if (!check)
                return;
        check->request = *request;
        (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        int r = connect(fd, (const struct sockaddr *) &request->address, request->address_length);
        if (r == 0)
                go_on(check);
        else if (errno != EINPROGRESS)
                finish_connect(check, errno);
        else if (sd_event_add_io(prober->event, &check->source, fd, EPOLLOUT, on_connected, check) < 0)
                finish_connect(check, ENOMEM);
}

static void finish_text(struct check *check) {
        uint64_t height = PROBER_HEIGHT_NONE;
        regex_t pattern;
        int r;
        check->body[check->body_size] = '\0';
        if (*check->pattern) {
                r = regcomp(&pattern, check->pattern, REG_EXTENDED | REG_NEWLINE) == 0 ? 0 : -EINVAL;
                if (r == 0) {
                        r = answer_pattern(check->body, &pattern, &height);
                        regfree(&pattern);
                }
        } else
                r = answer_number(check->body, &height);
        check_finish(check, r == 0, 0, r == 0 ? height : PROBER_HEIGHT_NONE, r == 0 ? "" : "the text has no height in it");
}

static int on_text(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct check *check = userdata;
        (void) source;
        (void) revents;
        ssize_t n = read(fd, check->body + check->body_size, TEXT_BYTES_MAX - check->body_size);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0)
                check->body_size += (size_t) n;
        if (n <= 0 || check->body_size == TEXT_BYTES_MAX)
                finish_text(check);
        return 0;
}

void check_begin_text(struct prober *prober, const struct prober_read_text *request, int fd) {
        struct check *check = check_new(prober, request->id, request->timeout_ms, fd);
        if (!check)
                return;
        check->is_text = true;
        text_copy(check->pattern, sizeof(check->pattern), request->pattern);
        check->body = malloc(TEXT_BYTES_MAX + 1);
        if (!check->body) {
                check_finish(check, false, 0, PROBER_HEIGHT_NONE, "out of memory");
                return;
        }
        /* A regular file cannot be polled, and never makes anybody wait. */
        int r = sd_event_add_io(prober->event, &check->source, fd, EPOLLIN, on_text, check);
        if (r != -EPERM) {
                if (r < 0)
                        check_finish(check, false, 0, PROBER_HEIGHT_NONE, "the text cannot be waited for");
                return;
        }
        for (ssize_t n = 1; n > 0 && check->body_size < TEXT_BYTES_MAX; check->body_size += n > 0 ? (size_t) n : 0)
                n = read(fd, check->body + check->body_size, TEXT_BYTES_MAX - check->body_size);
        finish_text(check);
}
