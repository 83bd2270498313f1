#include "gate_uprobe.h"

#include "../lib/log.h"
#include "gate.h"
#include "gate.skel.h"
#include "gate_location.h"
#include "gate_stay.h"
#include "keeper_link.h"
#include "verification.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>

#define PARK_AGAIN_US (5 * USEC_PER_SEC)

struct gate_uprobe {
        struct gate_bpf *program;
        struct ring_buffer *events;
        sd_event_source *source, *again; /* again: what could not be parked */
        int stored_maps[5];
        char attached_release[MACHINE_RELEASE_MAX];
        /* Copies: a keeper that is killed closes its own before its node is killed, and the director after that. */
        int link_fd, perf_fd;
        struct gate_location location;
        struct gate_stay stay;
};

static const char *const stored_map_names[] = {"gate_settings", "gate_cgroup", "gate_events", "gate_stopped", "gate_threads"};

static struct gate_uprobe *get(struct director *director) {
        if (!director->gate_uprobe) {
                director->gate_uprobe = calloc(1, sizeof(*director->gate_uprobe));
                INVARIANT(director->gate_uprobe);
                director->gate_uprobe->link_fd = director->gate_uprobe->perf_fd = -1;
                for (size_t i = 0; i < ELEMENTS(stored_map_names); i++)
                        director->gate_uprobe->stored_maps[i] = -1;
                gate_stay_init(&director->gate_uprobe->stay);
        }
        return director->gate_uprobe;
}

int gate_uprobe_adopt_stored(struct director *director, const char *name, int fd) {
        struct gate_uprobe *gate = get(director);
        bool is_link = sscanf(name, KEEPER_GATE_LINK "%127s", gate->attached_release) == 1;
        if (is_link || strncmp(name, "perf.gate", 9) == 0) {
                int *copy = is_link ? &gate->link_fd : &gate->perf_fd;
                close_fd(*copy);
                *copy = fd;
                return 1;
        }
        if (gate_stay_adopt_stored(&gate->stay, name, fd))
                return 1;
        for (size_t i = 0; strncmp(name, "map.", 4) == 0 && i < ELEMENTS(stored_map_names); i++)
                if (strcmp(name + 4, stored_map_names[i]) == 0) {
                        gate->stored_maps[i] = fd;
                        return 1;
                }
        return 0;
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) usec;
        director->gate_uprobe->again = sd_event_source_unref(director->gate_uprobe->again);
        gate_uprobe_resume(director);
        return 0;
}

/* A debugger has the thread: it stands meanwhile, and its process with it. */
static void park_later(struct director *director) {
        struct gate_uprobe *gate = get(director);
        if (!gate->again)
                (void) sd_event_add_time_relative(director->event, &gate->again, CLOCK_MONOTONIC, PARK_AGAIN_US, 0, on_again,
                                director);
}

/* The thread stays in its stop, the others run on: reads are still answered at H-1. */
static void park(struct director *director, const struct gate_event *event) {
        struct keeper_park request = {.serial = keeper_serial(director),
                        .generation = event->generation,
                        .process = (int) event->process,
                        .thread = (int) event->thread};
        int r = keeper_ask(director, KEEPER_PARK, &request, sizeof(request), NULL, 0, request.serial, NULL);
        if (r >= 0 || r == -EALREADY || r == -ESRCH)
                return;
        if (r == -EPERM)
                park_later(director);
        log_errno(r, "cannot park thread %u before height %llu; its whole process stays stopped%s", event->thread, event->height,
                        r == -EPERM ? " as long as a debugger has it" : "");
}

static size_t read_stopped(struct director *director, struct gate_event *ret_events, size_t max) {
        int map = bpf_map__fd(get(director)->program->maps.gate_stopped);
        uint32_t thread = 0, last = 0;
        size_t n = 0;
        for (bool is_first = true; n < max && bpf_map_get_next_key(map, is_first ? NULL : &last, &thread) == 0; is_first = false) {
                last = thread;
                n += bpf_map_lookup_elem(map, &thread, &ret_events[n]) == 0;
        }
        return n;
}

void gate_uprobe_forget(struct director *director, uint64_t generation) {
        const struct gate_uprobe *gate = get(director);
        struct gate_event events[GATE_STOPPED_MAX];
        size_t n = gate->program ? read_stopped(director, events, ELEMENTS(events)) : 0;
        for (size_t i = 0; i < n; i++)
                if (events[i].generation == generation)
                        (void) bpf_map_delete_elem(bpf_map__fd(gate->program->maps.gate_stopped), &events[i].thread);
}

