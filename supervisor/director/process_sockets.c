#include "process_sockets.h"

#include "../lib/cgroup.h"
#include <sys/socket.h>
#include <sys/syscall.h>

static int read_status(int pid, const char *field, uint64_t *ret_value) {
        char path[64], line[256];
        (void) snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        size_t length = strlen(field);
        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, field, length) == 0 && sscanf(line + length, " %lu", ret_value) == 1)
                        return 0;
        return -ESRCH;
}

uint64_t process_socket_cookie(int fd) {
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);
        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0 ? 0 : cookie;
}

int process_visit_descriptors(int process, uint64_t limit, process_visitor visit, void *userdata, int *ret_fd) {
        uint64_t table_size = 0;
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, process, 0);
        if (pidfd < 0 || read_status(process, "FDSize:", &table_size) < 0)
                return -ESRCH;
        for (uint64_t number = 0; number < table_size && number < limit; number++) {
                _cleanup_close_ int fd = (int) syscall(SYS_pidfd_getfd, pidfd, (int) number, 0);
                if (fd >= 0 && visit(fd, userdata)) {
                        if (ret_fd)
                                *ret_fd = TAKE_FD(fd);
                        return 1;
                }
                /* What is so for one is so for all. */
                if (fd < 0 && (errno == ESRCH || errno == EPERM || errno == EINVAL))
                        return -errno;
        }
        return 0;
}

static bool is_wanted(int fd, void *userdata) {
        const uint64_t *cookie = userdata;
        return process_socket_cookie(fd) == *cookie;
}

int process_socket_find(int cgroup_fd, uint64_t cookie, int *ret_fd) {
        _cleanup_free_ int *pids = NULL;
        size_t n = 0;
        int r = cgroup_processes(cgroup_fd, &pids, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (process_visit_descriptors(pids[i], UINT64_MAX, is_wanted, &cookie, ret_fd) > 0)
                        return 0;
        return -ENOENT;
}

struct wanted_sockets {
        const uint64_t *cookies;
        bool *found;
        size_t n, n_found;
};

static bool mark(int fd, void *userdata) {
        struct wanted_sockets *wanted = userdata;
        uint64_t cookie = process_socket_cookie(fd);
        for (size_t i = 0; cookie != 0 && i < wanted->n; i++)
                if (wanted->cookies[i] == cookie && !wanted->found[i]) {
                        wanted->found[i] = true;
                        wanted->n_found++;
                }
        return wanted->n_found == wanted->n;
}

int process_sockets_mark(int cgroup_fd, const uint64_t *cookies, bool *found, size_t n) {
        _cleanup_free_ int *pids = NULL;
        struct wanted_sockets wanted = {.cookies = cookies, .n = n};
        size_t n_pids = 0;
        wanted.found = found;
        int r = cgroup_processes(cgroup_fd, &pids, &n_pids);
        for (size_t i = 0; r >= 0 && i < n_pids && wanted.n_found < n; i++)
                (void) process_visit_descriptors(pids[i], UINT64_MAX, mark, &wanted, NULL);
        return r < 0 ? r : (int) wanted.n_found;
}

void process_describe(int process, char *text, size_t size) {
        char path[64], command[64] = "?";
        (void) snprintf(path, sizeof(path), "/proc/%d/comm", process);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        if (file && fgets(command, sizeof(command), file))
                command[strcspn(command, "\n")] = '\0';
        text_make_printable(command);
        (void) snprintf(text, size, "process %d (%s)", process, command);
}

int process_of_thread(int thread) {
        uint64_t process;
        int r = read_status(thread, "Tgid:", &process);
        return r < 0 ? r : (int) process;
}

int file_is_below(int fd, const char *directory, char *path, size_t size) {
        char link[64];
        size_t length = strlen(directory);
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, size - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';
        return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int process_descriptor(int process, int fd, int *ret_fd) {
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, process, 0);
        if (pidfd < 0)
                return -errno;
        int copy = (int) syscall(SYS_pidfd_getfd, pidfd, fd, 0);
        if (copy < 0)
                return -errno;
        *ret_fd = copy;
        return 0;
}
