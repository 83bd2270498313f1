#include "output.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"

static int finish(bool written) {
        if (written && fflush(stdout) == 0)
                return EXIT_DONE;
        log_error("cannot write to standard output: %m");
        return EXIT_FAILED;
}

int output_text(int r, const char *text) {
        if (r < 0) {
                log_errno(r, "cannot put the answer together");
                return EXIT_FAILED;
        }
        INVARIANT(text);
        return finish(fputs(text, stdout) >= 0);
}

int output_json(const json_t *value) {
        _cleanup_free_ char *text =
                        value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
        return text ? finish(puts(text) >= 0) : output_text(-ENOMEM, NULL);
}

void output_json_done(json_t **value) {
        json_decref(*value);
}