static void unpark(struct director *director, uint64_t generation) {
        struct keeper_forget request = {.generation = generation, .kind = SPAWN_GENERATION};
        keeper_tell(director, KEEPER_UNPARK, &request, sizeof(request), NULL, 0);
}

/* Written down first, for a director that comes back: it must neither take a thread that runs for one that stands, nor leave one
 * standing that was to run. What was written so before is over. */
void gate_uprobe_let_pass(struct director *director, uint64_t generation) {
        int map = bpf_map__fd(get(director)->program->maps.gate_stopped);
        struct gate_event events[GATE_STOPPED_MAX];
        size_t n = read_stopped(director, events, ELEMENTS(events));
        for (size_t i = 0; i < n; i++) {
                if (events[i].generation != generation)
                        continue;
                bool was_let_go = events[i].stopped == GATE_LET_GO;
                events[i].stopped = GATE_LET_GO;
                if (was_let_go)
                        (void) bpf_map_delete_elem(map, &events[i].thread);
                else
                        (void) bpf_map_update_elem(map, &events[i].thread, &events[i], BPF_EXIST);
        }
        unpark(director, generation);
}

static bool stands(const struct gate_event *events, size_t n, uint64_t generation) {
        for (size_t i = 0; i < n; i++)
                if (events[i].generation == generation && events[i].stopped == GATE_STANDS)
                        return true;
        return false;
}

/* It may have been let go before it was parked, and then its process is stopped still: parking sets that going. Where another thread
 * of it stands at a later height it has long gone on. */
static void set_going(struct director *director, const struct gate_event *event) {
        struct gate_event events[GATE_STOPPED_MAX];
        size_t n = read_stopped(director, events, ELEMENTS(events));
        if (stands(events, n, event->generation))
                return;
        park(director, event);
        unpark(director, event->generation);
}

/* What was stopped stays in the map as long as it stands, for the next director. */
static void deal_with(struct director *director, const struct gate_event *event) {
        if (event->stopped == GATE_LET_GO)
                set_going(director, event);
        if (event->stopped != GATE_STANDS)
                return;
        park(director, event);
        if (!gate_stands(director, event->generation, event->height))
                gate_uprobe_let_pass(director, event->generation);
}

/* I3: a director that comes back finds in the ring what it has taken from the map already. The thread may stand at its next height by
 * now, and must not be let go for the one that it has passed: what counts is what the map says of it. */
static int on_gate_event(void *userdata, void *data, size_t size) {
        struct director *director = userdata;
        const struct gate_event *event = data;
        struct gate_event now;
        if (size < sizeof(*event))
                return 0;
        if (bpf_map_lookup_elem(bpf_map__fd(get(director)->program->maps.gate_stopped), &event->thread, &now) < 0)
                now = *event;
        if (now.height == event->height && now.generation == event->generation)
                deal_with(director, &now);
        return 0;
}

static int on_ring(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) fd;
        (void) revents;
        (void) ring_buffer__consume(director->gate_uprobe->events);
        return 0;
}

int gate_uprobe_open(struct director *director) {
        struct gate_uprobe *gate = get(director);
        gate->program = gate_bpf__open();
        if (!gate->program)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(stored_map_names); i++)
                if (gate->stored_maps[i] >= 0) {
                        struct bpf_map *map = bpf_object__find_map_by_name(gate->program->obj, stored_map_names[i]);
                        int r = bpf_map__reuse_fd(map, gate->stored_maps[i]);
                        if (r < 0)
                                return log_errno(r, "cannot take over the gate's map %s", stored_map_names[i]);
                }
        int r = gate_bpf__load(gate->program);
        if (r < 0)
                return log_errno(r, "cannot load the gate's kernel program; `interrex doctor` says what is missing");
        for (size_t i = 0; i < ELEMENTS(stored_map_names); i++) {
                char name[KEEPER_NAME_MAX];
                (void) snprintf(name, sizeof(name), "map.%s", stored_map_names[i]);
                if (gate->stored_maps[i] < 0)
                        keeper_store(director, name,
                                        bpf_map__fd(bpf_object__find_map_by_name(gate->program->obj, stored_map_names[i])));
        }
        gate_stay_open(director, &gate->stay, bpf_map__fd(gate->program->maps.gate_threads),
                        bpf_map__fd(gate->program->maps.gate_stopped));
        gate->events = ring_buffer__new(bpf_map__fd(gate->program->maps.gate_events), on_gate_event, director, NULL);
        if (!gate->events)
                return log_errno(-errno, "cannot read the gate's events");
        return sd_event_add_io(director->event, &gate->source, ring_buffer__epoll_fd(gate->events), EPOLLIN, on_ring, director);
}

