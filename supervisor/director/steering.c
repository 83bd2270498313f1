#include "steering.h"

#include "../lib/log.h"
#include "adoption.h"
#include "bind.skel.h"
#include "keeper_link.h"
#include "listen.skel.h"
#include "steer.skel.h"
#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct steering {
        struct steer_bpf *steer;
        struct bind_bpf *bind;
        struct listen_bpf *listen;
        struct ring_buffer *events;
        sd_event_source *events_source;
        int stored_maps[16]; /* in the order of stored_map_names; -1: a first start */
        bool links_are_stored, is_reading;
};

/* What must outlive the director: the route and the sockets in it, and events nobody has read. */
static const char *const stored_map_names[] = {"route", "probe_ports", "groups", "sockets", "members", "counters", "flows", "held",
                "listen_events", "waits"};

static struct steering *get(struct director *director) {
        if (!director->steering) {
                director->steering = calloc(1, sizeof(*director->steering));
                INVARIANT(director->steering);
                for (size_t i = 0; i < ELEMENTS(director->steering->stored_maps); i++)
                        director->steering->stored_maps[i] = -1;
        }
        return director->steering;
}

int steering_adopt_stored(struct director *director, const char *name, int fd) {
        struct steering *steering = get(director);
        if (strncmp(name, "link.steering.", 14) == 0) {
                steering->links_are_stored = true;
                close_fd(fd); /* the keeper's copy keeps it attached */
                return 1;
        }
        for (size_t i = 0; strncmp(name, "map.", 4) == 0 && i < ELEMENTS(stored_map_names); i++)
                if (strcmp(name + 4, stored_map_names[i]) == 0) {
                        steering->stored_maps[i] = fd;
                        return 1;
                }
        return 0;
}

static int reuse_or_store(struct director *director, struct bpf_object *object, bool store) {
        for (size_t i = 0; i < ELEMENTS(stored_map_names); i++) {
                struct bpf_map *map = bpf_object__find_map_by_name(object, stored_map_names[i]);
                int fd = get(director)->stored_maps[i];
                char name[KEEPER_NAME_MAX];
                if (!map)
                        continue;
                (void) snprintf(name, sizeof(name), "map.%s", stored_map_names[i]);
                if (!store && fd >= 0) {
                        int r = bpf_map__reuse_fd(map, fd);
                        if (r < 0)
                                return r;
                } else if (store && fd < 0)
                        keeper_store(director, name, bpf_map__fd(map));
        }
        return 0;
}

static int load(struct director *director, struct bpf_object *object) {
        int r = reuse_or_store(director, object, false);
        if (r >= 0)
                r = bpf_object__load(object);
        return r < 0 ? r : reuse_or_store(director, object, true);
}

static const char *const hook_names[] = {"bind4", "bind6", "listen", "bound4", "bound6"};

static int attach(struct director *director, struct bpf_program *program, const char *name) {
        char stored[KEEPER_NAME_MAX];
        struct bpf_link *link = bpf_program__attach_cgroup(program, director->parent_cgroup_fd);
        if (!link)
                return -errno;
        (void) snprintf(stored, sizeof(stored), "link.steering.%s", name);
        keeper_store(director, stored, bpf_link__fd(link));
        /* The keeper holds it from now on; destroying ours closes our descriptor only. */
        bpf_link__disconnect(link);
        close_fd(bpf_link__fd(link));
        return 0;
}

static int attach_all(struct director *director) {
        struct steering *steering = get(director);
        struct bpf_program *const programs[] = {steering->bind->progs.bind4, steering->bind->progs.bind6,
                        steering->listen->progs.on_listen, steering->listen->progs.on_bind4, steering->listen->progs.on_bind6};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTS(programs); i++)
                r = attach(director, programs[i], hook_names[i]);
        return r;
}

/* All or none: half of them would tell of a socket that cannot be shared, or share one that is not told of. */
static void do_without_hooks(struct director *director, int error) {
        for (size_t i = 0; i < ELEMENTS(hook_names); i++) {
                char stored[KEEPER_NAME_MAX];
                (void) snprintf(stored, sizeof(stored), "link.steering.%s", hook_names[i]);
                keeper_drop(director, stored);
        }
        (void) snprintf(director->no_hooks, sizeof(director->no_hooks),
                        "no kernel program can be attached to the node's cgroup: %s%s", strerror(-error),
                        error == -EPERM ? " (a cgroup above it has one that allows no other)" : "");
        log_warning("%s: its sockets are found by seccomp notifications instead", director->no_hooks);
}

