#include "notify_socket.h"

#include "../lib/log.h"
#include "keeper_link.h"
#include "notify.skel.h"
#include "process_sockets.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char program_name[] = "program.notify", writers_name[] = "map.notify_writers";

static bool is_wanted(const struct config *config) {
        return config->height.source == HEIGHT_NOTIFY || config->gate.kind == GATE_NOTIFY;
}

static void destroy_at(struct notify_bpf **notify) {
        notify_bpf__destroy(*notify);
}

/* What the skeleton has is its own; duplicates outlive it. */
static int load(struct director *director) {
        __attribute__((cleanup(destroy_at))) struct notify_bpf *notify = notify_bpf__open_and_load();
        if (!notify)
                return -errno;
        director->notify_program_fd = dup(bpf_program__fd(notify->progs.notify_filter));
        director->notify_writers_fd = dup(bpf_map__fd(notify->maps.notify_writers));
        if (director->notify_program_fd < 0 || director->notify_writers_fd < 0)
                return -errno;
        keeper_store(director, program_name, director->notify_program_fd);
        keeper_store(director, writers_name, director->notify_writers_fd);
        return 0;
}

void notify_socket_open(struct director *director) {
        bool is_stored = director->notify_program_fd >= 0 && director->notify_writers_fd >= 0;
        int r = is_stored || !is_wanted(director->config) ? 0 : load(director);
        if (r >= 0)
                return;
        (void) snprintf(director->no_notify_filter, sizeof(director->no_notify_filter),
                        "no kernel program can guard the notify socket (%s): any process on this machine can tell heights on it",
                        strerror(-r));
        log_warning("%s; it needs a kernel with CONFIG_DEBUG_INFO_BTF", director->no_notify_filter);
}

int notify_socket_adopt_stored(struct director *director, const char *name, int fd) {
        if (strcmp(name, program_name) == 0)
                director->notify_program_fd = fd;
        else if (strcmp(name, writers_name) == 0)
                director->notify_writers_fd = fd;
        else
                return 0;
        return 1;
}

/* Before the socket has a name, so that nothing is in its queue that did not pass. */
static int guard(struct director *director, const struct unit *unit, int fd) {
        struct notify_writer writer = {0};
        struct stat st;
        uint64_t cookie = process_socket_cookie(fd);
        /* A cgroup's id is the inode number of its folder. */
        if (fstat(director->parent_cgroup_fd, &st) < 0)
                return -errno;
        writer.parent = st.st_ino;
        (void) snprintf(writer.cgroup, sizeof(writer.cgroup), KEEPER_GENERATION_CGROUP, unit->generation);
        int r = bpf_map_update_elem(director->notify_writers_fd, &cookie, &writer, BPF_ANY);
        if (r < 0)
                return r;
        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &director->notify_program_fd, sizeof(int)) < 0 ? -errno : 0;
}

static int path_of(const struct director *director, const struct unit *unit, char *path, size_t size) {
        int n = snprintf(path, size, "%s/notify.%lu", director->directories.run, unit->generation);
        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

int notify_socket_make(struct director *director, struct unit *unit, char *path, size_t size) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char name[KEEPER_NAME_MAX];
        *path = '\0';
        if (!is_wanted(director->config))
                return 0;
        if (path_of(director, unit, path, size) < 0 || strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        text_copy(address.sun_path, sizeof(address.sun_path), path);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        int r = *director->no_notify_filter ? 0 : guard(director, unit, fd);
        if (r < 0)
                return r;
        (void) unlink(path);
        /* For all, because processes of a node may be of several users: who may be heard is decided by the filter. */
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, 0666) < 0)
                return -errno;
        unit->notify_fd = TAKE_FD(fd);
        (void) snprintf(name, sizeof(name), "notify.%lu", unit->generation);
        keeper_store(director, name, unit->notify_fd);
        return 0;
}

void notify_socket_forget(struct director *director, struct unit *unit) {
        char path[sizeof(director->directories.run) + 32], name[KEEPER_NAME_MAX];
        if (unit->notify_fd < 0)
                return;
        uint64_t cookie = process_socket_cookie(unit->notify_fd);
        if (director->notify_writers_fd >= 0)
                (void) bpf_map_delete_elem(director->notify_writers_fd, &cookie);
        if (path_of(director, unit, path, sizeof(path)) >= 0)
                (void) unlink(path);
        unit->notify_fd = close_fd(unit->notify_fd);
        (void) snprintf(name, sizeof(name), "notify.%lu", unit->generation);
        keeper_drop(director, name);
}
