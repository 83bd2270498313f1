#include "gate_stay.h"

#include "../lib/log.h"
#include "keeper_link.h"
#include "stay.skel.h"
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#define LINK_NAME "stay.%zu"

void gate_stay_init(struct gate_stay *stay) {
        *stay = (struct gate_stay){0};
        for (size_t i = 0; i < GATE_STAY_LINKS; i++)
                stay->link_fds[i] = -1;
}

int gate_stay_adopt_stored(struct gate_stay *stay, const char *name, int fd) {
        size_t i;
        if (sscanf(name, LINK_NAME, &i) != 1 || i >= GATE_STAY_LINKS)
                return 0;
        stay->link_fds[i] = fd;
        return 1;
}

static void destroy_at(struct stay_bpf **programs) {
        stay_bpf__destroy(*programs);
}

/* Without it the programs would load, and do nothing. */
static bool kernel_has(const char *function) {
        struct btf *types = btf__load_vmlinux_btf();
        bool has = types && btf__find_by_name_kind(types, function, BTF_KIND_FUNC) >= 0;
        btf__free(types);
        return has;
}

int gate_stay_load(bool in_thread, int threads_map, int stopped_map, struct stay_bpf **ret_programs) {
        if (!in_thread && !kernel_has("bpf_send_signal_task"))
                return -EOPNOTSUPP;
        __attribute__((cleanup(destroy_at))) struct stay_bpf *programs = stay_bpf__open();
        if (!programs)
                return -errno;
        (void) bpf_program__set_autoload(programs->progs.on_signals_taken, in_thread);
        (void) bpf_program__set_autoload(programs->progs.on_probe_left, in_thread);
        (void) bpf_program__set_autoload(programs->progs.on_woken, !in_thread);
        (void) bpf_program__set_autoload(programs->progs.on_processor, !in_thread);
        int r = bpf_map__reuse_fd(programs->maps.gate_threads, threads_map);
        if (r >= 0)
                r = bpf_map__reuse_fd(programs->maps.gate_stopped, stopped_map);
        if (r >= 0)
                r = stay_bpf__load(programs);
        if (r >= 0)
                *ret_programs = TAKE_POINTER(programs);
        return r;
}

/* The link is the descriptor: what the skeleton has goes with it, a duplicate stays. */
static int attach(struct director *director, struct gate_stay *stay, size_t i, struct bpf_program *program) {
        char name[KEEPER_NAME_MAX];
        struct bpf_link *link = bpf_program__attach(program);
        if (!link)
                return -errno;
        int fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3);
        int r = fd < 0 ? -errno : 0;
        (void) bpf_link__destroy(link);
        if (r < 0)
                return r;
        stay->link_fds[i] = fd;
        (void) snprintf(name, sizeof(name), LINK_NAME, i);
        keeper_store(director, name, fd);
        return 0;
}

static int open_programs(struct director *director, struct gate_stay *stay, bool in_thread, int threads_map, int stopped_map) {
        __attribute__((cleanup(destroy_at))) struct stay_bpf *programs = NULL;
        int r = gate_stay_load(in_thread, threads_map, stopped_map, &programs);
        if (r >= 0)
                r = attach(director, stay, 0, in_thread ? programs->progs.on_signals_taken : programs->progs.on_processor);
        if (r >= 0)
                r = attach(director, stay, 1, in_thread ? programs->progs.on_probe_left : programs->progs.on_woken);
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
        int r = open_programs(director, stay, true, threads_map, stopped_map);
        bool is_open = r >= 0 || (stay->link_fds[0] < 0 && open_programs(director, stay, false, threads_map, stopped_map) >= 0);
        (void) libbpf_set_print(say);
        if (is_open)
                return;
        (void) snprintf(stay->complaint, sizeof(stay->complaint),
                        "no kernel program keeps a stopped thread from SIGCONT (%s): one that comes before it is parked lets the node pass "
                        "its gate",
                        strerror(-r));
        log_warning("%s; it needs a kernel with CONFIG_DEBUG_INFO_BTF, and ftrace or Linux 6.13", stay->complaint);
}
