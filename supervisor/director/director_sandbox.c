#include "director_sandbox.h"

#include "../lib/sandbox.h"

int director_become(uid_t uid, gid_t gid) {
        static const cap_value_t kept[] = {
                        CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, /* kernel programs and their maps */
                        CAP_SYS_PTRACE,                      /* duplicates of the node's sockets */
                        CAP_NET_BIND_SERVICE,                /* LISTEN_FDS on low ports */
        };
        return sandbox_become(uid, gid, kept, ELEMENTS(kept));
}

int director_confine(void) {
        /* No exec, no fork, no connect, no ptrace, no mount, no change of identity. */
        static const char *const allowed[] = {"read", "write", "pread64", "pwrite64", "readv", "writev", "close", "close_range",
                        "openat", "openat2", "open", "fstat", "newfstatat", "stat", "lstat", "statx", "access", "faccessat",
                        "faccessat2", "lseek", "mmap", "munmap", "mremap", "mprotect", "brk", "madvise", "futex", "rt_sigaction",
                        "rt_sigprocmask", "rt_sigreturn", "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "epoll_create1",
                        "poll", "ppoll", "timerfd_create", "timerfd_settime", "timerfd_gettime", "eventfd2", "clock_gettime",
                        "clock_getres", "gettimeofday", "clock_nanosleep", "getrandom", "getpid", "gettid", "getuid", "geteuid",
                        "getgid", "getegid", "getgroups", "getppid", "uname", "sysinfo", "sendmsg", "recvmsg", "sendto", "recvfrom",
                        "socket", "bind", "listen", "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown",
                        "pipe2", "fcntl", "dup", "dup2", "dup3", "ioctl", "bpf", "pidfd_open", "pidfd_getfd", "process_vm_readv",
                        "getdents64", "readlink", "readlinkat", "unlink", "unlinkat", "chmod", "fchmod", "fchmodat", "fchown",
                        "ftruncate", "fsync", "fdatasync", "rename", "renameat", "mkdir", "mkdirat", "rmdir", "umask", "exit",
                        "exit_group", "tgkill", "kill", "prlimit64", "getrlimit", "sched_getaffinity", "sched_yield",
                        "restart_syscall", "rseq", "set_robust_list", "memfd_create", "inotify_init1", "inotify_add_watch",
                        "inotify_rm_watch", "prctl", "getcwd", "fadvise64", "sync_file_range", "utimensat", "signalfd4",
                        "fallocate", "name_to_handle_at", "membarrier", "time", NULL};
        /* Libraries ask for these without needing an answer. */
        static const char *const denied[] = {"connect", "sched_setscheduler", "setpriority", "statfs", "fstatfs", "mlock",
                        "munlock", "flock", NULL};
        return sandbox_allow_calls(allowed, denied);
}
