#include "adoption.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "elsewhere.h"
#include "events.h"
#include "hold.h"
#include "keeper_link.h"
#include "listener.h"
#include "probing.h"
#include "process_sockets.h"
#include "steering.h"
#include "unheld.h"
#include "unit.h"
#include "waiting_room.h"
#include <arpa/inet.h>

static void address_of(const struct socket_address *from, struct address *ret_address) {
        *ret_address = (struct address){.transport = from->protocol == IPPROTO_UDP ? TRANSPORT_UDP : TRANSPORT_TCP,
                        .family = (int) from->family,
                        .port = (uint16_t) from->port};
        memcpy(ret_address->ip, from->ip, from->family == AF_INET ? 4 : 16);
        char host[INET6_ADDRSTRLEN] = "?";
        (void) inet_ntop(ret_address->family, ret_address->ip, host, sizeof(host));
        (void) snprintf(ret_address->text, sizeof(ret_address->text), "%s:%s%s%s:%u",
                        ret_address->transport == TRANSPORT_UDP ? "udp" : "tcp", from->family == AF_INET6 ? "[" : "", host,
                        from->family == AF_INET6 ? "]" : "", from->port);
}

/* Of two wildcards the one of the socket's family, and only where it is not held the other one: many nodes bind both, each with
 * a socket of its own, and some write one and bind the other. */
size_t adoption_find_held(const struct director *director, const struct address *address) {
        struct address plain = *address;
        size_t found = SIZE_MAX;
        address_unmap(&plain);
        struct held_address key = steering_held_form(&plain);
        for (size_t i = 0; i < director->config->n_listen; i++) {
                const struct address *listen = &director->config->listen[i];
                struct held_address held = steering_held_form(listen);
                if (listen->transport == TRANSPORT_UNIX || memcmp(&held, &key, sizeof(key)) != 0)
                        continue;
                if (listen->family == plain.family)
                        return i;
                if (found == SIZE_MAX)
                        found = i;
        }
        return found;
}

bool adoption_is_held(const struct director *director, const struct address *address) {
        return adoption_find_held(director, address) != SIZE_MAX;
}

static int find_group(struct director *director, const struct socket_address *address, size_t listen, uint32_t *ret_group) {
        uint32_t free_group = STEERING_GROUPS;
        for (uint32_t i = 0; i < STEERING_GROUPS; i++) {
                if (director->groups[i].used && memcmp(&director->groups[i].address, address, sizeof(*address)) == 0) {
                        *ret_group = i;
                        return 0;
                }
                if (!director->groups[i].used && free_group == STEERING_GROUPS)
                        free_group = i;
        }
        if (free_group == STEERING_GROUPS)
                return -ENOSPC;
        int r = steering_set_group(director, free_group, address);
        if (r < 0)
                return r;
        director->groups[free_group] = (struct listen_group){.used = true, .address = *address, .listen = listen};
        *ret_group = free_group;
        return 0;
}

static uint32_t count_members(const struct director *director, uint32_t group, uint64_t generation) {
        uint32_t n = 0;
        for (size_t i = 0; i < MEMBERS_MAX; i++)
                n += director->members[i].generation == generation && director->members[i].group == group;
        return n;
}

static void member_name(const struct member *member, char *name, size_t size) {
        (void) snprintf(name, size, "socket.%lu.%u.%u.%lx", member->generation, member->group, member->index, member->cookie);
}

/* The name says the place, for the next director. */
static void move_member(struct director *director, struct member *member, uint32_t index) {
        char before[KEEPER_NAME_MAX], after[KEEPER_NAME_MAX];
        if (steering_add(director, member->group, member->generation, index, member->fd) < 0)
                return;
        member_name(member, before, sizeof(before));
        member->index = index;
        member_name(member, after, sizeof(after));
        keeper_store(director, after, member->fd);
        keeper_drop(director, before);
}

/* The last member takes the place of the one that goes, so that they lie side by side. */
static void drop_member(struct director *director, struct member *member) {
        char name[KEEPER_NAME_MAX];
        uint32_t last = count_members(director, member->group, member->generation) - 1;
        member_name(member, name, sizeof(name));
        /* In this order: nothing may be picked beyond the end, and a socket stands in the map once at most (EBUSY). */
        (void) steering_set_members(director, member->group, member->generation, last);
        (void) steering_remove(director, member->group, member->generation, last);
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                struct member *other = &director->members[i];
                if (other != member && other->generation == member->generation && other->group == member->group &&
                                other->index == last)
                        move_member(director, other, member->index);
        }
        member->fd = close_fd(member->fd);
        member->generation = 0;
        keeper_drop(director, name);
}

