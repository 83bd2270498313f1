/* Reads one HTTP answer as it comes, without keeping its body. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX 2048
#define VERSION_MAX 32

struct response {
        char head[HEAD_MAX + 1], tail[5]; /* the last bytes of a chunked body */
        size_t n_head;
        bool has_begun, has_head, is_chunked, has_length, wants_close;
        uint64_t body_left;
        unsigned status;
        char version[VERSION_MAX]; /* from "Server: testnode/VERSION"; may be empty */
};

enum response_state { RESPONSE_MORE, RESPONSE_COMPLETE, RESPONSE_BROKEN };

/* Starts from zeroed memory. Give it what recv() gave; N 0 is the end of the connection, which completes an
 * answer that has neither length nor chunks. */
enum response_state response_take(struct response *response, const char *bytes, size_t n);
