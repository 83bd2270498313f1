#include "unheld.h"

#include "../lib/log.h"
#include "adoption.h"
#include "sock_diag.h"
#include "steering.h"
#include "unit.h"
#include <netinet/tcp.h>

#define LISTENS_MAX 64 /* as many as a configuration may have */
#define SETTLE_US USEC_PER_SEC

struct count {
        struct director *director;
        enum transport transport;
        uint32_t sockets[LISTENS_MAX], unheld[LISTENS_MAX];
};

static bool is_held(const struct director *director, uint64_t cookie) {
        for (size_t i = 0; i < MEMBERS_MAX; i++)
                if (director->members[i].generation != 0 && director->members[i].cookie == cookie)
                        return true;
        return false;
}

static void visit(const struct inet_diag_msg *socket, void *userdata) {
        struct count *count = userdata;
        struct address address = {.transport = count->transport,
                        .family = socket->idiag_family,
                        .port = ntohs(socket->id.idiag_sport)};
        memcpy(address.ip, socket->id.idiag_src, address.family == AF_INET ? 4 : 16);
        size_t listen = adoption_find_held(count->director, &address);
        if (listen >= LISTENS_MAX)
                return;
        count->sockets[listen]++;
        count->unheld[listen] +=
                        !is_held(count->director, (uint64_t) socket->id.idiag_cookie[1] << 32 | socket->id.idiag_cookie[0]);
}

void unheld_describe(struct director *director, uint64_t generation, void (*say)(const char *text, void *userdata),
                void *userdata) {
        const struct unit *unit = unit_find(director, generation);
        struct count count = {.director = director};
        char text[400];
        if (!unit)
                return;
        steering_read_events(director); /* what has just been opened is no exception yet */
        count.transport = TRANSPORT_TCP;
        sock_diag_walk(unit->cgroup_fd, IPPROTO_TCP, 1U << TCP_LISTEN, visit, &count);
        count.transport = TRANSPORT_UDP;
        sock_diag_walk(unit->cgroup_fd, IPPROTO_UDP, 1U << TCP_CLOSE, visit, &count);
        for (size_t i = 0; i < director->config->n_listen && i < LISTENS_MAX; i++) {
                uint32_t held = count.sockets[i] - count.unheld[i];
                if (count.unheld[i] == 0)
                        continue;
                (void) snprintf(text, sizeof(text),
                                "%u of the node's %u sockets on %.100s are not held (one address can have %d, all together %d): %s",
                                count.unheld[i], count.sockets[i], director->config->listen[i].text, STEERING_MEMBERS, MEMBERS_MAX,
                                held > 0 ? "new connections go to the others, and whoever accepts on these has nothing to do; "
                                           "let the node open fewer"
                                         : "its connections are not protected, and a swap refuses some; let the node open fewer");
                say(text, userdata);
        }
}

static void say_to_log(const char *text, void *userdata) {
        log_warning("generation %lu: %s", *(const uint64_t *) userdata, text);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) usec;
        director->unheld_timer = sd_event_source_unref(director->unheld_timer);
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                if (unit->generation == 0 || !unit->has_unheld || unit->unheld_was_said)
                        continue;
                unit->unheld_was_said = true;
                unheld_describe(director, unit->generation, say_to_log, &unit->generation);
        }
        return 0;
}

void unheld_note(struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        if (!unit || unit->unheld_was_said)
                return;
        unit->has_unheld = true;
        if (!director->unheld_timer)
                (void) sd_event_add_time_relative(director->event, &director->unheld_timer, CLOCK_MONOTONIC, SETTLE_US, 0, on_timer,
                                director);
}
