/* sd_notify's datagrams, with X_INTERREX_HEIGHT= for nodes that tell their height and X_INTERREX_GATE= for those that ask before
 * each block. */
#include "../lib/log.h"
#include "answers.h"
#include "printable.h"
#include "watches.h"

#include <sys/socket.h>

#define DATAGRAM_MAX 4096
#define DATAGRAMS_A_TURN 64

/* What the datagrams of one turn come to. */
struct news {
        bool is_ready, is_stopping, has_status, asks_gate;
        uint64_t height, stands_before;
        char status[PROBER_TEXT_MAX];
};

static int on_datagrams(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static void take_field(struct news *news, const char *field);
static void tell_news(const struct notify_watch *watch, const struct news *news);
static void tell(const struct notify_watch *watch, enum prober_notification what, const char *text);

void watch_notify(struct prober *prober, const struct prober_watch_notify *request, int fd) {
        struct notify_watch *watch = NULL;
        watch_forget_notify(prober, request->generation);
        for (size_t i = 0; i < WATCHES_MAX && !watch; i++)
                if (prober->notifies[i].generation == 0)
                        watch = &prober->notifies[i];
        if (!watch) {
                log_error("generation %lu cannot tell that it is ready: the prober watches as many as it "
                          "can",
                                (unsigned long)request->generation);
                close_fd(fd);
                return;
        }
        *watch = (struct notify_watch){.prober = prober, .generation = request->generation, .fd = fd};
        int r = sd_event_add_io(prober->event, &watch->source, fd, EPOLLIN, on_datagrams, watch);
        if (r < 0) {
                (void)log_errno(r, "cannot wait for the notify socket of generation %lu",
                                (unsigned long)request->generation);
                watch_forget_notify(prober, request->generation);
        }
}

void watch_forget_notify(struct prober *prober, uint64_t generation) {
        for (size_t i = 0; generation != 0 && i < WATCHES_MAX; i++) {
                struct notify_watch *watch = &prober->notifies[i];
                if (watch->generation != generation)
                        continue;
                watch->source = sd_event_source_disable_unref(watch->source);
                watch->fd = close_fd(watch->fd);
                watch->generation = 0;
        }
}

static int on_datagrams(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        const struct notify_watch *watch = userdata;
        struct news news = {.height = PROBER_HEIGHT_NONE, .stands_before = PROBER_HEIGHT_NONE};
        char text[DATAGRAM_MAX + 1];
        (void)source;
        (void)revents;
        for (size_t i = 0; i < DATAGRAMS_A_TURN; i++) {
                ssize_t n = recv(fd, text, DATAGRAM_MAX, MSG_DONTWAIT | MSG_TRUNC);
                if (n < 0)
                        break;
                if (n > DATAGRAM_MAX)
                        continue;
                text[n] = '\0';
                char *rest = text;
                for (char *field; (field = strsep(&rest, "\n"));)
                        take_field(&news, field);
        }
        tell_news(watch, &news);
        return 0;
}

static void take_field(struct news *news, const char *field) {
        static const char status[] = "STATUS=", height[] = "X_INTERREX_HEIGHT=", gate[] = "X_INTERREX_GATE=";
        if (strcmp(field, "READY=1") == 0)
                news->is_ready = true;
        else if (strcmp(field, "STOPPING=1") == 0)
                news->is_stopping = true;
        else if (strncmp(field, status, strlen(status)) == 0) {
                news->has_status = true;
                printable_copy(news->status, sizeof(news->status), field + strlen(status));
        } else if (strncmp(field, height, strlen(height)) == 0)
                (void)answer_number(field + strlen(height), &news->height);
        else if (strncmp(field, gate, strlen(gate)) == 0 &&
                        (strcmp(field + strlen(gate), "attached") == 0 ||
                                        answer_number(field + strlen(gate), &news->stands_before) >= 0))
                news->asks_gate = true;
}

static void tell_news(const struct notify_watch *watch, const struct news *news) {
        struct prober_height height = {.generation = watch->generation, .height = news->height};
        struct prober_gate gate = {.generation = watch->generation, .height = news->stands_before};
        if (news->has_status)
                tell(watch, NOTIFIED_STATUS, news->status);
        /* Before the height: whether the gate is exact decides what a height means. */
        if (news->asks_gate)
                prober_tell(watch->prober, PROBER_GATE, &gate, sizeof(gate));
        if (news->height != PROBER_HEIGHT_NONE)
                prober_tell(watch->prober, PROBER_HEIGHT, &height, sizeof(height));
        if (news->is_ready)
                tell(watch, NOTIFIED_READY, "");
        if (news->is_stopping)
                tell(watch, NOTIFIED_STOPPING, "");
}

static void tell(const struct notify_watch *watch, enum prober_notification what, const char *text) {
        struct prober_notified notified = {.generation = watch->generation, .what = what};
        text_copy(notified.text, sizeof(notified.text), text);
        prober_tell(watch->prober, PROBER_NOTIFIED, &notified, sizeof(notified));
}
