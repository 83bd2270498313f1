#include "elsewhere.h"

#include "../lib/log.h"
#include "adoption.h"
#include "sock_diag.h"
#include "steering.h"
#include "unit.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>

#define SETTLE_US USEC_PER_SEC
#define SHOWN_MAX 3

/* Addresses to be shown: the first few, and how many there are. */
struct shown {
        struct address addresses[SHOWN_MAX];
        size_t n;
};

struct look {
        struct director *director;
        enum transport transport;
        struct shown others, near; /* not held; of these, those whose port is */
};

static void show(struct shown *shown, const struct address *address) {
        for (size_t i = 0; i < shown->n && i < SHOWN_MAX; i++)
                if (address_equal(&shown->addresses[i], address)) /* one address may have many sockets */
                        return;
        if (shown->n < SHOWN_MAX)
                shown->addresses[shown->n] = *address;
        shown->n++;
}

static void write_shown(const struct shown *shown, char *text, size_t size) {
        size_t used = 0;
        text[0] = '\0';
        for (size_t i = 0; i < shown->n && i < SHOWN_MAX && used < size; i++)
                used += (size_t) snprintf(text + used, size - used, "%s%.64s", i ? ", " : "", shown->addresses[i].text);
        if (shown->n > SHOWN_MAX && used < size)
                (void) snprintf(text + used, size - used, " and %zu more", shown->n - SHOWN_MAX);
}

static const struct address *find_near(const struct director *director, const struct address *address) {
        for (size_t i = 0; i < director->config->n_listen; i++) {
                const struct address *held = &director->config->listen[i];
                if (held->transport == address->transport && held->port == address->port && held->port != 0)
                        return held;
        }
        return NULL;
}

static void visit(const struct inet_diag_msg *socket, void *userdata) {
        struct look *look = userdata;
        struct address address = {.transport = look->transport,
                        .family = socket->idiag_family,
                        .port = ntohs(socket->id.idiag_sport)};
        char host[INET6_ADDRSTRLEN] = "?";
        bool is_v6 = address.family == AF_INET6;
        memcpy(address.ip, socket->id.idiag_src, is_v6 ? 16 : 4);
        if (address.port == 0 || adoption_is_held(look->director, &address))
                return;
        (void) inet_ntop(address.family, address.ip, host, sizeof(host));
        (void) snprintf(address.text, sizeof(address.text), "%s:%s%s%s:%u", look->transport == TRANSPORT_UDP ? "udp" : "tcp",
                        is_v6 ? "[" : "", host, is_v6 ? "]" : "", address.port);
        show(&look->others, &address);
        if (find_near(look->director, &address))
                show(&look->near, &address);
}

static void find_missing(struct director *director, uint64_t generation, enum transport transport, struct shown *ret_missing) {
        for (size_t i = 0; i < director->config->n_listen; i++)
                if (director->config->listen[i].transport == transport && !adoption_has(director, generation, i))
                        show(ret_missing, &director->config->listen[i]);
}

static void describe_missing(const struct look *look, const struct shown *missing, char *text, size_t size) {
        char there[300], here[300];
        write_shown(&look->others, there, sizeof(there));
        write_shown(missing, here, sizeof(here));
        (void) snprintf(text, size,
                        "listens on %s, which is not in `listen`, and so far not on %s, which is: correct the configuration or the node's "
                        "arguments, whichever is wrong",
                        there, here);
}

static void describe_near(const struct look *look, char *text, size_t size) {
        char there[300];
        write_shown(&look->near, there, sizeof(there));
        (void) snprintf(text, size,
                        "listens on %s too, which is not in `listen` while %.64s is: connections to it are not held; write it into `listen` "
                        "as well, or have the node listen on the other alone",
                        there, find_near(look->director, &look->near.addresses[0])->text);
}

/* Where all have been opened, only what is nearly one of them is worth a word. */
static bool describe_transport(struct director *director, const struct unit *unit, enum transport transport, char *text,
                size_t size) {
        struct look look = {.director = director, .transport = transport};
        struct shown missing = {0};
        bool is_tcp = transport == TRANSPORT_TCP;
        find_missing(director, unit->generation, transport, &missing);
        sock_diag_walk(unit->cgroup_fd, is_tcp ? IPPROTO_TCP : IPPROTO_UDP, 1U << (is_tcp ? TCP_LISTEN : TCP_CLOSE), visit, &look);
        if (missing.n > 0 && look.others.n > 0)
                describe_missing(&look, &missing, text, size);
        else if (look.near.n > 0 && adoption_is_complete(director, unit->generation))
                describe_near(&look, text, size);
        else
                return false;
        return true;
}

/* Not one that is on its way out, whose sockets are given up. */
static const struct unit *find_open(struct director *director, uint64_t generation) {
        const struct unit *unit = unit_find(director, generation);
        bool is_open = unit && unit->is_running && !unit->waits_at_fence && !unit->is_terminated && !unit->was_killed;
        return is_open ? unit : NULL;
}

bool elsewhere_describe(struct director *director, uint64_t generation, char *text, size_t size) {
        const struct unit *unit = find_open(director, generation);
        return unit && (describe_transport(director, unit, TRANSPORT_TCP, text, size) ||
                                       describe_transport(director, unit, TRANSPORT_UDP, text, size));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        char text[800];
        (void) source;
        (void) usec;
        director->elsewhere_timer = sd_event_source_unref(director->elsewhere_timer);
        steering_read_events(director); /* what has just been opened is not missing */
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                if (unit->generation == 0 || unit->elsewhere_was_said ||
                                !elsewhere_describe(director, unit->generation, text, sizeof(text)))
                        continue;
                unit->elsewhere_was_said = true;
                log_warning("generation %lu %s", unit->generation, text);
        }
        return 0;
}

static bool looks_wrong(struct director *director, const struct address *address) {
        if (find_near(director, address))
                return true;
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct shown missing = {0};
                const struct unit *unit = &director->units[i];
                if (unit->generation == 0 || unit->elsewhere_was_said || !find_open(director, unit->generation))
                        continue;
                find_missing(director, unit->generation, address->transport, &missing);
                if (missing.n > 0)
                        return true;
        }
        return false;
}

void elsewhere_note(struct director *director, const struct address *address) {
        if (!director->elsewhere_timer && looks_wrong(director, address))
                (void) sd_event_add_time_relative(director->event, &director->elsewhere_timer, CLOCK_MONOTONIC, SETTLE_US, 0,
                                on_timer, director);
}
