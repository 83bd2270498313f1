#include "stray.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "events.h"
#include "process_sockets.h"
#include <sys/stat.h>
#include <sys/syscall.h>

#define LOOKED_AT_MAX 256    /* processes */
#define DESCRIPTORS_MAX 1024 /* of one of them */
#define PATH_SHOWN_MAX 160

struct found {
        const char *directory;
        int pid;
        char path[4096];
};

/* Empty where the kernel has no such file. Of the keeper, which has one thread, these are all. */
static void add_children(int pid, int *pids, size_t *n) {
        char path[64];
        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        while (file && *n < LOOKED_AT_MAX && fscanf(file, "%d", &pids[*n]) == 1)
                (*n)++;
}

static bool contains(const int *pids, size_t n, int pid) {
        for (size_t i = 0; i < n; i++)
                if (pids[i] == pid)
                        return true;
        return false;
}

/* The prober, and whatever else runs this program. */
static bool is_ours(const struct director *director, int pid) {
        char path[64];
        struct stat own, its;
        (void) snprintf(path, sizeof(path), "/proc/%d/exe", pid);
        return fstat(director->self_fd, &own) >= 0 && stat(path, &its) >= 0 && own.st_dev == its.st_dev && own.st_ino == its.st_ino;
}

static bool is_of_state(int fd, void *userdata) {
        struct found *found = userdata;
        return file_is_below(fd, found->directory, found->path, sizeof(found->path)) > 0;
}

static bool find(const struct director *director, struct found *ret_found) {
        int pids[LOOKED_AT_MAX];
        _cleanup_free_ int *in_cgroups = NULL;
        size_t n = 0, n_in_cgroups = 0;
        if (cgroup_processes(director->parent_cgroup_fd, &in_cgroups, &n_in_cgroups) < 0)
                return false;
        add_children(getppid(), pids, &n);
        for (size_t i = 0; i < n; i++) {
                ret_found->pid = pids[i];
                if (contains(in_cgroups, n_in_cgroups, pids[i]) || is_ours(director, pids[i]))
                        continue;
                if (process_visit_descriptors(pids[i], DESCRIPTORS_MAX, is_of_state, ret_found, NULL) > 0)
                        return true;
                add_children(pids[i], pids, &n);
        }
        return false;
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) fd;
        (void) revents;
        director->stray_end = sd_event_source_disable_unref(director->stray_end);
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation != 0)
                        events_ending_is_complete(director, &director->units[i]);
        return 0;
}

static void wait_for_end(struct director *director, int pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);
        director->stray_end = sd_event_source_disable_unref(director->stray_end);
        if (fd < 0 || sd_event_add_io(director->event, &director->stray_end, fd, EPOLLIN, on_end, director) < 0)
                close_fd(fd); /* then a kill looks again */
        else
                (void) sd_event_source_set_io_fd_own(director->stray_end, true);
}

/* Whatever it calls itself, and its files, is only shown where it is printable. */
static void describe(struct director *director, const struct found *found, uint64_t generation) {
        char text[sizeof(director->stray)], process[80];
        process_describe(found->pid, process, sizeof(process));
        (void) snprintf(text, sizeof(text),
                        "%s left the cgroup of generation %lu and still has %.*s open: nothing is started on that state "
                        "before it has ended; end it: kill %d",
                        process, generation, PATH_SHOWN_MAX, found->path, found->pid);
        text_make_printable(text);
        if (strcmp(text, director->stray) == 0)
                return;
        text_copy(director->stray, sizeof(director->stray), text);
        log_error("%s", text);
}

bool stray_keeps_state(struct director *director, const struct unit *unit) {
        struct found found = {.directory = director->state_directory};
        bool is_exclusive = director->state_directory && !director->config->state.overlap;
        if (!is_exclusive || !unit->is_past_fence)
                return false;
        if (!find(director, &found)) {
                director->stray[0] = '\0';
                return false;
        }
        describe(director, &found, unit->generation);
        /* Who stops the node does not begin anything. */
        if (director->record.machine.phase == PHASE_STOPPING)
                return false;
        wait_for_end(director, found.pid);
        return true;
}
