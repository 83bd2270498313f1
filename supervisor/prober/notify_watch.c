/* sd_notify's datagrams, with X_INTERREX_HEIGHT= for nodes that tell their height. */
#include "answers.h"
#include "watches.h"

#include <sys/socket.h>

static void tell(struct notify_watch *watch, enum prober_notification what, const char *text) {
        struct prober_notified notified = {.generation = watch->generation, .what = what};
        text_copy(notified.text, sizeof(notified.text), text);
        prober_tell(watch->prober, PROBER_NOTIFIED, &notified, sizeof(notified));
}

static void take_field(struct notify_watch *watch, const char *field) {
        struct prober_height height = {.generation = watch->generation};
        if (strcmp(field, "READY=1") == 0)
                tell(watch, NOTIFIED_READY, "");
        else if (strcmp(field, "STOPPING=1") == 0)
                tell(watch, NOTIFIED_STOPPING, "");
        else if (strncmp(field, "STATUS=", 7) == 0)
                tell(watch, NOTIFIED_STATUS, field + 7);
        else if (strncmp(field, "X_INTERREX_HEIGHT=", 18) == 0 && answer_number(field + 18, &height.height) == 0)
                prober_tell(watch->prober, PROBER_HEIGHT, &height, sizeof(height));
}

static int on_datagram(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct notify_watch *watch = userdata;
        char text[4097], *rest = text;
        (void) source;
        (void) revents;
        ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_TRUNC);
        if (n <= 0 || (size_t) n >= sizeof(text))
                return 0;
        text[n] = '\0';
        for (char *field; (field = strsep(&rest, "\n"));)
                take_field(watch, field);
        return 0;
}

void watch_notify(struct prober *prober, const struct prober_watch_notify *request, int fd) {
        for (size_t i = 0; i < WATCHES_MAX; i++) {
                struct notify_watch *watch = &prober->notifies[i];
                if (watch->generation != 0)
                        continue;
                *watch = (struct notify_watch){.prober = prober, .generation = request->generation, .fd = fd};
                if (sd_event_add_io(prober->event, &watch->source, fd, EPOLLIN, on_datagram, watch) >= 0)
                        return;
                watch->generation = 0;
                break;
        }
        close_fd(fd);
}
