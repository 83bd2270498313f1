#include "answers.h"

#include <ctype.h>
#include <jansson.h>

enum notation { HEXADECIMAL, DECIMAL };

static int json_rpc(enum notation notation, const char *body, size_t size, uint64_t *ret_height, char *why,
                size_t why_size);
static json_t *load(const char *body, size_t size, char *why, size_t why_size);
static int height_of(const json_t *value, enum notation notation, uint64_t *ret_height);
static bool is_error(const json_t *root, char *why, size_t why_size);
static int refuse(char *why, size_t why_size, const char *text);
static int parse_hexadecimal(const char *text, uint64_t *ret_value);

static void json_decref_at(json_t **value) {
        json_decref(*value);
}

int answer_ethereum(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        return json_rpc(HEXADECIMAL, body, size, ret_height, why, why_size);
}

int answer_bitcoin(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        return json_rpc(DECIMAL, body, size, ret_height, why, why_size);
}

int answer_cometbft(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        _cleanup_(json_decref_at) json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        if (is_error(root, why, why_size))
                return -EREMOTEIO;
        const json_t *result = json_object_get(root, "result");
        const json_t *sync_info = json_object_get(result ? result : root, "sync_info");
        int r = height_of(json_object_get(sync_info, "latest_block_height"), DECIMAL, ret_height);
        return r < 0 ? refuse(why, why_size, "its answer has no sync_info.latest_block_height") : 0;
}

int answer_flow(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        _cleanup_(json_decref_at) json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        const json_t *header = json_object_get(json_array_get(root, 0), "header");
        int r = height_of(json_object_get(header, "height"), DECIMAL, ret_height);
        return r < 0 ? refuse(why, why_size, "its answer has no [0].header.height") : 0;
}

int answer_flow_version(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        _cleanup_(json_decref_at) json_t *root = load(body, size, why, why_size);
        uint64_t end = 0;
        if (!root)
                return -EBADMSG;
        if (!json_is_string(json_object_get(root, "semver")))
                return refuse(why, why_size,
                                "its answer has no semver: the URL is to be that of /v1/node_version_info");
        const json_t *range = json_object_get(root, "compatible_range"),
                     *value = json_object_get(range, "end_height");
        if (!range || json_is_null(range) || !value || json_is_null(value))
                return 0;
        if (height_of(value, DECIMAL, &end) < 0)
                return refuse(why, why_size, "its compatible_range.end_height is no height");
        if (end > 0)
                *ret_height = end;
        return 0;
}

int answer_head(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        _cleanup_(json_decref_at) json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        const char *method = json_string_value(json_object_get(root, "method"));
        const json_t *head = json_object_get(json_object_get(root, "params"), "result"),
                     *result = json_object_get(root, "result");
        const json_t *id = json_object_get(root, "id");
        if (method) {
                if (strcmp(method, "eth_subscription") != 0)
                        return HEAD_ELSE;
                return height_of(json_object_get(head, "number"), HEXADECIMAL, ret_height) < 0
                                       ? refuse(why, why_size, "a new head has no number")
                                       : HEAD_HEIGHT;
        }
        bool is_error_answer = is_error(root, why, why_size);
        if (json_is_integer(id) && json_integer_value(id) == HEADS_SUBSCRIBE)
                return is_error_answer          ? HEAD_NO_SUBSCRIPTION
                       : json_is_string(result) ? HEAD_SUBSCRIBED
                                                : refuse(why, why_size,
                                                                  "its answer to eth_subscribe holds no "
                                                                  "subscription");
        if (is_error_answer)
                return -EREMOTEIO;
        if (!json_is_integer(id) || json_integer_value(id) != HEADS_NUMBER)
                return HEAD_ELSE;
        return height_of(result, HEXADECIMAL, ret_height) < 0
                               ? refuse(why, why_size, "its JSON-RPC answer has no height as result")
                               : HEAD_HEIGHT;
}

