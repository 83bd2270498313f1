#include "signing.h"

#define TIMEOUT_US (20 * USEC_PER_SEC)

void signing_run(const char *const *arguments, char **ret_output) {
        const struct process_start start = {
                        .arguments = arguments, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        struct process_result result;
        assert_int_equal(process_run(&start, TIMEOUT_US, &result), 0);
        if (result.status != 0)
                fail_msg("%s: %s", arguments[0], result.error);
        if (ret_output)
                *ret_output = strdup(result.output);
        process_result_done(&result);
}

void signing_make_key(struct scenario *s, const char *name, char *line, size_t size) {
        char public_key[128], secret_key[128];
        _cleanup_free_ char *output = NULL;
        (void)snprintf(public_key, sizeof(public_key), "%s/%s.pub", s->directory, name);
        (void)snprintf(secret_key, sizeof(secret_key), "%s/%s.sec", s->directory, name);
        SIGNING_RUN(NULL, "minisign", "-G", "-W", "-p", public_key, "-s", secret_key);
        SIGNING_RUN(&output, "tail", "-n", "1", public_key);
        assert_non_null(output);
        output[strcspn(output, "\n")] = '\0';
        text_copy(line, size, output);
}

void signing_sign(struct scenario *s, const char *key, const char *path, const char *comment) {
        char secret_key[128];
        (void)snprintf(secret_key, sizeof(secret_key), "%s/%s.sec", s->directory, key);
        SIGNING_RUN(NULL, "minisign", "-S", "-s", secret_key, "-m", path, "-t", comment);
}
