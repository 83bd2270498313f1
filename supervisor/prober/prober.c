#include "prober.h"

#include "../lib/log.h"
#include "../lib/sandbox.h"
#include "check.h"
#include "watches.h"
#include <signal.h>

static int serve(struct prober *prober, uid_t uid, gid_t gid);

int prober_main(int argc, char **argv) {
        struct prober *prober = calloc(1, sizeof(*prober));
        uid_t uid = 0;
        gid_t gid = 0;
        log_open("prober");
        if (!prober)
                return 1;
        prober->link = -1;
        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--link") == 0)
                        prober->link = atoi(argv[i + 1]);
                else if (strcmp(argv[i], "--uid") == 0)
                        uid = (uid_t) strtoul(argv[i + 1], NULL, 10);
                else if (strcmp(argv[i], "--gid") == 0)
                        gid = (gid_t) strtoul(argv[i + 1], NULL, 10);
        }
        for (size_t i = 0; i < CHECKS_MAX; i++)
                prober->checks[i].fd = -1;
        int r = prober->link < 0 ? -EINVAL : serve(prober, uid, gid);
        if (r < 0)
                log_errno(r, "the prober cannot work");
        return r < 0 ? 1 : 0;
}

void prober_tell(struct prober *prober, uint32_t type, const void *body, size_t size) {
        if (wire_send(prober->link, type, body, size, NULL, 0) < 0)
                (void) sd_event_exit(prober->event, 0);
}

static void dispatch(struct prober *prober, struct wire_message *message) {
        void *body = message->body;
        int fd = message->n_fds > 0 ? TAKE_FD(message->fds[0]) : -1;
        switch (message->type) {
        case PROBER_CHECK: {
                struct prober_check *request = body;
                if (wire_text_is_valid(request->url, sizeof(request->url)) && wire_text_is_valid(request->argument, sizeof(request->argument)) &&
                                request->address_length <= sizeof(request->address) && request->id != 0)
                        check_begin(prober, request, TAKE_FD(fd));
                break;
        }
        case PROBER_READ_TEXT: {
                struct prober_read_text *request = body;
                if (wire_text_is_valid(request->pattern, sizeof(request->pattern)) && request->id != 0)
                        check_begin_text(prober, request, TAKE_FD(fd));
                break;
        }
        case PROBER_WATCH_LOG: {
                struct prober_watch_log *request = body;
                if (wire_text_is_valid(request->prefix, sizeof(request->prefix)) && wire_text_is_valid(request->pattern, sizeof(request->pattern)) &&
                                request->generation != 0)
                        watch_log(prober, request, TAKE_FD(fd));
                break;
        }
        case PROBER_WATCH_NOTIFY:
                watch_notify(prober, body, TAKE_FD(fd));
                break;
        case PROBER_CANCEL:
                check_cancel(prober, ((struct prober_cancel *) body)->id);
                break;
        case PROBER_FORGET:
                watch_forget(prober, ((struct prober_forget *) body)->generation);
                break;
        }
        close_fd(fd);
}

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct prober *prober = userdata;
        (void) source;
        (void) fd;
        (void) revents;
        int r = wire_receive(prober->link, prober_requests, n_prober_requests, &prober->message);
        if (r < 0 && r != -EBADMSG)
                return sd_event_exit(prober->event, 0);
        if (r > 0) {
                dispatch(prober, &prober->message);
                wire_message_done(&prober->message);
        }
        return 0;
}

static int confine(void) {
        static const char *const allowed[] = {"read", "write", "readv", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg",
                        "connect", "getsockopt", "setsockopt", "getsockname", "getpeername", "shutdown", "close", "poll", "ppoll",
                        "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "timerfd_settime", "timerfd_create",
                        "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom", "futex", "mmap", "munmap", "mremap",
                        "mprotect", "madvise", "brk", "fcntl", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "getpid", "gettid",
                        "getuid", "geteuid", "tgkill", "exit", "exit_group", "restart_syscall", "fstat", "sched_yield", "lseek", NULL};
        /* Libraries try these and go on without. */
        static const char *const denied[] = {"socket", "openat", "open", "stat", "newfstatat", "statx", "access", "ioctl", "uname",
                        "sysinfo", "pipe2", "eventfd2", "readlink", "getcwd", "socketpair", "prctl", "rseq", "getgid", "getegid", NULL};
        return sandbox_allow_calls(allowed, denied);
}

static int serve(struct prober *prober, uid_t uid, gid_t gid) {
        struct prober_ready ready = {.pid = (uint64_t) getpid()};
        (void) signal(SIGPIPE, SIG_IGN);
        int r = sandbox_become(uid, gid, NULL, 0);
        if (r >= 0)
                r = sd_event_default(&prober->event);
        if (r >= 0)
                r = http_open(prober);
        if (r >= 0)
                r = sd_event_add_io(prober->event, NULL, prober->link, EPOLLIN, on_link, prober);
        if (r >= 0)
                r = confine();
        if (r < 0)
                return r;
        prober_tell(prober, PROBER_READY, &ready, sizeof(ready));
        return sd_event_loop(prober->event);
}
