#include "http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX 4096

static bool header_value(const char *head, size_t length, const char *name, char *ret_value, size_t size);
static unsigned answer_body(
                const struct http_request *request, const struct http_view *view, char *out, size_t size);

int http_parse(const char *bytes, size_t n, struct http_request *ret_request) {
        struct http_request request = {0};
        char value[64];
        const char *end = memmem(bytes, n, "\r\n\r\n", 4);
        if (!end)
                return n < BODY_MAX ? 0 : -1;
        size_t head = (size_t)(end - bytes) + 2;

        const char *space = memchr(bytes, ' ', head),
                   *stop = space ? memchr(space + 1, ' ', head - (size_t)(space + 1 - bytes)) : NULL;
        if (!stop || (size_t)(stop - space) > sizeof(request.path))
                return -1;
        memcpy(request.path, space + 1, (size_t)(stop - space - 1));
        request.is_post = strncmp(bytes, "POST ", 5) == 0;
        request.wants_close = strncmp(stop, " HTTP/1.0", 9) == 0;
        if (header_value(bytes, head, "connection", value, sizeof(value)))
                request.wants_close = strcasecmp(value, "close") == 0;
        if (header_value(bytes, head, "content-length", value, sizeof(value))) {
                char *after = NULL;
                request.body_length = strtoul(value, &after, 10);
                if (after == value || *after || request.body_length > BODY_MAX)
                        return -1;
        }
        if (n < head + 2 + request.body_length)
                return 0;
        request.body = bytes + head + 2;
        *ret_request = request;
        return (int)(head + 2 + request.body_length);
}

size_t http_answer(
                const struct http_request *request, const struct http_view *view, char *out, size_t size) {
        char body[512];
        unsigned status = answer_body(request, view, body, sizeof(body));
        if (view->status)
                status = view->status;
        int n = snprintf(out, size,
                        "HTTP/1.1 %u %s\r\nServer: testnode/%s\r\nContent-Type: %s\r\nContent-Length: "
                        "%zu\r\n%s\r\n%s",
                        status, status < 400 ? "OK" : "Error", view->version,
                        request->is_post ? "application/json" : "text/plain", strlen(body),
                        view->closes ? "Connection: close\r\n" : "", body);
        return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/* A request's id comes back as it was, number or string, so that strict clients take the answer. */
static void copy_id(const struct http_request *request, char *ret_id, size_t size) {
        const char *at = memmem(request->body, request->body_length, "\"id\":", 5);
        size_t n = 0;
        (void)snprintf(ret_id, size, "null");
        if (!at)
                return;
        const char *end = request->body + request->body_length;
        for (at += 5; at < end && *at == ' ';)
                at++;
        while (at + n < end && n + 1 < size && !strchr(",} \r\n", at[n]))
                n++;
        memcpy(ret_id, at, n);
        ret_id[n] = '\0';
}

static unsigned answer_body(
                const struct http_request *request, const struct http_view *view, char *out, size_t size) {
        char id[64];
        if (!request->is_post && strcmp(request->path, "/metrics") == 0) {
                (void)snprintf(out, size, "# TYPE node_height gauge\nnode_height %" PRIu64 "\n",
                                view->height);
                return 200;
        }
        if (!request->is_post && strcmp(request->path, "/v1/node_version_info") == 0) {
                (void)snprintf(out, size,
                                "{\"semver\":\"%s\",\"compatible_range\":{\"start_height\":\"1\",\"end_"
                                "height\":"
                                "\"%" PRIu64 "\"}}",
                                view->version, view->compatible_until);
                return 200;
        }
        if (!request->is_post && strncmp(request->path, "/v1/blocks", 10) == 0) {
                (void)snprintf(out, size, "[{\"header\":{\"height\":\"%" PRIu64 "\"}}]", view->height);
                return 200;
        }
        if (!request->is_post) {
                (void)snprintf(out, size, "%s %" PRIu64 "\n", view->version, view->height);
                return 200;
        }
        copy_id(request, id, sizeof(id));
        if (memmem(request->body, request->body_length, "\"eth_blockNumber\"", 17))
                (void)snprintf(out, size, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":\"0x%" PRIx64 "\"}", id,
                                view->height);
        else if (memmem(request->body, request->body_length, "\"web3_clientVersion\"", 20))
                (void)snprintf(out, size, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":\"testnode/%s\"}", id,
                                view->version);
        else
                (void)snprintf(out, size,
                                "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32601,\"message\":\"no "
                                "such method\"}}",
                                id);
        return 200;
}

static bool header_value(const char *head, size_t length, const char *name, char *ret_value, size_t size) {
        const char *end = head + length;
        size_t name_length = strlen(name);
        for (const char *line = head; line < end;) {
                const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
                if (!stop)
                        return false;
                if ((size_t)(stop - line) > name_length && strncasecmp(line, name, name_length) == 0 &&
                                line[name_length] == ':') {
                        for (line += name_length + 1; line < stop && *line == ' ';)
                                line++;
                        (void)snprintf(ret_value, size, "%.*s", (int)(stop - line), line);
                        return true;
                }
                line = stop + 2;
        }
        return false;
}
