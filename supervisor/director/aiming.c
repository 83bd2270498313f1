#include "aiming.h"

#include "../lib/log.h"
#include "aim.skel.h"
#include "steering.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>

#define EVERY_COMMAND 0 /* no command has this mark */

static bool has_commands(const struct config *config) {
        for (size_t i = 0; i < config->n_probes; i++)
                if (config->probes[i].kind == PROBE_EXEC)
                        return true;
        for (size_t i = 0; i < BOUNDARY_UNITS; i++)
                if (config->height.units[i].source == HEIGHT_EXEC)
                        return true;
        return config->height.source == HEIGHT_EXEC;
}

static uint32_t mark_of(uint64_t command) {
        return (uint32_t) (command % 0xffffff) + 1;
}

static void forget_ports(struct director *director, uint32_t mark) {
        uint32_t ports[STEERING_PROBE_PORTS], target = 0;
        int map = steering_probe_ports(director);
        size_t n = 0;
        for (int r = bpf_map_get_next_key(map, NULL, &ports[0]); r >= 0 && ++n < ELEMENTS(ports);)
                r = bpf_map_get_next_key(map, &ports[n - 1], &ports[n]);
        for (size_t i = 0; i < n; i++)
                if (bpf_map_lookup_elem(map, &ports[i], &target) >= 0 &&
                                (mark == EVERY_COMMAND || STEERING_AIM_COMMAND(target) == mark))
                        (void) bpf_map_delete_elem(map, &ports[i]);
}

static int load(struct director *director) {
        struct aim_bpf *aim = aim_bpf__open();
        if (!aim)
                return -errno;
        int r = bpf_map__reuse_fd(aim->maps.probe_ports, steering_probe_ports(director));
        if (r >= 0)
                r = aim_bpf__load(aim);
        if (r >= 0)
                director->aim = aim;
        else
                aim_bpf__destroy(aim);
        return r;
}

static int cannot(struct director *director, int error) {
        if (!*director->no_aim) {
                (void) snprintf(director->no_aim, sizeof(director->no_aim),
                                "no kernel program can aim what commands ask (%s): they must connect from $INTERREX_PROBE_PORT",
                                strerror(-error));
                log_warning("%s", director->no_aim);
        }
        return error;
}

void aiming_open(struct director *director) {
        /* Of a director before this one: its probes and commands are gone. */
        forget_ports(director, EVERY_COMMAND);
        if (!has_commands(director->config))
                return;
        int r = *director->no_hooks ? -EPERM : load(director);
        if (r < 0)
                (void) cannot(director, r);
}

int aiming_begin(struct director *director, int cgroup_fd, uint64_t command, uint64_t generation) {
        struct bpf_cgroup_storage_key key = {.attach_type = BPF_CGROUP_SOCK_OPS};
        uint32_t target = STEERING_AIM(steering_slot(generation), mark_of(command));
        struct stat st;
        if (!director->aim)
                return -EOPNOTSUPP;
        if (fstat(cgroup_fd, &st) < 0)
                return -errno;
        _cleanup_close_ int link = bpf_link_create(bpf_program__fd(director->aim->progs.aim), cgroup_fd, BPF_CGROUP_SOCK_OPS, NULL);
        if (link < 0)
                return cannot(director, link);
        key.cgroup_inode_id = st.st_ino;
        int r = bpf_map_update_elem(bpf_map__fd(director->aim->maps.aims), &key, &target, BPF_ANY);
        return r < 0 ? cannot(director, r) : TAKE_FD(link);
}

void aiming_end(struct director *director, uint64_t command) {
        forget_ports(director, mark_of(command));
}
