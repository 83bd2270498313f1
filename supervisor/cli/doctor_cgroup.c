#include "doctor.h"

#include "../lib/cgroup.h"
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DELEGATE "in a unit file set Delegate=yes; in a container mount cgroup2 writable and run as root"

static void try_clone_into(struct findings *findings, int cgroup_fd);
static void look_for_file(struct findings *findings, int cgroup_fd, const char *file, const char *meaning);

void doctor_cgroup(struct findings *findings) {
        _cleanup_free_ char *own = NULL;
        _cleanup_close_ int parent = -1, child = -1;
        char name[48];
        int r = cgroup_open_own(&own, &parent);
        if (r < 0) {
                findings_add(findings, "cgroup2", FINDING_MISSING, "mount -t cgroup2 none /sys/fs/cgroup",
                                "without it no generation can be fenced: %s", strerror(-r));
                return;
        }
        (void)snprintf(name, sizeof(name), "interrex-doctor-%d", getpid());
        r = cgroup_make(parent, name, &child);
        if (r < 0) {
                findings_add(findings, "cgroup2", FINDING_MISSING,
                                geteuid() == 0 ? DELEGATE : "run it as root: sudo interrex doctor",
                                "no cgroup can be made below %s: %s", own, strerror(-r));
                return;
        }
        findings_add(findings, "cgroup2", FINDING_OK, NULL, "generations get cgroups of their own below %s",
                        own);
        try_clone_into(findings, child);
        look_for_file(findings, child, "cgroup.kill",
                        "a generation can be ended with everything it has started");
        look_for_file(findings, child, "cgroup.freeze", "a generation can be frozen for a snapshot");
        child = close_fd(child);
        (void)cgroup_remove(parent, name);
}

static void try_clone_into(struct findings *findings, int cgroup_fd) {
        int pidfd = -1, status = 0;
        struct clone_args arguments = {
                        .flags = CLONE_INTO_CGROUP | CLONE_PIDFD,
                        .pidfd = (uint64_t)(uintptr_t)&pidfd,
                        .exit_signal = SIGCHLD,
                        .cgroup = (unsigned)cgroup_fd,
        };
        long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
        if (pid == 0)
                _exit(0);
        if (pid > 0) {
                (void)waitpid((pid_t)pid, &status, 0);
                close_fd(pidfd);
                /* Linux 6.18 does so where the parent's cgroup was once killed, and the child's is another one. */
                if (WIFSIGNALED(status))
                        findings_add(findings, "clone3 into cgroup", FINDING_MISSING,
                                        "start interrex in another cgroup, as systemd does",
                                        "cgroup.kill was once written for this cgroup, and the kernel kills "
                                        "whatever is started from it (signal %d)",
                                        WTERMSIG(status));
                else
                        findings_add(findings, "clone3 into cgroup", FINDING_OK, NULL,
                                        "a generation is in its cgroup from its first instruction on");
        } else
                findings_add(findings, "clone3 into cgroup", FINDING_MISSING,
                                "use Linux 5.7 or newer; in a container allow clone3 in its seccomp profile",
                                "no generation can be started: %m");
}

static void look_for_file(struct findings *findings, int cgroup_fd, const char *file, const char *meaning) {
        if (faccessat(cgroup_fd, file, W_OK, 0) == 0)
                findings_add(findings, file, FINDING_OK, NULL, "%s", meaning);
        else
                findings_add(findings, file, FINDING_MISSING, "use Linux 5.15 or newer",
                                "cannot be written: %m");
}
