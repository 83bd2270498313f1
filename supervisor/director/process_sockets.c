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

static int find_in_process(int pid, uint64_t cookie, int *ret_fd) {
        uint64_t table_size = 0;
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0 || read_status(pid, "FDSize:", &table_size) < 0)
                return -ESRCH;
        for (uint64_t number = 0; number < table_size; number++) {
                int fd = (int) syscall(SYS_pidfd_getfd, pidfd, (int) number, 0);
                if (fd < 0)
                        continue;
                if (process_socket_cookie(fd) == cookie) {
                        *ret_fd = fd;
                        return 0;
                }
                close_fd(fd);
        }
        return -ENOENT;
}

int process_socket_find(int cgroup_fd, uint64_t cookie, int *ret_fd) {
        _cleanup_free_ int *pids = NULL;
        size_t n = 0;
        int r = cgroup_processes(cgroup_fd, &pids, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (find_in_process(pids[i], cookie, ret_fd) == 0)
                        return 0;
        return -ENOENT;
}

/* The number of those that are found, 0 where the process is gone. */
static size_t mark_in_process(int pid, const uint64_t *cookies, bool *found, size_t n) {
        uint64_t table_size = 0;
        size_t n_found = 0;
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0 || read_status(pid, "FDSize:", &table_size) < 0)
                return 0;
        for (uint64_t number = 0; number < table_size; number++) {
                _cleanup_close_ int fd = (int) syscall(SYS_pidfd_getfd, pidfd, (int) number, 0);
                uint64_t cookie = fd < 0 ? 0 : process_socket_cookie(fd);
                for (size_t i = 0; cookie != 0 && i < n; i++)
                        if (cookies[i] == cookie && !found[i]) {
                                found[i] = true;
                                n_found++;
                        }
        }
        return n_found;
}

int process_sockets_mark(int cgroup_fd, const uint64_t *cookies, bool *found, size_t n) {
        _cleanup_free_ int *pids = NULL;
        size_t n_pids = 0, n_found = 0;
        int r = cgroup_processes(cgroup_fd, &pids, &n_pids);
        for (size_t i = 0; r >= 0 && i < n_pids && n_found < n; i++)
                n_found += mark_in_process(pids[i], cookies, found, n);
        return r < 0 ? r : (int) n_found;
}

int process_of_thread(int thread) {
        uint64_t process;
        int r = read_status(thread, "Tgid:", &process);
        return r < 0 ? r : (int) process;
}

int process_file_is_below(int process, int number, const char *directory, char *path, size_t size) {
        char link[64];
        _cleanup_close_ int fd = -1;
        size_t length = strlen(directory);
        int r = process_descriptor(process, number, &fd);
        if (r < 0)
                return r;
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
