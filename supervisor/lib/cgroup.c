#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#define DEPTH_MAX 16

static int find_mount(char **ret_mount) {
        _cleanup_fclose_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
        char line[4096], mount[1024];
        if (!mounts)
                return -errno;
        while (fgets(line, sizeof(line), mounts)) {
                char *rest = strstr(line, " - ");
                if (!rest || strncmp(rest + 3, "cgroup2 ", 8) != 0 ||
                                sscanf(line, "%*d %*d %*s %*s %1023s", mount) != 1)
                        continue;
                *ret_mount = strdup(mount);
                return *ret_mount ? 0 : -ENOMEM;
        }
        return -ENOENT;
}

/* PID 0: our own. */
static int find_path(int pid, char *path, size_t size) {
        char name[32] = "/proc/self/cgroup", line[1024];
        if (pid > 0)
                (void)snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
        _cleanup_fclose_ FILE *file = fopen(name, "re");
        if (!file)
                return -errno;
        while (fgets(line, sizeof(line), file))
                if (strncmp(line, "0::", 3) == 0) {
                        line[strcspn(line, "\n")] = '\0';
                        text_copy(path, size, line + 3);
                        return 0;
                }
        return -ENOENT;
}

int cgroup_open_own(char **ret_path, int *ret_fd) {
        return cgroup_open_of(0, ret_path, ret_fd);
}

int cgroup_open_of(int pid, char **ret_path, int *ret_fd) {
        _cleanup_free_ char *mount = NULL, *path = NULL;
        char own[1024];
        int r = find_mount(&mount);
        if (r < 0)
                return r;
        r = find_path(pid, own, sizeof(own));
        if (r < 0)
                return r;
        /* In a container whose cgroup namespace is not its own, the path told may lie outside of the mount. */
        if (asprintf(&path, "%s%s", mount, strcmp(own, "/") == 0 ? "" : own) < 0)
                return -ENOMEM;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && pid == 0) {
                text_copy(path, strlen(path) + 1, mount);
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                return -errno;
        *ret_path = TAKE_POINTER(path);
        *ret_fd = fd;
        return 0;
}

int cgroup_make(int parent_fd, const char *name, int *ret_fd) {
        if (mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

int cgroup_write(int cgroup_fd, const char *file, const char *text) {
        _cleanup_close_ int fd = openat(cgroup_fd, file, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* 1: its cgroup.events say so; 0: not, or the folder is gone; -errno. */
static int says(int events_fd, const char *words) {
        char text[256];
        ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);
        if (n < 0)
                return errno == ENODEV ? 0 : -errno; /* ENODEV: the folder is gone */
        text[n] = '\0';
        return strstr(text, words) != NULL;
}

int cgroup_is_populated(int events_fd) {
        return says(events_fd, "populated 1");
}

/* Until they say the words, or do not any more. */
static int wait_until(int events_fd, const char *words, bool wanted, uint64_t deadline) {
        for (;;) {
                int r = says(events_fd, words);
                if (r < 0 || r == wanted)
                        return r < 0 ? r : 0;
                uint64_t now = now_monotonic();
                if (now >= deadline)
                        return -ETIMEDOUT;
                struct pollfd wait = {.fd = events_fd, .events = POLLPRI};
                if (poll(&wait, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        return -errno;
        }
}

int cgroup_wait_frozen(int cgroup_fd, uint64_t timeout_us) {
        _cleanup_close_ int events = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return events < 0 ? -errno : wait_until(events, "frozen 1", true, now_monotonic() + timeout_us);
}

int cgroup_is_frozen(int cgroup_fd) {
        _cleanup_close_ int events = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (events < 0)
                return errno == ENOENT || errno == ENODEV ? 0 : -errno;
        return says(events, "frozen 1");
}

int cgroup_freeze_and_wait(int cgroup_fd, uint64_t timeout_us) {
        int r = cgroup_write(cgroup_fd, "cgroup.freeze", "1");
        return r < 0 ? r : cgroup_wait_frozen(cgroup_fd, timeout_us);
}

int cgroup_kill_and_wait(int cgroup_fd, uint64_t timeout_us) {
        uint64_t deadline = now_monotonic() + timeout_us;
        _cleanup_close_ int events = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (events < 0)
                return -errno;
        int r = cgroup_write(cgroup_fd, "cgroup.kill", "1");
        return r < 0 ? r : wait_until(events, "populated 1", false, deadline);
}

typedef int (*folder_visitor)(int parent_fd, const char *name, void *userdata);

static int for_each_folder(int cgroup_fd, folder_visitor visit, void *userdata) {
        int copy = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0)
                return -errno;
        DIR *folder = fdopendir(copy);
        if (!folder) {
                close_fd(copy);
                return -ENOMEM;
        }
        int r = 0;
        for (struct dirent *entry; r >= 0 && (entry = readdir(folder));)
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        r = visit(cgroup_fd, entry->d_name, userdata);
        (void)closedir(folder);
        return r;
}

static int remove_folder(int parent_fd, const char *name, void *userdata) {
        (void)userdata;
        return cgroup_remove(parent_fd, name);
}

int cgroup_remove(int parent_fd, const char *name) {
        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        int r = for_each_folder(fd, remove_folder, NULL);
        if (r < 0)
                return r;
        return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

struct process_list {
        int *pids;
        size_t n;
        unsigned depth;
};

static int collect_processes(int parent_fd, const char *name, void *userdata) {
        struct process_list *list = userdata;
        if (list->depth >= DEPTH_MAX)
                return 0;
        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int procs = fd < 0 ? -1 : openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        _cleanup_fclose_ FILE *file = procs < 0 ? NULL : fdopen(procs, "r");
        if (!file) {
                close_fd(procs);
                return 0; /* it went away meanwhile: nobody is in it */
        }
        int pid;
        while (fscanf(file, "%d", &pid) == 1) {
                int *grown = reallocarray(list->pids, list->n + 1, sizeof(int));
                if (!grown)
                        return -ENOMEM;
                list->pids = grown;
                list->pids[list->n++] = pid;
        }
        list->depth++;
        int r = for_each_folder(fd, collect_processes, list);
        list->depth--;
        return r;
}

int cgroup_processes(int cgroup_fd, int **ret_pids, size_t *ret_n) {
        struct process_list list = {0};
        int r = collect_processes(cgroup_fd, ".", &list);
        if (r < 0) {
                free(list.pids);
                return r;
        }
        *ret_pids = list.pids;
        *ret_n = list.n;
        return 0;
}
