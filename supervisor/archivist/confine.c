#include "confine.h"

#include "../lib/sandbox.h"

/* No network, no exec, no ptrace, no processes: anything that is not named ends the process. */
static const char *const allowed_calls[] = {"read", "pread64", "write", "writev", "pwrite64", "close",
                "openat", "openat2", "fstat", "newfstatat", "fstatat64", "statx", "lseek", "_llseek", "mmap",
                "mmap2", "munmap", "mremap", "mprotect", "brk", "madvise", "rt_sigaction", "rt_sigprocmask",
                "rt_sigreturn", "sigaltstack", "exit", "exit_group", "restart_syscall", "getrandom",
                "clock_gettime", "clock_gettime64", "gettimeofday", "futex", "getdents64", "ioctl", "fcntl",
                "fcntl64", "fsync", "fdatasync", "syncfs", "statfs", "statfs64", "fstatfs", "fstatfs64",
                "readlink", "readlinkat", "getcwd", "mkdirat", "unlink", "unlinkat", "renameat", "renameat2",
                "linkat", "symlinkat", "mknodat", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
                "utimensat", "copy_file_range", "ftruncate", "ftruncate64", "flistxattr", "fgetxattr",
                "fsetxattr", "fremovexattr", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "flock",
                "getuid", "geteuid", "getpid", "gettid", "tgkill", "access", "faccessat", "faccessat2",
                "umask", "sysinfo", "rseq", "set_robust_list", "prlimit64", NULL};

static const cap_value_t reading[] = {CAP_DAC_READ_SEARCH};
static const cap_value_t writing[] = {
                CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_CHOWN, CAP_FSETID, CAP_SYS_ADMIN};

static void cap_free_at(cap_t *capabilities) {
        if (*capabilities)
                (void)cap_free(*capabilities);
}

static bool has(cap_t set, cap_value_t capability) {
        cap_flag_value_t value = CAP_CLEAR;
        return cap_get_flag(set, capability, CAP_PERMITTED, &value) == 0 && value == CAP_SET;
}

int confine(enum confinement confinement) {
        const cap_value_t *wanted = confinement == CONFINE_READING ? reading : writing;
        size_t n_wanted = confinement == CONFINE_READING            ? ELEMENTS(reading)
                          : confinement == CONFINE_WRITING_AS_ADMIN ? ELEMENTS(writing)
                                                                    : ELEMENTS(writing) - 1;
        cap_value_t kept[ELEMENTS(writing)];
        size_t n_kept = 0;
        _cleanup_(cap_free_at) cap_t now = cap_get_proc();
        if (!now)
                return -ENOMEM;
        for (size_t i = 0; i < n_wanted; i++)
                if (has(now, wanted[i]))
                        kept[n_kept++] = wanted[i];
        /* Without CAP_SETPCAP the bounding set stays; it only matters to who can exec, and nobody here can.
         */
        int r = has(now, CAP_SETPCAP) ? sandbox_keep_capabilities(kept, n_kept) : 0;
        return r < 0 ? r : sandbox_allow_calls(allowed_calls, NULL);
}
