#include "spawn.h"

#include "families.h"
#include "fence.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ENVIRONMENT_RESERVE 3 /* LISTEN_PID, the end, one spare */

static _Noreturn void run_child(struct keeper *keeper, const struct spawn_plan *plan, int status_fd);

/* Splits the block of strings: path, working directory, arguments, environment. */
static int split_strings(const struct keeper_spawn *request, struct spawn_plan *plan) {
        const char *at = request->strings, *end = request->strings + request->strings_size;
        size_t n = 2 + (size_t) request->n_arguments + request->n_environment;
        for (size_t i = 0; i < n; i++) {
                const char *stop = memchr(at, '\0', (size_t) (end - at));
                if (!stop)
                        return -EBADMSG;
                if (i == 0)
                        plan->path = at;
                else if (i == 1)
                        plan->working_directory = at;
                else if (i < 2 + (size_t) request->n_arguments)
                        plan->arguments[i - 2] = (char *) at;
                else
                        plan->environment[i - 2 - request->n_arguments] = (char *) at;
                at = stop + 1;
        }
        return 0;
}

static bool begins_with_hash_bang(int fd) {
        char magic[2];
        return pread(fd, magic, sizeof(magic), 0) == 2 && magic[0] == '#' && magic[1] == '!';
}

int spawn_plan_make(const struct keeper_spawn *request, const int *fds, size_t n_fds, struct spawn_plan *ret_plan) {
        if (request->strings_size > sizeof(request->strings) || request->n_arguments == 0 || request->n_arguments > 4096 ||
                        request->n_environment > 4096 || request->n_groups > ELEMENTS(request->groups) ||
                        request->n_limits > KEEPER_LIMITS_MAX || request->has_gate > 1 ||
                        (uint64_t) request->n_listen + request->has_gate + 2 != n_fds || request->fence > SPAWN_FENCE_EXEC ||
                        request->kind < SPAWN_GENERATION || request->kind > SPAWN_READER)
                return -EBADMSG;
        struct spawn_plan plan = {.request = request, .fds = fds, .n_fds = n_fds};
        plan.arguments = calloc((size_t) request->n_arguments + 1, sizeof(char *));
        plan.environment = calloc((size_t) request->n_environment + ENVIRONMENT_RESERVE, sizeof(char *));
        int r = plan.arguments && plan.environment ? split_strings(request, &plan) : -ENOMEM;
        if (r < 0) {
                spawn_plan_done(&plan);
                return r;
        }
        plan.is_script = begins_with_hash_bang(fds[0]);
        *ret_plan = plan;
        return 0;
}

void spawn_plan_done(struct spawn_plan *plan) {
        free(plan->arguments);
        free(plan->environment);
        plan->arguments = plan->environment = NULL;
}

int spawn_child(struct keeper *keeper, const struct spawn_plan *plan, int cgroup_fd, int *ret_pid, int *ret_pidfd,
                int *ret_status_fd) {
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2], pidfd = -1;
        INVARIANT(plan->n_fds >= 2 && plan->n_fds <= WIRE_FDS_MAX);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        struct clone_args arguments = {
                        .flags = CLONE_INTO_CGROUP | CLONE_PIDFD,
                        .pidfd = (uint64_t) (uintptr_t) &pidfd,
                        .exit_signal = SIGCHLD,
                        .cgroup = (unsigned) cgroup_fd,
        };
        long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(keeper, plan, theirs);
        *ret_pid = (int) pid;
        *ret_pidfd = pidfd;
        *ret_status_fd = TAKE_FD(ours);
        return 0;
}

/* From here on: the child. Only calls that are safe between clone and exec. */

static _Noreturn void fail(int status_fd, const char *step) {
        struct spawn_report report = {.kind = SPAWN_FAILED, .error = -errno};
        text_copy(report.step, sizeof(report.step), step);
        (void) send(status_fd, &report, sizeof(report), MSG_NOSIGNAL);
        _exit(127);
}

static void tell(int status_fd, enum spawn_report_kind kind, int fd_along) {
        struct spawn_report report = {.kind = kind};
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec part = {&report, sizeof(report)};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (fd_along >= 0) {
                message.msg_control = control;
                message.msg_controllen = sizeof(control);
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(c), &fd_along, sizeof(int));
        }
        if (sendmsg(status_fd, &message, MSG_NOSIGNAL) < 0)
                _exit(127);
}

static void reset_signals(int status_fd) {
        sigset_t none;
        sigemptyset(&none);
        for (int number = 1; number < NSIG; number++)
                (void) signal(number, SIG_DFL);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                fail(status_fd, "resetting the signal mask");
}

/* Everything is first moved above the range that is about to be filled, so that no descriptor is overwritten before it
 * was moved to its place. */
static void place_descriptors(const struct spawn_plan *plan, int null_fd, int *status_fd, int *command_fd) {
        int high[WIRE_FDS_MAX], base = 3 + (int) plan->n_fds;
        int status = fcntl(*status_fd, F_DUPFD_CLOEXEC, base);
        int null = fcntl(null_fd, F_DUPFD_CLOEXEC, base);
        if (status < 0 || null < 0)
                fail(*status_fd, "moving descriptors");
        for (size_t i = 0; i < plan->n_fds; i++) {
                high[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, base);
                if (high[i] < 0)
                        fail(status, "moving descriptors");
        }
        *status_fd = status;
        *command_fd = high[0];
        if (dup2(null, STDIN_FILENO) < 0 || dup2(high[1], STDOUT_FILENO) < 0 ||
                        (plan->request->kind != SPAWN_ARCHIVIST && dup2(high[1], STDERR_FILENO) < 0))
                fail(status, "setting up standard output");
        for (size_t i = 2; i < plan->n_fds; i++)
                if (dup2(high[i], 1 + (int) i) < 0)
                        fail(status, "handing over sockets");
}

