#include "rehearsal_freeze.h"

#include "../lib/cgroup.h"
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define FREEZE_TIMEOUT_US (2 * USEC_PER_SEC)

static void thaw(int cgroup_fd) {
        (void)cgroup_write(cgroup_fd, "cgroup.freeze", "0");
}

/* The one who asked may be killed with all of its session, its terminal or its cgroup, so this leaves them: into the cgroup of the node's
 * supervisor, with which the node would end as well. Where it cannot enter that one it stays. */
static void leave(int supervisor) {
        _cleanup_close_ int cgroup = -1;
        _cleanup_free_ char *path = NULL;
        (void)setsid();
        if (supervisor > 0 && cgroup_open_of(supervisor, &path, &cgroup) == 0)
                (void)cgroup_write(cgroup, "cgroup.procs", "0");
}

static _Noreturn void watch(int cgroup_fd, int supervisor, int fd) {
        char ready = 0;
        leave(supervisor);
        if (send(fd, &ready, 1, MSG_NOSIGNAL) == 1)
                while (read(fd, &ready, 1) < 0 && errno == EINTR)
                        continue;
        thaw(cgroup_fd);
        _exit(0);
}

/* No signal but SIGKILL ends it. */
static int start_watcher(struct freeze *freeze, int supervisor) {
        int ends[2];
        char ready;
        sigset_t all, before;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        freeze->hold_fd = ends[0];
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &before);
        freeze->watcher = fork();
        int error = errno;
        if (freeze->watcher == 0) {
                close_fd(ends[0]);
                watch(freeze->cgroup_fd, supervisor, ends[1]);
        }
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        close_fd(ends[1]);
        if (freeze->watcher < 0)
                return -error;
        ssize_t n;
        while ((n = read(freeze->hold_fd, &ready, 1)) < 0 && errno == EINTR)
                continue;
        return n == 1 ? 0 : -ESRCH;
}

int freeze_begin(int pid, int supervisor, struct freeze *ret_freeze) {
        struct freeze freeze = FREEZE_NONE;
        _cleanup_free_ char *path = NULL;
        freeze.begun_at = now_monotonic();
        int r = cgroup_open_of(pid, &path, &freeze.cgroup_fd);
        if (r >= 0)
                r = start_watcher(&freeze, supervisor);
        /* Frozen when the kernel says so: a write that is under way must not be half in the snapshot. */
        if (r >= 0)
                r = cgroup_freeze_and_wait(freeze.cgroup_fd, FREEZE_TIMEOUT_US);
        if (r < 0)
                (void)freeze_end(&freeze);
        else
                *ret_freeze = freeze;
        return r;
}

uint64_t freeze_end(struct freeze *freeze) {
        if (freeze->cgroup_fd < 0)
                return 0;
        thaw(freeze->cgroup_fd);
        uint64_t stood_us = now_monotonic() - freeze->begun_at;
        freeze->hold_fd = close_fd(freeze->hold_fd);
        if (freeze->watcher > 0)
                while (waitpid(freeze->watcher, NULL, 0) < 0 && errno == EINTR)
                        continue;
        freeze->cgroup_fd = close_fd(freeze->cgroup_fd);
        return stood_us;
}
