#include "roles.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "fence.h"
#include "generation.h"
#include "liveness.h"
#include "requests.h"
#include "store.h"
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* A role that dies at once is not started more often than this. */
#define RESTART_INTERVAL_US USEC_PER_SEC
#define RESTARTS_AT_ONCE 10

#define ROLE_LINK_FD 3

static _Noreturn void run_role(const char *name, int link, uid_t uid, gid_t gid) {
        char uid_text[16], gid_text[16], link_text[16];
        sigset_t none;
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* without the keeper they must not act on their own */
        (void) setsid();
        if (dup2(link, ROLE_LINK_FD) < 0 || close_range(ROLE_LINK_FD + 1, ~0U, 0) < 0)
                _exit(127);
        if (link == ROLE_LINK_FD)
                (void) fcntl(link, F_SETFD, 0);
        (void) snprintf(uid_text, sizeof(uid_text), "%u", uid);
        (void) snprintf(gid_text, sizeof(gid_text), "%u", gid);
        (void) snprintf(link_text, sizeof(link_text), "%d", ROLE_LINK_FD);
        (void) execl("/proc/self/exe", name, "--link", link_text, "--uid", uid_text, "--gid", gid_text, NULL);
        _exit(127);
}

static int start(struct role *role, const char *name, uid_t uid, gid_t gid, int *ret_link) {
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2], size = 4 * WIRE_BODY_MAX;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        (void) setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        (void) setsockopt(theirs, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        int pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_role(name, theirs, uid, gid);
        role->pid = pid;
        role->started_at = now_monotonic();
        *ret_link = TAKE_FD(ours);
        return 0;
}

static int send_welcome(struct keeper *keeper) {
        struct keeper_welcome welcome = {
                        .restarts = keeper->director.restarts,
                        .is_pid_1 = getpid() == 1,
                        .director_uid = keeper->director_uid,
                        .director_gid = keeper->director_gid,
                        .instance = keeper->instance,
        };
        text_copy(welcome.node, sizeof(welcome.node), keeper->node);
        text_copy(welcome.state_dir, sizeof(welcome.state_dir), keeper->options.state_dir);
        text_copy(welcome.run_dir, sizeof(welcome.run_dir), keeper->options.run_dir);
        text_copy(welcome.config_path, sizeof(welcome.config_path), keeper->options.config_path);
        return wire_send(keeper->director_link, KEEPER_WELCOME, &welcome, sizeof(welcome), &keeper->config_fd, 1);
}

static int tell_everything(struct keeper *keeper) {
        int r = send_welcome(keeper);
        if (r >= 0 && keeper->is_set_up)
                r = wire_send(keeper->director_link, KEEPER_DIRECTORIES, &keeper->directories, sizeof(keeper->directories),
                                &keeper->cgroup_fd, 1);
        if (r >= 0)
                r = store_tell(keeper);
        if (r >= 0)
                r = generation_tell(keeper);
        if (r >= 0)
                r = wire_send(keeper->director_link, KEEPER_RESUME, NULL, 0, NULL, 0);
        if (r >= 0 && keeper->stop_was_asked) {
                struct keeper_stop stop = {.signal = keeper->stop_signal};
                r = wire_send(keeper->director_link, KEEPER_STOP, &stop, sizeof(stop), NULL, 0);
        }
        return r;
}

int roles_start_director(struct keeper *keeper) {
        int r = start(&keeper->director, "interrex-director", keeper->director_uid, keeper->director_gid, &keeper->director_link);
        if (r < 0)
                return log_errno(r, "cannot start the director");
        r = sd_event_add_io(keeper->event, &keeper->director_source, keeper->director_link, EPOLLIN, requests_on_link, keeper);
        if (r >= 0)
                r = liveness_watch(keeper);
        if (r < 0)
                return log_errno(r, "cannot watch the director");
        (void) tell_everything(keeper); /* a director that died meanwhile is reaped and started again */
        if (!keeper->is_set_up)
                return 0;
        /* The old prober's link died with the old director. */
        return keeper->prober.pid > 0 ? kill(keeper->prober.pid, SIGKILL) : roles_start_prober(keeper);
}

int roles_start_prober(struct keeper *keeper) {
        _cleanup_close_ int link = -1;
        if (keeper->director_link < 0)
                return 0; /* started together with the next director */
        int r = start(&keeper->prober, "interrex-prober", keeper->prober_uid, keeper->prober_gid, &link);
        if (r < 0)
                return log_errno(r, "cannot start the prober");
        (void) wire_send(keeper->director_link, KEEPER_PROBER, NULL, 0, &link, 1);
        return 0;
}

