#include "response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool read_head(struct response *response);
static enum response_state take_body(struct response *response, const char *bytes, size_t n);

enum response_state response_take(struct response *response, const char *bytes, size_t n) {
        response->has_begun |= n > 0;
        if (n == 0)
                return response->has_head && !response->has_length && !response->is_chunked
                                       ? RESPONSE_COMPLETE
                                       : RESPONSE_BROKEN;
        if (response->has_head)
                return take_body(response, bytes, n);

        size_t before = response->n_head, room = HEAD_MAX - before, taken = n < room ? n : room;
        memcpy(response->head + before, bytes, taken);
        response->n_head += taken;
        response->head[response->n_head] = '\0';
        const char *end = strstr(response->head, "\r\n\r\n");
        if (!end)
                return response->n_head == HEAD_MAX ? RESPONSE_BROKEN : RESPONSE_MORE;
        size_t head = (size_t)(end - response->head) + 4;
        response->head[head] = '\0';
        if (!read_head(response))
                return RESPONSE_BROKEN;
        response->has_head = true;
        return take_body(response, bytes + (head - before), n - (head - before));
}

static bool read_head(struct response *response) {
        const char *text = response->head, *value;
        if (sscanf(text, "HTTP/1.%*1[01] %3u", &response->status) != 1)
                return false;
        if ((value = strcasestr(text, "\r\ncontent-length:"))) {
                response->body_left = strtoull(value + 17, NULL, 10);
                response->has_length = true;
        }
        if ((value = strcasestr(text, "\r\ntransfer-encoding:")))
                response->is_chunked = strcasestr(value, "chunked") != NULL;
        response->wants_close = strcasestr(text, "\r\nconnection: close") != NULL;
        if ((value = strcasestr(text, "\r\nserver: testnode/")))
                (void)snprintf(response->version, sizeof(response->version), "%.*s",
                                (int)strcspn(value + 19, "\r\n"), value + 19);
        return true;
}

static enum response_state take_body(struct response *response, const char *bytes, size_t n) {
        if (response->is_chunked) {
                for (size_t i = 0; i < n; i++) {
                        memmove(response->tail, response->tail + 1, sizeof(response->tail) - 1);
                        response->tail[sizeof(response->tail) - 1] = bytes[i];
                }
                return memcmp(response->tail, "0\r\n\r\n", sizeof(response->tail)) == 0 ? RESPONSE_COMPLETE
                                                                                        : RESPONSE_MORE;
        }
        if (!response->has_length)
                return RESPONSE_MORE;
        response->body_left -= n < response->body_left ? n : response->body_left;
        return response->body_left == 0 ? RESPONSE_COMPLETE : RESPONSE_MORE;
}
