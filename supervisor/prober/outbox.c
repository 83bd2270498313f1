#include "context.h"

static void keep(struct prober *prober, uint32_t type, const void *body, size_t size);
static bool takes_the_place(const struct outgoing *older, uint32_t type, const void *body);
static bool adds_nothing(uint32_t type, const void *body);

void prober_tell(struct prober *prober, uint32_t type, const void *body, size_t size) {
        int r = prober->n_outbox > 0 ? -EAGAIN : wire_try_send(prober->link, type, body, size, NULL, 0);
        if (r == -EAGAIN)
                keep(prober, type, body, size);
        else if (r < 0)
                (void)sd_event_exit(prober->event, 0);
}

void outbox_flush(struct prober *prober) {
        size_t sent = 0;
        int r = 0;
        while (r >= 0 && sent < prober->n_outbox) {
                const struct outgoing *next = &prober->outbox[sent];
                r = wire_try_send(prober->link, next->type, next->body, next->size, NULL, 0);
                sent += r >= 0;
        }
        memmove(prober->outbox, prober->outbox + sent,
                        (prober->n_outbox - sent) * sizeof(prober->outbox[0]));
        prober->n_outbox -= sent;
        if (prober->n_outbox == 0)
                (void)sd_event_source_set_io_events(prober->link_source, EPOLLIN);
        if (r < 0 && r != -EAGAIN)
                (void)sd_event_exit(prober->event, 0);
}

static void keep(struct prober *prober, uint32_t type, const void *body, size_t size) {
        struct outgoing *place = NULL;
        for (size_t i = 0; i < prober->n_outbox && !place; i++)
                if (takes_the_place(&prober->outbox[i], type, body))
                        place = &prober->outbox[i];
        if (place && adds_nothing(type, body))
                return;
        if (!place) {
                INVARIANT(prober->n_outbox < OUTBOX_MAX);
                place = &prober->outbox[prober->n_outbox++];
        }
        INVARIANT(size <= sizeof(place->body));
        place->type = type;
        place->size = size;
        if (size > 0)
                memcpy(place->body, body, size);
        (void)sd_event_source_set_io_events(prober->link_source, EPOLLIN | EPOLLOUT);
}

/* Of a height, of a gate, of a check that goes on, and of each kind of notification, the newest one says all. */
static bool takes_the_place(const struct outgoing *older, uint32_t type, const void *body) {
        if (older->type != type)
                return false;
        if (type == PROBER_PONG)
                return true;
        if (type == PROBER_HEIGHT || type == PROBER_HALTED)
                return ((const struct prober_height *)older->body)->generation ==
                       ((const struct prober_height *)body)->generation;
        if (type == PROBER_GATE)
                return ((const struct prober_gate *)older->body)->generation ==
                       ((const struct prober_gate *)body)->generation;
        if (type == PROBER_RESULT)
                return ((const struct prober_result *)older->body)->id ==
                       ((const struct prober_result *)body)->id;
        if (type != PROBER_NOTIFIED)
                return false;
        const struct prober_notified *before = (const void *)older->body, *now = body;
        return before->generation == now->generation && before->what == now->what;
}

/* Where a node stands says that it asks its gate, too. */
static bool adds_nothing(uint32_t type, const void *body) {
        return type == PROBER_GATE && ((const struct prober_gate *)body)->height == PROBER_HEIGHT_NONE;
}