/* A listener that the node has closed while it opened another one would only collect connections that nobody takes. */
static void drop_stale(struct director *director, uint32_t group, uint64_t generation) {
        const struct unit *unit = unit_find(director, generation);
        struct member *members[STEERING_MEMBERS];
        uint64_t cookies[STEERING_MEMBERS];
        bool found[STEERING_MEMBERS] = {false};
        size_t n = 0;
        for (size_t i = 0; i < MEMBERS_MAX && n < STEERING_MEMBERS; i++)
                if (director->members[i].generation == generation && director->members[i].group == group) {
                        members[n] = &director->members[i];
                        cookies[n++] = director->members[i].cookie;
                }
        /* I1: whose processes have ended has none of them, and what waits in them must not be lost. */
        if (n < 2 || !unit || process_sockets_mark(unit->cgroup_fd, cookies, found, n) <= 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (!found[i])
                        drop_member(director, members[i]);
}

void adoption_drop_stale(struct director *director) {
        for (uint32_t group = 0; group < STEERING_GROUPS; group++) {
                uint64_t generation = director->groups[group].opened_by;
                director->groups[group].opened_by = 0;
                if (generation != 0)
                        drop_stale(director, group, generation);
        }
}

static int place(struct director *director, struct member *member) {
        struct member *free_member = NULL;
        char name[KEEPER_NAME_MAX];
        for (size_t i = 0; i < MEMBERS_MAX && !free_member; i++)
                if (director->members[i].generation == 0)
                        free_member = &director->members[i];
        member->index = count_members(director, member->group, member->generation);
        if (!free_member || member->index >= STEERING_MEMBERS)
                return -ENOSPC;
        /* Stored before it is steered to: were it the other way round, a director that died in between would leave
         * connections to a socket that only the node holds. */
        member_name(member, name, sizeof(name));
        keeper_store(director, name, member->fd);
        int r = steering_add(director, member->group, member->generation, member->index, member->fd);
        if (r >= 0)
                r = steering_set_members(director, member->group, member->generation, member->index + 1);
        if (r < 0) {
                keeper_drop(director, name);
                return r;
        }
        *free_member = *member;
        r = waiting_room_prepare(director, member->group, member->fd);
        if (r < 0)
                log_errno(r, "connections to %s wait in the node's own queue during a swap",
                                director->config->listen[director->groups[member->group].listen].text);
        hold_note_group(director, member->group);
        return 0;
}

static int adopt(struct director *director, const struct unit *unit, const struct socket_address *address, size_t listen_index,
                uint64_t cookie, int fd) {
        struct member member = {.generation = unit->generation, .cookie = cookie, .fd = fd};
        int r = find_group(director, address, listen_index, &member.group);
        if (r < 0)
                return r;
        if (address->protocol == IPPROTO_TCP && listen(fd, LISTENER_BACKLOG) < 0)
                return -errno;
        r = place(director, &member);
        if (r == -ENOSPC) {
                drop_stale(director, member.group, unit->generation);
                r = place(director, &member);
        }
        if (r >= 0)
                director->groups[member.group].opened_by = unit->generation;
        return r;
}

/* Who stops listening leaves the kernel's map as well. */
static bool listens_again(struct director *director, uint64_t cookie) {
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                const struct member *member = &director->members[i];
                if (member->generation == 0 || member->cookie != cookie)
                        continue;
                (void) listen(member->fd, LISTENER_BACKLOG);
                (void) steering_add(director, member->group, member->generation, member->index, member->fd);
                return true;
        }
        return false;
}

void adoption_on_listen(struct director *director, const struct listen_event *event) {
        struct address address;
        address_of(&event->address, &address);
        size_t listen_index = adoption_find_held(director, &address);
        if (listen_index == SIZE_MAX) {
                elsewhere_note(director, &address);
                return;
        }
        if (event->address.protocol == IPPROTO_TCP && listens_again(director, event->cookie))
                return;
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                _cleanup_close_ int fd = -1;
                if (unit->generation == 0 || unit->cgroup_fd < 0 || process_socket_find(unit->cgroup_fd, event->cookie, &fd) < 0)
                        continue;
                int r = adopt(director, unit, &event->address, listen_index, event->cookie, fd);
                if (r == -ENOSPC) {
                        unheld_note(director, unit->generation);
                        return;
                }
                if (r < 0) {
                        log_errno(r, "cannot hold %s of generation %lu: its connections are not protected", address.text,
                                        unit->generation);
                        return;
                }
                (void) TAKE_FD(fd);
                log_debug("generation %lu: holding %s", unit->generation, address.text);
                probing_listener_changed(director, unit->generation);
                return;
        }
}

