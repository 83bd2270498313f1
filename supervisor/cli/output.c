#include "output.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include <fcntl.h>
#include <sys/stat.h>

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

static int replace(const char *path, const char *text) {
        _cleanup_free_ char *temporary = NULL;
        if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
                return -ENOMEM;
        int fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        FILE *file = fdopen(fd, "w");
        if (!file)
                close_fd(fd);
        int r = file && fchmod(fd, 0644) >= 0 && fputs(text, file) >= 0 ? 0 : -errno;
        if (file && fclose(file) != 0 && r >= 0)
                r = -errno;
        if (r >= 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(temporary);
        return r;
}

int output_file(int r, const char *text, const char *path) {
        if (r < 0 || strcmp(path, "-") == 0)
                return output_text(r, text);
        r = replace(path, text);
        if (r >= 0)
                return EXIT_DONE;
        log_errno(r, "cannot write %s", path);
        return EXIT_FAILED;
}

int output_json(const json_t *value) {
        _cleanup_free_ char *text =
                        value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
        return text ? finish(puts(text) >= 0) : output_text(-ENOMEM, NULL);
}

void output_json_done(json_t **value) {
        json_decref(*value);
}
