#include "../lib/log.h"
#include "answers.h"
#include "printable.h"
#include "watches.h"

#include <ctype.h>
#include <fcntl.h>

/* Of one pipe in one go, so that a chatty generation cannot starve the others. */
#define BYTES_A_TURN 65536

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static void watch_number(struct log_number *number, const char *pattern, uint64_t generation);
static void take_bytes(struct log_watch *watch, const char *bytes, size_t n);
static void end_line(struct log_watch *watch, bool is_cut);
static void remember(struct log_watch *watch, const char *line);
static void tell_number(struct log_watch *watch, struct log_number *number, uint32_t type);
static void tell_end(struct log_watch *watch);
static void drop(struct log_watch *watch);

void watch_log(struct prober *prober, const struct prober_watch_log *request, int fd) {
        struct log_watch *watch = NULL;
        watch_forget_log(prober, request->generation);
        for (size_t i = 0; i < WATCHES_MAX && !watch; i++)
                if (prober->logs[i].generation == 0)
                        watch = &prober->logs[i];
        int flags = fcntl(fd, F_GETFL);
        if (!watch || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
                log_error("the output of generation %lu cannot be read: %s; the generation stops once its "
                          "pipe is full",
                                (unsigned long)request->generation,
                                watch ? strerror(errno) : "the prober watches as many as it can");
                close_fd(fd);
                return;
        }
        *watch = (struct log_watch){.prober = prober,
                        .generation = request->generation,
                        .fd = fd,
                        .relay = request->relay};
        text_copy(watch->prefix, sizeof(watch->prefix), request->prefix);
        watch_number(&watch->height, request->pattern, request->generation);
        watch_number(&watch->halt, request->halt_pattern, request->generation);
        int r = sd_event_add_io(prober->event, &watch->source, fd, EPOLLIN, on_output, watch);
        if (r < 0) {
                (void)log_errno(r, "cannot wait for the output of generation %lu",
                                (unsigned long)request->generation);
                drop(watch);
        }
}

void watch_forget_log(struct prober *prober, uint64_t generation) {
        for (size_t i = 0; generation != 0 && i < WATCHES_MAX; i++)
                if (prober->logs[i].generation == generation)
                        drop(&prober->logs[i]);
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct log_watch *watch = userdata;
        struct prober *prober = watch->prober;
        char bytes[4096];
        bool has_ended = false;
        (void)source;
        (void)revents;
        for (size_t taken = 0; taken < BYTES_A_TURN && !has_ended;) {
                ssize_t n = read(fd, bytes, sizeof(bytes));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                has_ended = n <= 0;
                if (n > 0) {
                        take_bytes(watch, bytes, (size_t)n);
                        taken += (size_t)n;
                }
        }
        if (has_ended && watch->line_size > 0)
                end_line(watch, false);
        tell_number(watch, &watch->height, PROBER_HEIGHT);
        tell_number(watch, &watch->halt, PROBER_HALTED);
        relay_flush(&prober->relay);
        if (has_ended)
                tell_end(watch);
        return 0;
}

static void take_bytes(struct log_watch *watch, const char *bytes, size_t n) {
        while (n > 0) {
                const char *end = memchr(bytes, '\n', n);
                size_t part = end ? (size_t)(end - bytes) : n,
                       room = sizeof(watch->line) - 1 - watch->line_size;
                if (!watch->is_skipping) {
                        size_t kept = part < room ? part : room;
                        memcpy(watch->line + watch->line_size, bytes, kept);
                        watch->line_size += kept;
                        if (end || part > room)
                                end_line(watch, part > room);
                        watch->is_skipping = part > room;
                }
                if (end) {
                        watch->is_skipping = false;
                        part++;
                }
                bytes += part;
                n -= part;
        }
}

static void end_line(struct log_watch *watch, bool is_cut) {
        size_t size = printable_clean(watch->line, watch->line_size);
        watch->line_size = 0;
        if (watch->relay)
                relay_add(&watch->prober->relay, watch->prefix, watch->line, is_cut ? " [cut]" : "");
        remember(watch, watch->line);
        /* Half a number at the cut would be a wrong height. */
        while (is_cut && size > 0 && isxdigit((unsigned char)watch->line[size - 1]))
                watch->line[--size] = '\0';
        if (watch->height.is_watched)
                (void)answer_pattern(watch->line, &watch->height.pattern, &watch->height.seen);
        if (watch->halt.is_watched)
                (void)answer_pattern(watch->line, &watch->halt.pattern, &watch->halt.seen);
}

static void remember(struct log_watch *watch, const char *line) {
        if (!*line)
                return;
        if (watch->n_last == LAST_LINES)
                memmove(watch->last[0], watch->last[1], sizeof(watch->last[0]) * (LAST_LINES - 1));
        else
                watch->n_last++;
        printable_copy(watch->last[watch->n_last - 1], sizeof(watch->last[0]), line);
}

static void tell_number(struct log_watch *watch, struct log_number *number, uint32_t type) {
        struct prober_height told = {.generation = watch->generation, .height = number->seen};
        if (number->seen == number->told)
                return;
        number->told = number->seen;
        prober_tell(watch->prober, type, &told, sizeof(told));
}

/* Where there is no room for all of the last lines, the newest ones say why the node ended. */
static void tell_end(struct log_watch *watch) {
        static const char between[] = " | ";
        struct prober_log_ended ended = {.generation = watch->generation};
        size_t first = watch->n_last, used = 0;
        while (first > 0 && used + strlen(watch->last[first - 1]) + strlen(between) < sizeof(ended.text))
                used += strlen(watch->last[--first]) + strlen(between);
        used = 0;
        for (size_t i = first; i < watch->n_last; i++)
                used += (size_t)snprintf(ended.text + used, sizeof(ended.text) - used, "%s%s",
                                i > first ? between : "", watch->last[i]);
        INVARIANT(used < sizeof(ended.text));
        prober_tell(watch->prober, PROBER_LOG_ENDED, &ended, sizeof(ended));
        drop(watch);
}

static void watch_number(struct log_number *number, const char *pattern, uint64_t generation) {
        *number = (struct log_number){.seen = PROBER_HEIGHT_NONE, .told = PROBER_HEIGHT_NONE};
        number->is_watched = *pattern && regcomp(&number->pattern, pattern, REG_EXTENDED) == 0;
        if (*pattern && !number->is_watched)
                log_error("the pattern \"%s\" is no POSIX extended regular expression: nothing is found in "
                          "the output of "
                          "generation %lu by it; mend it in the configuration",
                                pattern, (unsigned long)generation);
}

static void forget_number(struct log_number *number) {
        if (number->is_watched)
                regfree(&number->pattern);
        number->is_watched = false;
}

static void drop(struct log_watch *watch) {
        watch->source = sd_event_source_disable_unref(watch->source);
        watch->fd = close_fd(watch->fd);
        forget_number(&watch->height);
        forget_number(&watch->halt);
        watch->generation = 0;
}