int answer_number(const char *text, uint64_t *ret_height) {
        static const char space[] = " \t\r\n";
        char digits[24];
        uint64_t height;
        text += strspn(text, space);
        size_t n = strcspn(text, space);
        if (n == 0 || n >= sizeof(digits) || text[n + strspn(text + n, space)] != '\0')
                return -EINVAL;
        memcpy(digits, text, n);
        digits[n] = '\0';
        int r = strncmp(digits, "0x", 2) == 0 ? parse_hexadecimal(digits, &height)
                                              : parse_u64(digits, &height);
        if (r < 0)
                return r;
        if (height > HEIGHT_MAX)
                return -ERANGE;
        *ret_height = height;
        return 0;
}

int answer_pattern(const char *text, const regex_t *pattern, uint64_t *ret_height) {
        regmatch_t match[2];
        char digits[24];
        if (regexec(pattern, text, ELEMENTS(match), match, 0) != 0 || match[1].rm_so < 0)
                return -ENOENT;
        size_t n = (size_t)(match[1].rm_eo - match[1].rm_so);
        if (n >= sizeof(digits))
                return -ERANGE;
        memcpy(digits, text + match[1].rm_so, n);
        digits[n] = '\0';
        return answer_number(digits, ret_height);
}

static int json_rpc(enum notation notation, const char *body, size_t size, uint64_t *ret_height, char *why,
                size_t why_size) {
        _cleanup_(json_decref_at) json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        if (is_error(root, why, why_size))
                return -EREMOTEIO;
        const json_t *result = json_object_get(root, "result");
        if (json_is_null(result))
                return refuse(why, why_size, "its JSON-RPC result is null instead of a height");
        int r = height_of(result, notation, ret_height);
        return r < 0 ? refuse(why, why_size, "its JSON-RPC answer has no height as result") : 0;
}

/* The parser bounds the nesting (2,048 levels) and refuses numbers that overflow; the size is bounded by the
 * caller. */
static json_t *load(const char *body, size_t size, char *why, size_t why_size) {
        json_error_t error;
        if (size == 0) {
                (void)snprintf(why, why_size, "its answer is empty");
                return NULL;
        }
        json_t *root = json_loadb(body, size, JSON_REJECT_DUPLICATES, &error);
        if (!root)
                (void)snprintf(why, why_size, "its answer is not JSON: %.100s", error.text);
        return root;
}

static int height_of(const json_t *value, enum notation notation, uint64_t *ret_height) {
        uint64_t height = 0;
        int r = 0;
        if (json_is_string(value))
                r = notation == HEXADECIMAL ? parse_hexadecimal(json_string_value(value), &height)
                                            : parse_u64(json_string_value(value), &height);
        else if (json_is_integer(value) && json_integer_value(value) >= 0 && notation == DECIMAL)
                height = (uint64_t)json_integer_value(value);
        else
                return -EINVAL;
        if (r < 0)
                return r;
        if (height > HEIGHT_MAX)
                return -ERANGE;
        *ret_height = height;
        return 0;
}

static bool is_error(const json_t *root, char *why, size_t why_size) {
        const json_t *error = json_object_get(root, "error");
        if (json_is_string(error))
                (void)snprintf(why, why_size, "JSON-RPC error: %.200s", json_string_value(error));
        else if (json_is_object(error)) {
                const char *message = json_string_value(json_object_get(error, "message"));
                (void)snprintf(why, why_size, "JSON-RPC error %lld: %.200s",
                                (long long)json_integer_value(json_object_get(error, "code")),
                                message ? message : "it gives no message");
        } else
                return false;
        return true;
}

static int refuse(char *why, size_t why_size, const char *text) {
        (void)snprintf(why, why_size, "%s", text);
        return -EBADMSG;
}

static int parse_hexadecimal(const char *text, uint64_t *ret_value) {
        uint64_t value = 0;
        size_t length = strlen(text);
        if (strncmp(text, "0x", 2) != 0 || length < 3)
                return -EINVAL;
        for (const char *c = text + 2; *c; c++) {
                if (!isxdigit((unsigned char)*c))
                        return -EINVAL;
                if (value > HEIGHT_MAX >> 4)
                        return -ERANGE;
                value = value << 4 |
                        (uint64_t)(isdigit((unsigned char)*c) ? *c - '0'
                                                              : tolower((unsigned char)*c) - 'a' + 10);
        }
        *ret_value = value;
        return 0;
}
