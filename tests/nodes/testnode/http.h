/* HTTP/1.1, as much as a JSON-RPC node has of it. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request {
        bool is_post, wants_close;
        char path[128];
        const char *body; /* inside the buffer that was parsed */
        size_t body_length;
};

struct http_view {
        const char *version;
        uint64_t height;
        uint64_t compatible_until; /* of what a Flow node says of its version; 0: it knows no end */
        unsigned status;           /* 0: what the request deserves */
        bool closes;               /* the connection ends after this answer */
};

/* Parses one request from the first N bytes. Returns how many bytes it took, 0 if more are needed, -1 if
 * they are no request or one that does not fit. */
int http_parse(const char *bytes, size_t n, struct http_request *ret_request);

/* Writes the answer; returns its length, which is less than SIZE for a SIZE of 1024. */
size_t http_answer(const struct http_request *request, const struct http_view *view, char *out, size_t size);
