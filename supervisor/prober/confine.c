#include "confine.h"

#include "../lib/base.h"
#include "../lib/sandbox.h"

int prober_confine(void) {
        static const char *const allowed[] = {"read", "write", "readv", "writev", "recvfrom", "recvmsg",
                        "sendto", "sendmsg", "connect", "getsockopt", "setsockopt", "getsockname",
                        "getpeername", "shutdown", "close", "poll", "ppoll", "epoll_wait", "epoll_pwait",
                        "epoll_pwait2", "epoll_ctl", "timerfd_settime", "timerfd_create", "clock_gettime",
                        "clock_getres", "gettimeofday", "time", "getrandom", "futex", "mmap", "munmap",
                        "mremap", "mprotect", "madvise", "brk", "fcntl", "rt_sigaction", "rt_sigprocmask",
                        "rt_sigreturn", "getpid", "gettid", "getuid", "geteuid", "tgkill", "exit",
                        "exit_group", "restart_syscall", "fstat", "sched_yield", "lseek", "sigaltstack",
                        NULL};
        /* What libcurl, OpenSSL and the C library of this or another version try, and go on without. */
        static const char *const denied[] = {"socket", "socketpair", "bind", "listen", "openat", "open",
                        "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
                        "readlink", "readlinkat", "getcwd", "ioctl", "uname", "sysinfo", "pipe2", "eventfd2",
                        "dup", "prctl", "rseq", "getgid", "getegid", "getppid", "clone", "clone3",
                        "prlimit64", "sched_getaffinity", "set_robust_list", NULL};
        return sandbox_allow_calls(allowed, denied);
}