void steering_read_events(struct director *director) {
        struct steering *steering = get(director);
        /* What an event brings about may ask again; the kernel's library reads the same event once more then. */
        if (!steering->events || steering->is_reading)
                return;
        steering->is_reading = true;
        (void) ring_buffer__consume(steering->events);
        steering->is_reading = false;
        adoption_drop_stale(director);
}

static int on_ring(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        steering_read_events(userdata);
        return 0;
}

static int on_listen_event(void *userdata, void *data, size_t size) {
        if (size >= sizeof(struct listen_event))
                adoption_on_listen(userdata, data);
        return 0;
}

static int open_hooks(struct director *director) {
        struct steering *steering = get(director);
        int r = load(director, steering->bind->obj);
        if (r >= 0)
                r = load(director, steering->listen->obj);
        if (r >= 0 && !steering->links_are_stored)
                r = attach_all(director);
        return r;
}

int steering_open(struct director *director) {
        struct steering *steering = get(director);
        steering->steer = steer_bpf__open();
        steering->bind = bind_bpf__open();
        steering->listen = listen_bpf__open();
        if (!steering->steer || !steering->bind || !steering->listen)
                return -ENOMEM;
        int r = load(director, steering->steer->obj);
        if (r < 0)
                return log_errno(r, "cannot load the kernel program that steers; `interrex doctor` says what is missing");
        r = open_hooks(director);
        if (r < 0) {
                do_without_hooks(director, r);
                return 0;
        }
        steering->events = ring_buffer__new(bpf_map__fd(steering->listen->maps.listen_events), on_listen_event, director, NULL);
        if (!steering->events)
                return log_errno(-errno, "cannot read listen events");
        return sd_event_add_io(director->event, &steering->events_source, ring_buffer__epoll_fd(steering->events), EPOLLIN, on_ring,
                        director);
}

struct held_address steering_held_form(const struct address *address) {
        struct held_address held = {.protocol = address->transport == TRANSPORT_UDP ? IPPROTO_UDP : IPPROTO_TCP,
                        .port = address->port};
        if (address_is_wildcard(address))
                return held;
        if (address->family == AF_INET) {
                held.ip[2] = htonl(0xffff);
                memcpy(&held.ip[3], address->ip, 4);
        } else
                memcpy(held.ip, address->ip, 16);
        return held;
}

int steering_hold(struct director *director, const struct address *address) {
        struct held_address key = steering_held_form(address);
        uint32_t one = 1;
        if (*director->no_hooks)
                return 0;
        return bpf_map_update_elem(bpf_map__fd(get(director)->bind->maps.held), &key, &one, BPF_ANY);
}

static_assert(MACHINE_SLOTS == STEERING_SLOTS, "the machine gives no number whose slot is taken");

uint32_t steering_slot(uint64_t generation) {
        return (uint32_t) (generation % STEERING_SLOTS);
}

static int set_route(struct director *director, uint64_t value) {
        uint32_t zero = 0;
        return bpf_map_update_elem(bpf_map__fd(get(director)->steer->maps.route), &zero, &value, BPF_ANY);
}

int steering_flip(struct director *director, uint64_t generation) {
        uint32_t slot = steering_slot(generation);
        return set_route(director, STEERING_ROUTE(slot, slot));
}

int steering_flip_to_waiting(struct director *director, uint64_t generation) {
        return set_route(director, STEERING_ROUTE(STEERING_WAITING, steering_slot(generation)));
}

int steering_set_waits(struct director *director, uint32_t group, bool waits) {
        uint32_t value = waits;
        INVARIANT(group < STEERING_GROUPS);
        return bpf_map_update_elem(bpf_map__fd(get(director)->steer->maps.waits), &group, &value, BPF_ANY);
}