/* One attachment for each file; generations are told apart by their cgroup. */
static int attach(struct director *director, const char *release) {
        struct gate_uprobe *gate = get(director);
        char name[KEEPER_NAME_MAX + MACHINE_RELEASE_MAX];
        _cleanup_free_ char *error = NULL;
        int file = verification_fd(director, release), perf = -1;
        if (file < 0)
                return -ENOENT;
        int r = gate_locate(file, &director->config->gate, &gate->location, &error);
        if (r < 0) {
                log_error("the gate cannot be armed in release %s: %s", release, error ? error : strerror(-r));
                return r;
        }
        if (strcmp(gate->attached_release, release) == 0)
                return 0;
        struct keeper_uprobe request = {.serial = keeper_serial(director),
                        .offset = gate->location.offset,
                        .reference_counter_offset = gate->location.reference_counter_offset};
        r = keeper_ask(director, KEEPER_UPROBE, &request, sizeof(request), &file, 1, request.serial, &perf);
        if (r < 0)
                return log_errno(r, "cannot set a uprobe in release %s", release);
        _cleanup_close_ int perf_fd = perf;
        _cleanup_close_ int link = bpf_link_create(bpf_program__fd(gate->program->progs.on_commit), perf_fd, BPF_PERF_EVENT, NULL);
        if (link < 0)
                return log_errno(link, "cannot attach the gate to the uprobe");
        if (*gate->attached_release) {
                (void) snprintf(name, sizeof(name), KEEPER_GATE_LINK "%s", gate->attached_release);
                keeper_drop(director, name);
        }
        text_copy(gate->attached_release, sizeof(gate->attached_release), release);
        keeper_store(director, "perf.gate", perf_fd);
        (void) snprintf(name, sizeof(name), KEEPER_GATE_LINK "%s", release);
        keeper_store(director, name, link);
        close_fd(gate->link_fd);
        close_fd(gate->perf_fd);
        gate->link_fd = TAKE_FD(link);
        gate->perf_fd = TAKE_FD(perf_fd);
        return 0;
}

static int write_settings(struct director *director, uint64_t generation, uint64_t boundary) {
        struct gate_uprobe *gate = get(director);
        uint32_t zero = 0;
        struct stat st = {0};
        if (stat("/proc/self/ns/pid", &st) < 0)
                return -errno;
        struct gate_setting setting = {.boundary = boundary,
                        .generation = generation,
                        .kind = gate->location.kind,
                        .register_offset = gate->location.register_offset,
                        .displacement = gate->location.displacement,
                        .size = gate->location.size,
                        .namespace_device = st.st_dev,
                        .namespace_inode = st.st_ino};
        return bpf_map_update_elem(bpf_map__fd(gate->program->maps.gate_settings), &zero, &setting, BPF_ANY);
}

int gate_uprobe_set(struct director *director, const struct unit *unit, uint64_t height) {
        const struct gate_uprobe *gate = get(director);
        uint32_t zero = 0;
        int cgroup = unit->cgroup_fd;
        int r = attach(director, unit->release);
        if (r >= 0)
                r = bpf_map_update_elem(bpf_map__fd(gate->program->maps.gate_cgroup), &zero, &cgroup, BPF_ANY);
        return r < 0 ? r : write_settings(director, unit->generation, height);
}

void gate_uprobe_forget_file(struct director *director, const char *release) {
        struct gate_uprobe *gate = get(director);
        char name[KEEPER_NAME_MAX + MACHINE_RELEASE_MAX];
        if (strcmp(gate->attached_release, release) != 0)
                return;
        (void) snprintf(name, sizeof(name), KEEPER_GATE_LINK "%s", release);
        keeper_drop(director, name);
        gate->attached_release[0] = '\0';
}

void gate_uprobe_clear(struct director *director) {
        uint32_t zero = 0;
        struct gate_setting open_gate = {0};
        (void) bpf_map_update_elem(bpf_map__fd(get(director)->program->maps.gate_settings), &zero, &open_gate, BPF_ANY);
}

const char *gate_uprobe_complaint(const struct director *director) {
        return director->gate_uprobe ? director->gate_uprobe->stay.complaint : "";
}

void gate_uprobe_resume(struct director *director) {
        struct gate_event events[GATE_STOPPED_MAX];
        size_t n = read_stopped(director, events, ELEMENTS(events));
        /* Dealing with one may change the map. */
        for (size_t i = 0; i < n; i++)
                deal_with(director, &events[i]);
}
