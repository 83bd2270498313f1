#include "gate_stay.h"

#include "../lib/log.h"
#include "keeper_link.h"
#include "stay.skel.h"
#include "wake.skel.h"
#include <bpf/libbpf.h>
#include <fcntl.h>

#define LINK_NAME "stay.%zu"
#define SECOND_BEST_NAME "wake.%zu"

void gate_stay_init(struct gate_stay *stay) {
        *stay = (struct gate_stay){0};
        for (size_t i = 0; i < GATE_STAY_LINKS; i++)
                stay->link_fds[i] = -1;
}

static void say_second_best(struct gate_stay *stay) {
        text_copy(stay->complaint, sizeof(stay->complaint),
                        "this kernel, which has no ftrace with direct calls, keeps a stopped thread from SIGCONT only at times: one that "
                        "comes before it is parked may let the node pass its gate");
}

int gate_stay_adopt_stored(struct gate_stay *stay, const char *name, int fd) {
        size_t i;
        bool is_second_best = sscanf(name, SECOND_BEST_NAME, &i) == 1;
        if ((!is_second_best && sscanf(name, LINK_NAME, &i) != 1) || i >= GATE_STAY_LINKS)
                return 0;
        if (is_second_best)
                say_second_best(stay);
        stay->link_fds[i] = fd;
        return 1;
}

/* Both ways have the gate's maps for their own. */
static int load(struct bpf_object_skeleton *skeleton, struct bpf_map *threads, int threads_map, struct bpf_map *stopped,
                int stopped_map) {
        int r = bpf_map__reuse_fd(threads, threads_map);
        if (r >= 0)
                r = bpf_map__reuse_fd(stopped, stopped_map);
        if (r >= 0)
                r = bpf_object__load_skeleton(skeleton);
        return r < 0 ? r : bpf_object__attach_skeleton(skeleton);
}

int gate_stay_in_thread(int threads_map, int stopped_map, struct stay_bpf **ret_programs) {
        struct stay_bpf *programs = stay_bpf__open();
        if (!programs)
                return -errno;
        int r = load(programs->skeleton, programs->maps.gate_threads, threads_map, programs->maps.gate_stopped, stopped_map);
        if (r >= 0)
                *ret_programs = programs;
        else
                stay_bpf__destroy(programs);
        return r;
}

int gate_stay_at_wake(int threads_map, int stopped_map, struct wake_bpf **ret_programs) {
        struct wake_bpf *programs = wake_bpf__open();
        if (!programs)
                return -errno;
        int r = load(programs->skeleton, programs->maps.gate_threads, threads_map, programs->maps.gate_stopped, stopped_map);
        if (r >= 0)
                *ret_programs = programs;
        else
                wake_bpf__destroy(programs);
        return r;
}

/* The link is the descriptor: what the skeleton has goes with it, a duplicate stays. */
static int keep(struct director *director, struct gate_stay *stay, size_t i, const char *name, const struct bpf_link *link) {
        int fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        stay->link_fds[i] = fd;
        keeper_store(director, name, fd);
        return 0;
}

static int open_in_thread(struct director *director, struct gate_stay *stay, int threads_map, int stopped_map) {
        struct stay_bpf *programs;
        int r = gate_stay_in_thread(threads_map, stopped_map, &programs);
        if (r < 0)
                return r;
        r = keep(director, stay, 0, "stay.0", programs->links.on_signals_taken);
        if (r >= 0)
                r = keep(director, stay, 1, "stay.1", programs->links.on_probe_left);
        stay_bpf__destroy(programs);
        return r;
}

static int open_at_wake(struct director *director, struct gate_stay *stay, int threads_map, int stopped_map) {
        struct wake_bpf *programs;
        int r = gate_stay_at_wake(threads_map, stopped_map, &programs);
        if (r < 0)
                return r;
        r = keep(director, stay, 0, "wake.0", programs->links.on_woken);
        if (r >= 0)
                r = keep(director, stay, 1, "wake.1", programs->links.on_processor);
        wake_bpf__destroy(programs);
        if (r >= 0)
                say_second_best(stay);
        return r;
}

/* That a kernel cannot have the programs is no error: libbpf would say so in several lines. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list arguments) {
        (void) level;
        (void) format;
        (void) arguments;
        return 0;
}

void gate_stay_open(struct director *director, struct gate_stay *stay, int threads_map, int stopped_map) {
        if (stay->link_fds[0] >= 0)
                return;
        libbpf_print_fn_t say = libbpf_set_print(say_nothing);
        int r = open_in_thread(director, stay, threads_map, stopped_map);
        bool is_open = r >= 0 || (stay->link_fds[0] < 0 && open_at_wake(director, stay, threads_map, stopped_map) >= 0);
        (void) libbpf_set_print(say);
        if (is_open)
                return;
        (void) snprintf(stay->complaint, sizeof(stay->complaint),
                        "no kernel program keeps a stopped thread from SIGCONT (%s): one that comes before it is parked lets the node pass "
                        "its gate",
                        strerror(-r));
        log_warning("%s; it needs a kernel with CONFIG_DEBUG_INFO_BTF, and ftrace or Linux 6.13", stay->complaint);
}