/* A child may wait long before its exec, and the keeper's lock and links must not outlive the keeper in it. */
static void close_others(unsigned first, int status_fd, int command_fd) {
        unsigned low = (unsigned) (status_fd < command_fd ? status_fd : command_fd);
        unsigned high = (unsigned) (status_fd < command_fd ? command_fd : status_fd);
        int r = low > first ? close_range(first, low - 1, 0) : 0;
        if (r >= 0 && high > low + 1)
                r = close_range(low + 1, high - 1, 0);
        if (r < 0 || close_range(high + 1, ~0U, 0) < 0)
                fail(status_fd, "closing the keeper's descriptors");
}

static void set_limits(const struct keeper_spawn *request, int status_fd) {
        for (uint32_t i = 0; i < request->n_limits; i++) {
                struct rlimit limit = {request->limits[i].soft, request->limits[i].hard};
                if (setrlimit((__rlimit_resource_t) request->limits[i].resource, &limit) < 0)
                        fail(status_fd, "setting resource limits");
        }
}

/* Opening /dev/stderr opens the pipe anew, which only its owner may. Pipes only: no file changes hands for the director. */
static void give_output(const struct keeper_spawn *request, int status_fd) {
        struct stat st;
        if (fstat(STDOUT_FILENO, &st) < 0 || (S_ISFIFO(st.st_mode) && fchown(STDOUT_FILENO, request->uid, request->gid) < 0))
                fail(status_fd, "giving it its output");
}

static void change_user(const struct keeper *keeper, const struct keeper_spawn *request, int status_fd) {
        gid_t groups[ELEMENTS(request->groups)];
        bool is_ours = request->kind == SPAWN_FETCHER || request->kind == SPAWN_READER;
        uid_t uid = is_ours ? keeper->prober_uid : request->uid;
        gid_t gid = is_ours ? keeper->prober_gid : request->gid;
        for (uint32_t i = 0; i < request->n_groups; i++)
                groups[i] = request->groups[i];
        if (setgroups(is_ours ? 0 : request->n_groups, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                fail(status_fd, "changing the user");
        /* Not for root: its programs would come up with the keeper's reduced set instead of their own. */
        if (uid != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                fail(status_fd, "setting no_new_privs");
        /* I3: the gate goes with the keeper. After the change of user, which takes it back. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                fail(status_fd, "tying its life to the keeper's");
}

static void wait_at_exec(int status_fd) {
        char go;
        tell(status_fd, SPAWN_WAITING, -1);
        if (recv(status_fd, &go, 1, 0) != 1)
                _exit(127); /* the keeper is gone: nobody may pass the fence unseen */
}

static _Noreturn void run_child(struct keeper *keeper, const struct spawn_plan *plan, int status_fd) {
        const struct keeper_spawn *request = plan->request;
        static char listen_pid[32];
        int command_fd = -1;

        reset_signals(status_fd);
        (void) setsid();
        place_descriptors(plan, keeper->null_fd, &status_fd, &command_fd);
        close_others(1 + (unsigned) (plan->n_fds > 2 ? plan->n_fds : 2), status_fd, command_fd);
        set_limits(request, status_fd);
        /* The listener needs CAP_SYS_ADMIN or no_new_privs, so it comes before the user is changed. */
        if (request->fence == SPAWN_FENCE_LOCK || request->watches_sockets) {
                int listener = fence_install(request->fence == SPAWN_FENCE_LOCK, request->watches_sockets);
                if (listener < 0) {
                        errno = -listener;
                        fail(status_fd, "installing the fence");
                }
                tell(status_fd, SPAWN_LISTENING, listener);
                close_fd(listener);
        }
        if (request->is_cut_off) {
                int r = families_restrict();
                if (r < 0) {
                        errno = -r;
                        fail(status_fd, "cutting it off from other networks");
                }
        }
        if (request->kind == SPAWN_GENERATION || request->kind == SPAWN_HELPER)
                give_output(request, status_fd);
        if (request->kind != SPAWN_ARCHIVIST)
                change_user(keeper, request, status_fd);
        /* As the node's own user, because root may not be let into a directory that the user may enter. */
        if (chdir(*plan->working_directory ? plan->working_directory : "/") < 0)
                fail(status_fd, "entering the working directory");
        if (request->n_listen > 0) {
                (void) snprintf(listen_pid, sizeof(listen_pid), "LISTEN_PID=%d", getpid());
                plan->environment[request->n_environment] = listen_pid;
        }
        if (request->fence == SPAWN_FENCE_EXEC)
                wait_at_exec(status_fd);
        /* An interpreter opens the script by its path; the release's directory is root's and read-only. */
        if (plan->is_script)
                (void) execve(plan->path, plan->arguments, plan->environment);
        else
                (void) syscall(SYS_execveat, command_fd, "", plan->arguments, plan->environment, AT_EMPTY_PATH);
        fail(status_fd, "executing the command");
}