static void kernel_address(const struct address *address, struct socket_address *ret_address) {
        *ret_address = (struct socket_address){.family = (uint32_t) address->family,
                        .protocol = address->transport == TRANSPORT_UDP ? IPPROTO_UDP : IPPROTO_TCP,
                        .port = address->port};
        memcpy(ret_address->ip, address->ip, address->family == AF_INET ? 4 : 16);
}

int adoption_add_own(struct director *director, uint64_t generation, size_t listen_index, int fd) {
        struct socket_address address;
        struct unit unit = {.generation = generation, .cgroup_fd = -1};
        kernel_address(&director->config->listen[listen_index], &address);
        uint64_t cookie = process_socket_cookie(fd);
        struct member member = {.generation = unit.generation, .cookie = cookie, .fd = fd};
        int r = find_group(director, &address, listen_index, &member.group);
        if (r >= 0)
                r = place(director, &member);
        if (r >= 0)
                probing_listener_changed(director, generation);
        return r;
}

static int address_of_socket(int fd, struct address *ret_address) {
        struct sockaddr_storage sockaddr;
        socklen_t length = sizeof(sockaddr), type_length = sizeof(int);
        int type = 0;
        if (getsockname(fd, (struct sockaddr *) &sockaddr, &length) < 0 ||
                        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0)
                return -errno;
        return address_from_sockaddr(type == SOCK_DGRAM ? TRANSPORT_UDP : TRANSPORT_TCP, (struct sockaddr *) &sockaddr, length,
                        ret_address);
}

int adoption_take_bound(struct director *director, const struct unit *unit, int fd) {
        struct address address = {0};
        struct socket_address key;
        int r = address_of_socket(fd, &address);
        if (r < 0)
                return r;
        size_t listen_index = adoption_find_held(director, &address);
        if (listen_index == SIZE_MAX) {
                elsewhere_note(director, &address);
                return 0;
        }
        kernel_address(&address, &key);
        r = adopt(director, unit, &key, listen_index, process_socket_cookie(fd), fd);
        if (r < 0)
                return r;
        adoption_drop_stale(director);
        probing_listener_changed(director, unit->generation);
        return 1;
}

/* The addresses of the groups are in the kernel's map, whether or not a generation has sockets there just now; the waiting room's
 * sockets are stored under the groups' numbers. */
void adoption_take_groups(struct director *director) {
        struct socket_address at = {0};
        uint32_t group = 0;
        for (bool is_first = true; steering_next_group(director, &at, is_first, &group) >= 0; is_first = false) {
                struct address address;
                if (group >= STEERING_GROUPS)
                        continue;
                address_of(&at, &address);
                size_t listen_index = adoption_find_held(director, &address);
                director->groups[group] = (struct listen_group){.used = true,
                                .address = at,
                                .listen = listen_index == SIZE_MAX ? 0 : listen_index};
        }
}

int adoption_take_stored(struct director *director, const char *name, int fd) {
        struct member member = {.fd = fd};
        if (sscanf(name, "socket.%lu.%u.%u.%lx", &member.generation, &member.group, &member.index, &member.cookie) != 4)
                return 0;
        if (member.group >= STEERING_GROUPS || member.index >= STEERING_MEMBERS || !director->groups[member.group].used) {
                close_fd(fd);
                return 1;
        }
        for (size_t i = 0; i < MEMBERS_MAX; i++)
                if (director->members[i].generation == 0) {
                        director->members[i] = member;
                        /* It may have been stored by a director that died before it came into the map; where it is in the
                         * map already this changes nothing (EBUSY). */
                        (void) steering_add(director, member.group, member.generation, member.index, fd);
                        (void) steering_set_members(director, member.group, member.generation,
                                        count_members(director, member.group, member.generation));
                        return 1;
                }
        close_fd(fd);
        return 1;
}