static int on_retry_director(sd_event_source *source, uint64_t usec, void *userdata) {
        struct keeper *keeper = userdata;
        (void) source;
        (void) usec;
        keeper->director.retry = sd_event_source_unref(keeper->director.retry);
        return roles_start_director(keeper);
}

static int on_retry_prober(sd_event_source *source, uint64_t usec, void *userdata) {
        struct keeper *keeper = userdata;
        (void) source;
        (void) usec;
        keeper->prober.retry = sd_event_source_unref(keeper->prober.retry);
        return roles_start_prober(keeper);
}

/* At once, unless it lived for less than the interval. */
static int start_again(struct keeper *keeper, struct role *role, sd_event_time_handler_t handler) {
        uint64_t lived = now_monotonic() - role->started_at;
        uint64_t delay = lived >= RESTART_INTERVAL_US || role->restarts < RESTARTS_AT_ONCE ? 0 : RESTART_INTERVAL_US;
        role->restarts = lived >= 60 * RESTART_INTERVAL_US ? 1 : role->restarts + 1;
        role->pid = 0;
        return sd_event_add_time_relative(keeper->event, &role->retry, CLOCK_MONOTONIC, delay, 0, handler, keeper);
}

static void log_death(const struct keeper *keeper, const char *name, const siginfo_t *how) {
        const char *meanwhile = keeper->has_spawned ? ", the node goes on" : "";
        if (how->si_code == CLD_EXITED)
                log_warning("the %s ended with status %d; starting it again%s", name, how->si_status, meanwhile);
        else
                log_warning("the %s was killed by signal %d (%s); starting it again%s", name, how->si_status,
                                strsignal(how->si_status), meanwhile);
}

static int director_reaped(struct keeper *keeper, const siginfo_t *how) {
        /* What it said last must not be lost with it. */
        requests_drain(keeper);
        keeper->director_source = sd_event_source_disable_unref(keeper->director_source);
        keeper->director_link = close_fd(keeper->director_link);
        if (keeper->is_ending)
                return 1;
        /* As long as nothing was started, a director that gives up has said why, and would only say it again; one that is
         * killed each time would be so for ever. */
        bool has_lost_patience = keeper->director.restarts >= RESTARTS_AT_ONCE;
        if (!keeper->is_set_up || (!keeper->has_spawned && (how->si_code == CLD_EXITED || has_lost_patience))) {
                if (how->si_code != CLD_EXITED)
                        log_error("the director was killed by signal %d (%s) before the node could be started: nothing runs",
                                        how->si_status, strsignal(how->si_status));
                keeper->is_ending = true;
                (void) sd_event_exit(keeper->event, how->si_code == CLD_EXITED && how->si_status ? how->si_status : 1);
                return 1;
        }
        /* Such as where the state directory is gone. The node goes on without one, but can only be stopped so. */
        if (keeper->stop_was_asked && how->si_code == CLD_EXITED && has_lost_patience) {
                log_error("the director does not come up to stop the node: ending everything now");
                keeper->is_ending = true;
                (void) sd_event_exit(keeper->event, EXIT_FAILED);
                return 1;
        }
        log_death(keeper, "director", how);
        int r = start_again(keeper, &keeper->director, on_retry_director);
        return r < 0 ? log_errno(r, "cannot start the director again") : 1;
}

int roles_reaped(struct keeper *keeper, const siginfo_t *how) {
        if (how->si_pid == keeper->director.pid)
                return director_reaped(keeper, how);
        if (how->si_pid != keeper->prober.pid)
                return 0;
        keeper->prober.pid = 0;
        if (keeper->is_ending)
                return 1;
        /* It ends with 0 when its director is gone, whose end is told. */
        bool is_its_directors = how->si_code == CLD_EXITED && how->si_status == 0;
        if (keeper->director_link >= 0 && !is_its_directors)
                log_death(keeper, "prober", how);
        int r = start_again(keeper, &keeper->prober, on_retry_prober);
        return r < 0 ? log_errno(r, "cannot start the prober again") : 1;
}

void roles_kill_prober(struct keeper *keeper) {
        if (keeper->prober.pid > 0)
                (void) kill(keeper->prober.pid, SIGKILL);
}

void roles_end(struct keeper *keeper) {
        if (keeper->director.pid > 0)
                (void) kill(keeper->director.pid, SIGKILL);
        roles_kill_prober(keeper);
}
