#include "state_lock.h"

#include "../lib/cgroup.h"
#include "planning.h"
#include "process_sockets.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

/* proc_pid_fdinfo(5): a line for each lock that belongs to the open file, or by the file to the process. */
static bool holds_lock(int folder, const char *number) {
        char line[256];
        int fd = openat(folder, number, O_RDONLY | O_CLOEXEC);
        _cleanup_fclose_ FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
        if (!file) {
                close_fd(fd);
                return false;
        }
        while (fgets(line, sizeof(line), file))
                if (strncmp(line, "lock:", strlen("lock:")) == 0)
                        return true;
        return false;
}

static bool is_of_state(const struct director *director, int process, int number) {
        char path[4096];
        _cleanup_close_ int fd = -1;
        return process_descriptor(process, number, &fd) >= 0 &&
               file_is_below(fd, director->state_directory, path, sizeof(path)) > 0;
}

static bool process_holds(const struct director *director, int process) {
        char path[64];
        bool found = false;
        uint64_t number;
        (void) snprintf(path, sizeof(path), "/proc/%d/fdinfo", process);
        DIR *folder = opendir(path);
        for (struct dirent *entry; folder && !found && (entry = readdir(folder));)
                found = parse_u64(entry->d_name, &number) >= 0 && number <= INT_MAX && holds_lock(dirfd(folder), entry->d_name) &&
                        is_of_state(director, process, (int) number);
        if (folder)
                (void) closedir(folder);
        return found;
}

void state_lock_look(struct director *director, const struct unit *unit) {
        _cleanup_free_ int *processes = NULL;
        size_t n = 0;
        bool is_wanted = director->config->state.fence == FENCE_LOCK && director->state_directory && !director->record.takes_lock;
        if (!is_wanted || unit->fence_kind != SPAWN_FENCE_EXEC || cgroup_processes(unit->cgroup_fd, &processes, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (process_holds(director, processes[i])) {
                        planning_note_lock(director);
                        return;
                }
}
