#include "answers.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>

/* Values above are either hostile or no heights. */
#define HEIGHT_MAX (UINT64_C(1) << 62)

static int refuse(char *why, size_t why_size, const char *text) {
        (void) snprintf(why, why_size, "%s", text);
        return -EBADMSG;
}

static int parse_hexadecimal(const char *text, uint64_t *ret_value) {
        uint64_t value = 0;
        if (strncmp(text, "0x", 2) != 0 || strlen(text) < 3 || strlen(text) > 18)
                return -EINVAL;
        for (const char *c = text + 2; *c; c++) {
                if (!isxdigit((unsigned char) *c))
                        return -EINVAL;
                value = value * 16 + (uint64_t) (isdigit((unsigned char) *c) ? *c - '0' : tolower((unsigned char) *c) - 'a' + 10);
        }
        *ret_value = value;
        return value <= HEIGHT_MAX ? 0 : -ERANGE;
}

static int height_of(const json_t *value, uint64_t *ret_height) {
        uint64_t height;
        if (json_is_string(value)) {
                const char *text = json_string_value(value);
                int r = strncmp(text, "0x", 2) == 0 ? parse_hexadecimal(text, &height) : parse_u64(text, &height);
                if (r < 0)
                        return r;
        } else if (json_is_integer(value) && json_integer_value(value) >= 0)
                height = (uint64_t) json_integer_value(value);
        else
                return -EINVAL;
        if (height > HEIGHT_MAX)
                return -ERANGE;
        *ret_height = height;
        return 0;
}

/* jansson itself bounds the depth. */
static json_t *load(const char *body, size_t size, char *why, size_t why_size) {
        json_error_t error;
        json_t *root = json_loadb(body, size, JSON_REJECT_DUPLICATES, &error);
        if (!root)
                (void) snprintf(why, why_size, "its answer is not JSON: %.100s", error.text);
        return root;
}

static int json_rpc(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        const json_t *error = json_object_get(root, "error");
        int r = height_of(json_object_get(root, "result"), ret_height);
        if (json_is_object(error)) {
                const char *message = json_string_value(json_object_get(error, "message"));
                (void) snprintf(why, why_size, "JSON-RPC error %ld: %.200s", (long) json_integer_value(json_object_get(error, "code")), message ? message : "");
                r = -EBADMSG;
        } else if (r < 0)
                r = refuse(why, why_size, "its JSON-RPC answer has no height as result");
        json_decref(root);
        return r;
}

int answer_ethereum(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        return json_rpc(body, size, ret_height, why, why_size);
}

int answer_bitcoin(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        return json_rpc(body, size, ret_height, why, why_size);
}

int answer_cometbft(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        const json_t *result = json_object_get(root, "result");
        const json_t *height = json_object_get(json_object_get(result ? result : root, "sync_info"), "latest_block_height");
        int r = height_of(height, ret_height);
        json_decref(root);
        return r < 0 ? refuse(why, why_size, "its answer has no sync_info.latest_block_height") : 0;
}

int answer_flow(const char *body, size_t size, uint64_t *ret_height, char *why, size_t why_size) {
        json_t *root = load(body, size, why, why_size);
        if (!root)
                return -EBADMSG;
        int r = height_of(json_object_get(json_object_get(json_array_get(root, 0), "header"), "height"), ret_height);
        json_decref(root);
        return r < 0 ? refuse(why, why_size, "its answer has no [0].header.height") : 0;
}

static bool has_labels(const char *line, size_t length, const char *labels) {
        char wanted[256];
        for (const char *at = labels; *at && *at != '}';) {
                size_t n = strcspn(at, ",}");
                if (n >= sizeof(wanted))
                        return false;
                memcpy(wanted, at, n);
                wanted[n] = '\0';
                if (!memmem(line, length, wanted, n))
                        return false;
                at += n + (at[n] == ',');
        }
        return true;
}

static bool is_metric(const char *line, const char *name, size_t name_length, const char *labels) {
        if (strncmp(line, name, name_length) != 0 || !strchr("{ \t", line[name_length]))
                return false;
        const char *end = line[name_length] == '{' ? strchr(line, '}') : line + name_length;
        return end && (!*labels || has_labels(line + name_length, (size_t) (end - line) - name_length, labels));
}

int answer_metrics(const char *body, const char *metric, uint64_t *ret_height, char *why, size_t why_size) {
        size_t name_length = strcspn(metric, "{");
        const char *labels = metric[name_length] == '{' ? metric + name_length + 1 : "";
        for (const char *line = body; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                if (!is_metric(line, metric, name_length, labels))
                        continue;
                const char *value = line[name_length] == '{' ? strchr(line, '}') + 1 : line + name_length;
                char *end = NULL;
                double number = strtod(value, &end);
                if (end == value || !isfinite(number) || number < 0 || number > 9e15)
                        return refuse(why, why_size, "the metric's value is no height");
                *ret_height = (uint64_t) number;
                return 0;
        }
        (void) snprintf(why, why_size, "the metric %.100s is not in its answer", metric);
        return -EBADMSG;
}

int answer_number(const char *text, uint64_t *ret_height) {
        char digits[24];
        while (isspace((unsigned char) *text))
                text++;
        size_t n = strcspn(text, " \t\r\n");
        if (n == 0 || n >= sizeof(digits) || text[n + strspn(text + n, " \t\r\n")] != '\0')
                return -EINVAL;
        memcpy(digits, text, n);
        digits[n] = '\0';
        return strncmp(digits, "0x", 2) == 0 ? parse_hexadecimal(digits, ret_height) : parse_u64(digits, ret_height);
}

int answer_pattern(const char *text, const regex_t *pattern, uint64_t *ret_height) {
        regmatch_t match[2];
        char digits[24];
        if (regexec(pattern, text, ELEMENTS(match), match, 0) != 0 || match[1].rm_so < 0)
                return -ENOENT;
        size_t n = (size_t) (match[1].rm_eo - match[1].rm_so);
        if (n >= sizeof(digits))
                return -ERANGE;
        memcpy(digits, text + match[1].rm_so, n);
        digits[n] = '\0';
        return answer_number(digits, ret_height);
}
