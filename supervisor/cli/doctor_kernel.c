#include "doctor.h"

#include <linux/seccomp.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define OLDEST_MAJOR 5
#define OLDEST_MINOR 15
#define NEWER_KERNEL "use Linux 5.15 or newer"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static void look_at_version(struct findings *findings);
static void try_pidfd_getfd(struct findings *findings);
static void try_seccomp(struct findings *findings);
static void look_at_uprobes(struct findings *findings);
static void look_at_types(struct findings *findings);

void doctor_kernel(struct findings *findings) {
        look_at_version(findings);
        try_pidfd_getfd(findings);
        try_seccomp(findings);
        look_at_uprobes(findings);
        look_at_types(findings);
}

/* Distributions carry features back, so an old number alone is no reason to give up: the other rows decide.
 */
static void look_at_version(struct findings *findings) {
        struct utsname name;
        unsigned kernel_major = 0, kernel_minor = 0;
        if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &kernel_major, &kernel_minor) != 2) {
                findings_add(findings, "kernel", FINDING_DEGRADED, NEWER_KERNEL, "its version is not known");
                return;
        }
        bool is_old = kernel_major < OLDEST_MAJOR ||
                      (kernel_major == OLDEST_MAJOR && kernel_minor < OLDEST_MINOR);
        findings_add(findings, "kernel", is_old ? FINDING_DEGRADED : FINDING_OK, NEWER_KERNEL,
                        "Linux %.64s%s", name.release, is_old ? ": interrex is tested from 5.15 on" : "");
}

static void try_pidfd_getfd(struct findings *findings) {
        _cleanup_close_ int self = pidfd_open(getpid(), 0), pipe_end = -1, other_end = -1, copy = -1;
        int ends[2];
        if (pipe(ends) == 0) {
                pipe_end = ends[0];
                other_end = ends[1];
        }
        copy = self < 0 ? -1 : pidfd_getfd(self, pipe_end, 0);
        if (copy >= 0)
                findings_add(findings, "pidfd_getfd", FINDING_OK, NULL,
                                "the node's own sockets can be held");
        else
                findings_add(findings, "pidfd_getfd", FINDING_MISSING,
                                "use Linux 5.6 or newer; in a container allow the call in its seccomp "
                                "profile",
                                "the node's own sockets cannot be held: %m");
}

/* Flags are looked at before the filter, so that one without a filter tells whether they are known: EFAULT
 * if so. */
static bool seccomp_knows(unsigned long flags) {
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

static void try_seccomp(struct findings *findings) {
        uint32_t action = SECCOMP_RET_USER_NOTIF;
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
                findings_add(findings, "seccomp notification", FINDING_DEGRADED,
                                "use a kernel with CONFIG_SECCOMP_FILTER, or set state.fence: exec",
                                "a new release cannot be parked at its state lock: only `fence: exec` works "
                                "(%m)");
                return;
        }
        findings_add(findings, "seccomp notification", FINDING_OK, NULL,
                        "a new release can be parked at its state lock");
        if (seccomp_knows(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV))
                findings_add(findings, "seccomp killable wait", FINDING_OK, NULL,
                                "signals do not disturb a parked release");
        else
                findings_add(findings, "seccomp killable wait", FINDING_DEGRADED,
                                "use Linux 5.19 or newer, or set state.fence: exec for nodes written in Go",
                                "a parked release that gets signals (Go's scheduler) asks for its lock "
                                "again and again");
}

static void look_at_uprobes(struct findings *findings) {
        _cleanup_fclose_ FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
        unsigned type;
        if (file && fscanf(file, "%u", &type) == 1)
                findings_add(findings, "uprobes", FINDING_OK, NULL,
                                "the exact gate can be set on a node's commit function");
        else
                findings_add(findings, "uprobes", FINDING_DEGRADED,
                                "use a kernel with CONFIG_UPROBE_EVENTS, and mount /sys; or another "
                                "gate.kind",
                                "no exact gate for nodes as they are: `gate.kind: uprobe` does not work");
}

static void look_at_types(struct findings *findings) {
        if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
                findings_add(findings, "kernel types", FINDING_OK, NULL,
                                "only the node itself can write to its notify socket, and no SIGCONT lets "
                                "it "
                                "pass an exact gate");
        else
                findings_add(findings, "kernel types", FINDING_DEGRADED,
                                "use a kernel with CONFIG_DEBUG_INFO_BTF, and mount /sys",
                                "any process on this machine can write to a node's notify socket, and a "
                                "SIGCONT may let a node pass an exact gate (%m)");
}
