#include "rehearsal_leftovers.h"

#include "../lib/cgroup.h"
#include "../lib/release_files.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#define PARENT "/tmp"
#define PREFIX "interrex-rehearsal."
#define CGROUP_LINK "cgroup"
#define KILL_TIMEOUT_US (20 * USEC_PER_SEC)

int rehearsal_make_directory(struct rehearsal *rehearsal) {
        (void)snprintf(rehearsal->directory, sizeof(rehearsal->directory), PARENT "/" PREFIX "%d.XXXXXX",
                        getpid());
        if (!mkdtemp(rehearsal->directory)) {
                rehearsal->directory[0] = '\0';
                return -errno;
        }
        rehearsal->lock_fd = open(rehearsal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        /* The roles of its supervisor are other users. */
        return rehearsal->lock_fd < 0 || flock(rehearsal->lock_fd, LOCK_EX | LOCK_NB) < 0 ||
                                               fchmod(rehearsal->lock_fd, 0755) < 0
                               ? -errno
                               : 0;
}

int rehearsal_note_cgroup(const struct rehearsal *rehearsal) {
        return symlinkat(rehearsal->cgroup_path, rehearsal->lock_fd, CGROUP_LINK) < 0 ? -errno : 0;
}

/* True: nothing of it is there any more. */
static bool end_cgroup(int directory_fd) {
        char path[PATH_MAX];
        ssize_t n = readlinkat(directory_fd, CGROUP_LINK, path, sizeof(path) - 1);
        if (n < 0)
                return true; /* it had come to none */
        path[n] = '\0';
        char *name = strrchr(path, '/');
        if (!name || strncmp(name + 1, REHEARSAL_CGROUP, strlen(REHEARSAL_CGROUP)) != 0)
                return false;
        _cleanup_close_ int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cgroup < 0)
                return errno == ENOENT;
        *name++ = '\0';
        _cleanup_close_ int parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return parent >= 0 && cgroup_kill_and_wait(cgroup, KILL_TIMEOUT_US) >= 0 &&
               cgroup_remove(parent, name) >= 0;
}

/* Whether its maker lives is told by the lock, for a process of another PID namespace is not found here; and where the maker has just made
 * it and has no lock yet, by the process id in its name. */
static bool is_left(const char *name, const struct stat *st, int fd) {
        char *end = NULL;
        long pid = strtol(name + strlen(PREFIX), &end, 10);
        bool is_gone = *end == '.' && pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) < 0 &&
                       errno == ESRCH;
        return is_gone && st->st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) >= 0;
}

static void sweep_one(int parent_fd, const char *name) {
        struct stat st;
        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && fstat(fd, &st) >= 0 && is_left(name, &st, fd) && end_cgroup(fd))
                (void)tree_remove(parent_fd, name);
}

void rehearsal_sweep(void) {
        DIR *folder = opendir(PARENT);
        for (const struct dirent *entry; folder && (entry = readdir(folder));)
                if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0)
                        sweep_one(dirfd(folder), entry->d_name);
        if (folder)
                (void)closedir(folder);
}
