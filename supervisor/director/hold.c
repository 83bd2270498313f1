#include "hold.h"

#include "../lib/log.h"
#include "hold.skel.h"
#include "keeper_link.h"
#include "signing.h"
#include "steering.h"
#include "unit.h"
#include "waiting_room.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct hold {
        struct hold_bpf *program;
        int stored_maps[3];
        uint64_t generation; /* which is to be cut off; 0: none */
};

static const char *const stored_map_names[] = {"hold_served", "hold_flows", "hold_counters"};
static const enum bpf_attach_type hooks[] = {BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET4_CONNECT,
                BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP4_SENDMSG, BPF_CGROUP_UDP6_SENDMSG};

static struct hold *get(struct director *director) {
        if (!director->hold) {
                director->hold = calloc(1, sizeof(*director->hold));
                INVARIANT(director->hold);
                for (size_t i = 0; i < ELEMENTS(director->hold->stored_maps); i++)
                        director->hold->stored_maps[i] = -1;
        }
        return director->hold;
}

int hold_adopt_stored(struct director *director, const char *name, int fd) {
        struct hold *hold = get(director);
        for (size_t i = 0; strncmp(name, "map.", 4) == 0 && i < ELEMENTS(stored_map_names); i++)
                if (strcmp(name + 4, stored_map_names[i]) == 0) {
                        hold->stored_maps[i] = fd;
                        return 1;
                }
        return 0;
}

static struct bpf_map *map_of(struct hold *hold, size_t i) {
        return bpf_object__find_map_by_name(hold->program->obj, stored_map_names[i]);
}

static int load(struct director *director) {
        struct hold *hold = get(director);
        hold->program = hold_bpf__open();
        if (!hold->program)
                return -ENOMEM;
        int r = bpf_map__reuse_fd(hold->program->maps.probe_ports, steering_probe_ports(director));
        for (size_t i = 0; r >= 0 && i < ELEMENTS(stored_map_names); i++)
                if (hold->stored_maps[i] >= 0)
                        r = bpf_map__reuse_fd(map_of(hold, i), hold->stored_maps[i]);
        if (r >= 0)
                r = hold_bpf__load(hold->program);
        for (size_t i = 0; r >= 0 && i < director->config->n_hold_serve; i++) {
                struct held_address key = steering_held_form(&director->config->hold_serve[i]);
                uint32_t one = 1;
                r = bpf_map_update_elem(bpf_map__fd(hold->program->maps.hold_served), &key, &one, BPF_ANY);
        }
        for (size_t i = 0; r >= 0 && i < ELEMENTS(stored_map_names); i++) {
                char name[KEEPER_NAME_MAX];
                (void) snprintf(name, sizeof(name), "map.%s", stored_map_names[i]);
                if (hold->stored_maps[i] < 0)
                        keeper_store(director, name, bpf_map__fd(map_of(hold, i)));
        }
        return r;
}

int hold_open(struct director *director) {
        if (director->config->n_hold_serve == 0)
                return 0;
        int r = *director->no_hooks ? 0 : load(director);
        director->can_cut_off = r >= 0 && !*director->no_hooks;
        signing_apply(director);
        if (director->can_cut_off)
                return 0;
        (void) snprintf(director->hold_complaint, sizeof(director->hold_complaint),
                        "hold.serve cannot be done: %s; a release that is held is stopped, and connections wait",
                        r < 0 ? strerror(-r) : "the node's cgroup cannot have kernel programs");
        log_warning("%s", director->hold_complaint);
        return 0;
}

bool hold_must_precede(const struct director *director, uint64_t generation) {
        return director->hold && generation != 0 && director->hold->generation == generation;
}

static bool is_attached(const struct unit *unit, enum bpf_attach_type hook) {
        uint32_t n = 0;
        return bpf_prog_query(unit->cgroup_fd, hook, 0, NULL, NULL, &n) == 0 && n > 0;
}

static bool is_cut_off(const struct unit *unit) {
        for (size_t i = 0; i < ELEMENTS(hooks); i++)
                if (!is_attached(unit, hooks[i]))
                        return false;
        return true;
}