void adoption_hide_datagrams(struct director *director, uint64_t generation, bool is_hidden) {
        bool has_changed = false;
        for (uint32_t group = 0; group < STEERING_GROUPS; group++) {
                uint32_t n = director->groups[group].used ? count_members(director, group, generation) : 0;
                if (n == 0 || director->groups[group].address.protocol != IPPROTO_UDP)
                        continue;
                (void) steering_set_members(director, group, generation, is_hidden ? 0 : n);
                has_changed = true;
        }
        if (has_changed && is_hidden)
                steering_settle();
}

static bool is_tcp_of(const struct director *director, const struct member *member, uint64_t generation) {
        return member->generation == generation && generation != 0 &&
               director->groups[member->group].address.protocol == IPPROTO_TCP;
}

bool adoption_is_listening(const struct director *director, uint64_t generation) {
        for (size_t i = 0; i < MEMBERS_MAX; i++)
                if (is_tcp_of(director, &director->members[i], generation) && listener_is_listening(director->members[i].fd))
                        return true;
        return false;
}

void adoption_stop_listening(struct director *director, uint64_t generation) {
        steering_settle();
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                const struct member *member = &director->members[i];
                if (!is_tcp_of(director, member, generation))
                        continue;
                (void) steering_set_members(director, member->group, generation, 0);
                (void) steering_remove(director, member->group, generation, member->index);
                (void) shutdown(member->fd, SHUT_RD);
        }
}

void adoption_listen_again(struct director *director, uint64_t generation) {
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                const struct member *member = &director->members[i];
                if (!is_tcp_of(director, member, generation) || listener_is_listening(member->fd))
                        continue;
                int r = listen(member->fd, LISTENER_BACKLOG) < 0 ? -errno : 0;
                if (r >= 0)
                        r = steering_add(director, member->group, generation, member->index, member->fd);
                if (r >= 0)
                        r = steering_set_members(director, member->group, generation,
                                        count_members(director, member->group, generation));
                if (r < 0)
                        log_errno(r, "generation %lu does not listen on %s again", generation,
                                        director->config->listen[director->groups[member->group].listen].text);
        }
}

void adoption_retire(struct director *director, uint64_t generation) {
        for (uint32_t group = 0; group < STEERING_GROUPS; group++)
                if (director->groups[group].used && count_members(director, group, generation) > 0)
                        (void) steering_set_members(director, group, generation, 0);
        for (size_t i = 0; i < MEMBERS_MAX; i++)
                if (director->members[i].generation == generation) {
                        struct member *member = &director->members[i];
                        char name[KEEPER_NAME_MAX];
                        member_name(member, name, sizeof(name));
                        (void) steering_remove(director, member->group, generation, member->index);
                        member->fd = close_fd(member->fd);
                        member->generation = 0;
                        keeper_drop(director, name);
                }
}

/* One that is bound to [::] without IPV6_V6ONLY takes what comes to 0.0.0.0 as well. */
static bool serves_both_families(const struct director *director, const struct member *member, const struct address *wildcard) {
        const struct listen_group *group = &director->groups[member->group];
        const struct address *held = &director->config->listen[group->listen];
        int only_v6 = 1;
        socklen_t length = sizeof(only_v6);
        return group->address.family == AF_INET6 && address_is_wildcard(held) && wildcard->family == AF_INET &&
               address_is_wildcard(wildcard) && held->transport == wildcard->transport && held->port == wildcard->port &&
               getsockopt(member->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &length) == 0 && !only_v6;
}

bool adoption_has(struct director *director, uint64_t generation, size_t listen) {
        const struct address *address = &director->config->listen[listen];
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                const struct member *member = &director->members[i];
                if (member->generation == generation && (director->groups[member->group].listen == listen ||
                                                                        serves_both_families(director, member, address)))
                        return true;
        }
        return address->transport == TRANSPORT_UNIX;
}

const struct address *adoption_missing(struct director *director, uint64_t generation) {
        for (size_t i = 0; i < director->config->n_listen; i++)
                if (!adoption_has(director, generation, i))
                        return &director->config->listen[i];
        return NULL;
}

bool adoption_is_complete(struct director *director, uint64_t generation) {
        return adoption_missing(director, generation) == NULL;
}

uint32_t adoption_queued(struct director *director, uint32_t group, uint32_t slot) {
        uint32_t queued = 0;
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                const struct member *member = &director->members[i];
                if (member->generation != 0 && member->group == group && steering_slot(member->generation) == slot)
                        queued += listener_queued(member->fd);
        }
        return queued;
}
