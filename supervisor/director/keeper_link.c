#include "keeper_link.h"

#include "../lib/log.h"
#include "events.h"
#include <poll.h>

static int on_keeper(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) fd;
        (void) revents;
        int r = wire_receive(director->keeper, keeper_events, n_keeper_events, &director->message);
        if (r == 0)
                return 0;
        if (r == -EBADMSG) {
                log_error("the keeper sent a message that fits no type: dropped");
                return 0;
        }
        if (r < 0)
                return sd_event_exit(director->event, 1);
        events_from_keeper(director, &director->message);
        wire_message_done(&director->message);
        return 0;
}

int keeper_link_open(struct director *director, int fd) {
        director->keeper = fd;
        director->deferred = calloc(DEFERRED_MAX, sizeof(struct wire_message));
        return director->deferred ? 0 : -ENOMEM;
}

int keeper_link_serve(struct director *director) {
        return sd_event_add_io(director->event, &director->keeper_source, director->keeper, EPOLLIN, on_keeper, director);
}

void keeper_tell(struct director *director, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds) {
        int r = wire_send(director->keeper, type, body, size, fds, n_fds);
        if (r < 0) {
                log_errno(r, "the keeper is gone");
                _exit(1);
        }
}

uint64_t keeper_serial(struct director *director) {
        return ++director->last_serial;
}

int keeper_wait(struct director *director, struct wire_message *message) {
        for (;;) {
                int r = wire_receive(director->keeper, keeper_events, n_keeper_events, message);
                if (r != 0)
                        return r;
                struct pollfd wait = {.fd = director->keeper, .events = POLLIN};
                if (poll(&wait, 1, -1) < 0 && errno != EINTR)
                        return -errno;
        }
}

static int on_deferred(sd_event_source *source, void *userdata) {
        struct director *director = userdata;
        /* A handler may itself ask the keeper and defer more: they are appended and served in order. */
        while (director->next_deferred < director->n_deferred) {
                struct wire_message *message = &director->deferred[director->next_deferred++];
                events_from_keeper(director, message);
                wire_message_done(message);
        }
        director->n_deferred = director->next_deferred = 0;
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void keeper_defer(struct director *director, struct wire_message *message) {
        INVARIANT(director->n_deferred < DEFERRED_MAX);
        wire_message_move(&director->deferred[director->n_deferred++], message);
        if (!director->deferred_source) {
                if (sd_event_add_defer(director->event, &director->deferred_source, on_deferred, director) < 0)
                        _exit(1);
                (void) sd_event_source_set_priority(director->deferred_source, SD_EVENT_PRIORITY_IMPORTANT);
        } else
                (void) sd_event_source_set_enabled(director->deferred_source, SD_EVENT_ONESHOT);
}

int keeper_ask(struct director *director, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds,
                uint64_t serial, int *ret_fd) {
        /* Not the context's buffer: the caller may be handling what lies there. */
        _cleanup_free_ struct wire_message *answer = calloc(1, sizeof(*answer));
        if (!answer)
                return -ENOMEM;
        keeper_tell(director, type, body, size, fds, n_fds);
        for (;;) {
                int r = keeper_wait(director, answer);
                if (r == -EBADMSG)
                        continue;
                if (r < 0)
                        return r;
                struct keeper_done *done = (struct keeper_done *) answer->body;
                if (answer->type != KEEPER_DONE || done->serial != serial) {
                        keeper_defer(director, answer);
                        continue;
                }
                if (ret_fd)
                        *ret_fd = answer->n_fds > 0 ? TAKE_FD(answer->fds[0]) : -1;
                wire_message_done(answer);
                return done->error < 0 ? done->error : done->value;
        }
}

void keeper_store(struct director *director, const char *name, int fd) {
        struct keeper_name body = {0};
        text_copy(body.name, sizeof(body.name), name);
        keeper_tell(director, KEEPER_STORE, &body, sizeof(body), &fd, 1);
}

void keeper_drop(struct director *director, const char *name) {
        struct keeper_name body = {0};
        text_copy(body.name, sizeof(body.name), name);
        keeper_tell(director, KEEPER_DROP, &body, sizeof(body), NULL, 0);
}