void hold_cut_off(struct director *director, uint64_t generation) {
        struct hold *hold = get(director);
        struct unit *unit = unit_find(director, generation);
        hold->generation = generation;
        /* It may not pass before it is cut off, so this cannot be; and must not. */
        if (!unit || !unit->is_past_fence || is_cut_off(unit))
                return;
        log_error("generation %lu has begun and is not cut off from its peers: it is killed", generation);
        unit_control(director, generation, CGROUP_KILL);
}

int hold_apply(struct director *director, const struct unit *unit) {
        struct hold *hold = get(director);
        if (!hold->program || unit->cgroup_fd < 0)
                return -ENOENT;
        struct bpf_program *const programs[] = {hold->program->progs.hold_ingress, hold->program->progs.hold_egress,
                        hold->program->progs.hold_connect4, hold->program->progs.hold_connect6, hold->program->progs.hold_sendmsg4,
                        hold->program->progs.hold_sendmsg6};
        /* Not by links, which end with those who hold them: these programs end with the cgroup, whoever dies. */
        for (size_t i = 0; i < ELEMENTS(programs); i++) {
                if (is_attached(unit, hooks[i]))
                        continue; /* by a director that died before it let it pass */
                int r = bpf_prog_attach(bpf_program__fd(programs[i]), unit->cgroup_fd, hooks[i], BPF_F_ALLOW_MULTI);
                if (r < 0)
                        return r;
        }
        log_info("generation %lu is cut off from its peers before it begins", unit->generation);
        return 0;
}

static bool is_served(const struct director *director, uint32_t group) {
        const struct config *config = director->config;
        return address_stands_in(config->hold_serve, config->n_hold_serve, &config->listen[director->groups[group].listen]);
}

bool hold_keeps_waiting(const struct director *director, uint32_t group) {
        const struct machine *machine = &director->record.machine;
        return machine->cut_off != 0 && machine->serving == machine->cut_off && director->groups[group].used &&
               !is_served(director, group);
}

/* In this order: what moves on from a closed socket must find the waiting room open. Without one it is dropped. */
void hold_note_group(struct director *director, uint32_t group) {
        if (!hold_keeps_waiting(director, group))
                return;
        int r = waiting_room_keep(director, group), waits = steering_set_waits(director, group, true);
        if (r < 0 || waits < 0)
                log_errno(r < 0 ? r : waits, "connections to %s do not wait for the hold's end",
                                director->config->listen[director->groups[group].listen].text);
}

void hold_before_flip(struct director *director, uint64_t generation) {
        if (generation != director->record.machine.cut_off)
                return;
        for (uint32_t group = 0; group < STEERING_GROUPS; group++) {
                hold_note_group(director, group);
                /* It may have been another address's before. */
                if (director->groups[group].used && is_served(director, group))
                        (void) steering_set_waits(director, group, false);
        }
}

void hold_after_flip(struct director *director, uint64_t generation) {
        if (generation == director->record.machine.cut_off || director->config->n_hold_serve == 0)
                return;
        for (uint32_t group = 0; group < STEERING_GROUPS; group++)
                if (director->groups[group].used)
                        (void) steering_set_waits(director, group, false);
}

bool hold_is_on(const struct director *director) {
        const struct machine *machine = &director->record.machine;
        return machine->phase == PHASE_HELD && machine->cut_off != 0 && machine->cut_off == machine->current &&
               !machine->current_is_gone;
}

void hold_count(struct director *director, uint64_t ret_counts[HOLD_WAYS]) {
        int cpus = libbpf_num_possible_cpus();
        _cleanup_free_ uint64_t *values = calloc(cpus > 0 ? (size_t) cpus : 1, sizeof(*values));
        memset(ret_counts, 0, HOLD_WAYS * sizeof(*ret_counts));
        if (!values || cpus <= 0 || !get(director)->program)
                return;
        int map = bpf_map__fd(director->hold->program->maps.hold_counters);
        for (uint32_t way = 0; way < HOLD_WAYS; way++)
                if (bpf_map_lookup_elem(map, &way, values) == 0)
                        for (int i = 0; i < cpus; i++)
                                ret_counts[way] += values[i];
}
