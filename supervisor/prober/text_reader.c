/* PROBER_READ_TEXT: a file or what a command prints, read to its end, with a height in it. */
#include "answers.h"
#include "check.h"

#include <fcntl.h>

#define TEXT_BYTES_MAX 65536

static int on_text(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static bool take_text(struct check *check, int fd);
static void finish_text(struct check *check);

void check_begin_text(struct prober *prober, const struct prober_read_text *request, int fd) {
        struct check *check = check_new(prober, request->id, request->timeout_ms, fd);
        if (!check)
                return;
        check->is_text = true;
        text_copy(check->request.argument, sizeof(check->request.argument), request->pattern);
        check->body = malloc(TEXT_BYTES_MAX + 1);
        int flags = fcntl(fd, F_GETFL);
        if (!check->body || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
                check_finish(check, false, 0, PROBER_HEIGHT_NONE,
                                "the prober has no memory to read the text");
                return;
        }
        int r = sd_event_add_io(prober->event, &check->source, fd, EPOLLIN, on_text, check);
        if (r == -EPERM) { /* a regular file cannot be polled, and makes nobody wait */
                while (!take_text(check, fd))
                        ;
                finish_text(check);
        } else if (r < 0)
                check_finish(check, false, 0, PROBER_HEIGHT_NONE, "the prober cannot wait for the text");
}

static int on_text(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct check *check = userdata;
        (void)source;
        (void)revents;
        if (take_text(check, fd))
                finish_text(check);
        return 0;
}

/* True: that was all. */
static bool take_text(struct check *check, int fd) {
        ssize_t n = read(fd, check->body + check->body_size, TEXT_BYTES_MAX - check->body_size);
        if (n < 0)
                return errno != EINTR && (errno != EAGAIN || !check->source);
        check->body_size += (size_t)n;
        return n == 0 || check->body_size == TEXT_BYTES_MAX;
}

static void finish_text(struct check *check) {
        uint64_t height = PROBER_HEIGHT_NONE;
        regex_t pattern;
        int r = -EINVAL;
        check->body[check->body_size] = '\0';
        if (!*check->request.argument)
                r = answer_number(check->body, &height);
        else if (regcomp(&pattern, check->request.argument, REG_EXTENDED | REG_NEWLINE) == 0) {
                r = answer_pattern(check->body, &pattern, &height);
                regfree(&pattern);
        }
        const char *text = r >= 0                  ? ""
                           : check->body_size == 0 ? "the text is empty; a height was expected in it"
                           : r == -ENOENT ? "the text does not match the pattern of the configuration"
                           : r == -ERANGE ? "the number in the text is too large for a height"
                                          : "the text holds something else than a height";
        check_finish(check, r >= 0, 0, r >= 0 ? height : PROBER_HEIGHT_NONE, text);
}