void steering_settle(void) {
        /* The network's side of the kernel runs in RCU read sections; of the system calls that wait for all of them, this one
         * needs no privilege. A kernel with nohz_full refuses it, and runs the small risk. */
        (void) syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

uint32_t steering_routed_slot(struct director *director) {
        uint32_t zero = 0;
        uint64_t value = 0;
        (void) bpf_map_lookup_elem(bpf_map__fd(get(director)->steer->maps.route), &zero, &value);
        return STEERING_ROUTE_SLOT(value);
}

static uint32_t cell_of(uint32_t group, uint32_t slot) {
        INVARIANT(group < STEERING_GROUPS && slot <= STEERING_WAITING);
        return STEERING_CELL(group, slot);
}

static int add(struct director *director, uint32_t cell, uint32_t index, int socket) {
        struct steering *steering = get(director);
        int program = bpf_program__fd(steering->steer->progs.steer);
        uint32_t key = cell * STEERING_MEMBERS + index;
        uint64_t value = (uint64_t) (unsigned) socket;
        INVARIANT(index < STEERING_MEMBERS);
        /* A group's program is shared by all sockets in it, so attaching again changes nothing. */
        if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)) < 0)
                return -errno;
        return bpf_map_update_elem(bpf_map__fd(steering->steer->maps.sockets), &key, &value, BPF_ANY);
}

static int take_out(struct director *director, uint32_t cell, uint32_t index) {
        uint32_t key = cell * STEERING_MEMBERS + index;
        int r = bpf_map_delete_elem(bpf_map__fd(get(director)->steer->maps.sockets), &key);
        return r == -ENOENT ? 0 : r;
}

static int set_members(struct director *director, uint32_t cell, uint32_t n) {
        return bpf_map_update_elem(bpf_map__fd(get(director)->steer->maps.members), &cell, &n, BPF_ANY);
}

int steering_add(struct director *director, uint32_t group, uint64_t generation, uint32_t index, int socket) {
        return add(director, cell_of(group, steering_slot(generation)), index, socket);
}

int steering_remove(struct director *director, uint32_t group, uint64_t generation, uint32_t index) {
        return take_out(director, cell_of(group, steering_slot(generation)), index);
}

int steering_set_members(struct director *director, uint32_t group, uint64_t generation, uint32_t n) {
        return set_members(director, cell_of(group, steering_slot(generation)), n);
}

int steering_set_waiting(struct director *director, uint32_t group, int socket) {
        uint32_t cell = cell_of(group, STEERING_WAITING);
        int r = add(director, cell, 0, socket);
        /* A director before this one may have put it there: a socket stands in the map once at most (EBUSY). */
        return r < 0 && r != -EBUSY ? r : set_members(director, cell, 1);
}

int steering_unset_waiting(struct director *director, uint32_t group) {
        uint32_t cell = cell_of(group, STEERING_WAITING);
        int r = set_members(director, cell, 0);
        return r < 0 ? r : take_out(director, cell, 0);
}

int steering_set_group(struct director *director, uint32_t group, const struct socket_address *address) {
        return bpf_map_update_elem(bpf_map__fd(get(director)->steer->maps.groups), address, &group, BPF_ANY);
}

int steering_next_group(struct director *director, struct socket_address *address, bool is_first, uint32_t *ret_group) {
        int map = bpf_map__fd(get(director)->steer->maps.groups);
        struct socket_address next;
        int r = bpf_map_get_next_key(map, is_first ? NULL : address, &next);
        if (r >= 0)
                r = bpf_map_lookup_elem(map, &next, ret_group);
        if (r >= 0)
                *address = next;
        return r;
}

int steering_aim(struct director *director, uint16_t port, uint64_t generation) {
        uint32_t key = port, slot = steering_slot(generation);
        return bpf_map_update_elem(bpf_map__fd(get(director)->steer->maps.probe_ports), &key, &slot, BPF_ANY);
}

void steering_unaim(struct director *director, uint16_t port) {
        uint32_t key = port;
        (void) bpf_map_delete_elem(bpf_map__fd(get(director)->steer->maps.probe_ports), &key);
}

int steering_probe_ports(struct director *director) {
        return bpf_map__fd(get(director)->steer->maps.probe_ports);
}

void steering_count(struct director *director, uint32_t group, uint32_t slot, struct steering_counters *ret_counters) {
        int cpus = libbpf_num_possible_cpus();
        uint32_t cell = cell_of(group, slot);
        struct steering_counters sum = {0};
        _cleanup_free_ struct steering_counters *values = calloc(cpus > 0 ? (size_t) cpus : 1, sizeof(*values));
        if (!values || cpus <= 0 || bpf_map_lookup_elem(bpf_map__fd(get(director)->steer->maps.counters), &cell, values) < 0)
                return;
        for (int i = 0; i < cpus; i++) {
                sum.steered += values[i].steered;
                sum.migrated += values[i].migrated;
                sum.probed += values[i].probed;
                sum.astray += values[i].astray;
        }
        *ret_counters = sum;
}
