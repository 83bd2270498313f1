#include "answers.h"
#include "watches.h"

#include <ctype.h>

/* Of one pipe in one go, so that a chatty generation cannot starve the others. */
#define BYTES_A_TURN 65536

static void drop(struct log_watch *watch) {
        watch->source = sd_event_source_disable_unref(watch->source);
        watch->fd = close_fd(watch->fd);
        if (watch->height_is_watched)
                regfree(&watch->pattern);
        watch->generation = 0;
}

static void remember(struct log_watch *watch, const char *line) {
        if (!*line)
                return;
        if (watch->n_last == LAST_LINES)
                memmove(watch->last[0], watch->last[1], sizeof(watch->last[0]) * (LAST_LINES - 1));
        else
                watch->n_last++;
        text_copy(watch->last[watch->n_last - 1], sizeof(watch->last[0]), line);
}

/* A node's line may hold what a peer wrote: nothing in it may steer a terminal. */
static void make_printable(char *line) {
        for (; *line; line++)
                if (iscntrl((unsigned char) *line) && *line != '\t')
                        *line = '?';
}

/* A terminal that is stopped or gone must not stop the node. */
static void relay(const struct log_watch *watch, const char *line) {
        char text[LINE_MAX_BYTES + 80];
        int n = snprintf(text, sizeof(text), "%s | %s\n", watch->prefix, line);
        if (n > 0 && write(STDERR_FILENO, text, (size_t) n < sizeof(text) ? (size_t) n : sizeof(text) - 1) < 0)
                return;
}

static void end_line(struct log_watch *watch) {
        uint64_t height;
        watch->line[watch->line_size] = '\0';
        watch->line_size = 0;
        if (watch->height_is_watched && answer_pattern(watch->line, &watch->pattern, &height) == 0 && height != watch->height) {
                struct prober_height told = {.generation = watch->generation, .height = height};
                watch->height = height;
                prober_tell(watch->prober, PROBER_HEIGHT, &told, sizeof(told));
        }
        make_printable(watch->line);
        if (watch->relay && !watch->is_cut)
                relay(watch, watch->line);
        if (!watch->is_cut)
                remember(watch, watch->line);
        watch->is_cut = false;
}

static void tell_end(struct log_watch *watch) {
        struct prober_log_ended ended = {.generation = watch->generation};
        if (watch->line_size > 0)
                end_line(watch);
        for (size_t i = 0; i < watch->n_last; i++) {
                size_t used = strlen(ended.text);
                (void) snprintf(ended.text + used, sizeof(ended.text) - used, "%s%s", i ? " | " : "", watch->last[i]);
        }
        prober_tell(watch->prober, PROBER_LOG_ENDED, &ended, sizeof(ended));
        drop(watch);
}

static void take_bytes(struct log_watch *watch, const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (bytes[i] == '\n') {
                        end_line(watch);
                        continue;
                }
                if (watch->line_size == sizeof(watch->line) - 1) {
                        end_line(watch);
                        watch->is_cut = true; /* the rest of an endless line is not worth repeating */
                }
                if (bytes[i] != '\0')
                        watch->line[watch->line_size++] = bytes[i];
        }
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct log_watch *watch = userdata;
        char bytes[4096];
        (void) source;
        (void) revents;
        for (size_t taken = 0; taken < BYTES_A_TURN;) {
                ssize_t n = read(fd, bytes, sizeof(bytes));
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 0;
                if (n <= 0) {
                        tell_end(watch);
                        return 0;
                }
                take_bytes(watch, bytes, (size_t) n);
                taken += (size_t) n;
        }
        return 0;
}

void watch_log(struct prober *prober, const struct prober_watch_log *request, int fd) {
        for (size_t i = 0; i < WATCHES_MAX; i++) {
                struct log_watch *watch = &prober->logs[i];
                if (watch->generation != 0)
                        continue;
                *watch = (struct log_watch){.prober = prober, .generation = request->generation, .fd = fd, .relay = request->relay, .height = PROBER_HEIGHT_NONE};
                text_copy(watch->prefix, sizeof(watch->prefix), request->prefix);
                watch->height_is_watched = request->height_is_watched && regcomp(&watch->pattern, request->pattern, REG_EXTENDED) == 0;
                if (sd_event_add_io(prober->event, &watch->source, fd, EPOLLIN, on_output, watch) < 0)
                        drop(watch);
                return;
        }
        close_fd(fd);
}

void watch_forget(struct prober *prober, uint64_t generation) {
        for (size_t i = 0; i < WATCHES_MAX; i++) {
                if (prober->logs[i].generation == generation)
                        drop(&prober->logs[i]);
                if (prober->notifies[i].generation == generation) {
                        prober->notifies[i].source = sd_event_source_disable_unref(prober->notifies[i].source);
                        prober->notifies[i].fd = close_fd(prober->notifies[i].fd);
                        prober->notifies[i].generation = 0;
                }
        }
}
