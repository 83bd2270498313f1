#include "keeper.h"

#include "../lib/cgroup.h"
#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "context.h"
#include "generation.h"
#include "park.h"
#include "pin.h"
#include "roles.h"
#include "sandbox_keeper.h"
#include "setup.h"
#include "store.h"
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata);
static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata);
static int prepare(struct keeper *keeper);
static void end(struct keeper *keeper);

int keeper_main(const struct keeper_options *options) {
        log_open("keeper");
        if (geteuid() != 0) {
                log_error("`interrex run` must be root: it makes cgroups, changes users and loads BPF programs; try sudo");
                return EXIT_NOT_PERMITTED;
        }
        if (keeper_check_capabilities() < 0)
                return EXIT_NOT_PERMITTED;
        struct keeper *keeper = calloc(1, sizeof(*keeper));
        if (!keeper)
                return EXIT_FAILED;
        keeper->options = *options;
        keeper->instance = now_realtime();
        keeper->config_fd = keeper->null_fd = keeper->cgroup_fd = keeper->cgroup_own_fd = keeper->director_link = -1;
        keeper->lock_fds[0] = keeper->lock_fds[1] = keeper->pins_fd = -1;
        int status = prepare(keeper);
        if (status == 0 && roles_start_director(keeper) < 0)
                status = EXIT_FAILED;
        if (status == 0) {
                status = sd_event_loop(keeper->event);
                if (status < 0)
                        status = EXIT_FAILED;
        }
        end(keeper);
        return status;
}

/* As PID 1 the keeper is everybody's parent in the end, so it takes in whatever ends. */
static int on_child(sd_event_source *source, const struct signalfd_siginfo *signal_info, void *userdata) {
        struct keeper *keeper = userdata;
        (void) source;
        (void) signal_info;
        for (;;) {
                siginfo_t info = {0};
                if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | (int) __WALL) < 0 || info.si_pid == 0)
                        return 0;
                if (park_stopped(keeper, &info))
                        continue;
                if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED)
                        continue;
                if (!roles_reaped(keeper, &info))
                        (void) generation_reaped(keeper, &info);
        }
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct keeper *keeper = userdata;
        struct keeper_stop stop = {.signal = (int32_t) info->ssi_signo};
        (void) source;
        if (keeper->stop_was_asked || keeper->director_link < 0 || !keeper->is_set_up) {
                log_notice("asked to stop twice, or before the node ran: ending everything now");
                keeper->is_ending = true;
                return sd_event_exit(keeper->event, EXIT_DONE);
        }
        keeper->stop_was_asked = true;
        keeper->stop_signal = stop.signal;
        (void) wire_send(keeper->director_link, KEEPER_STOP, &stop, sizeof(stop), NULL, 0);
        return 0;
}

static int open_config(struct keeper *keeper) {
        keeper->config_fd = open(keeper->options.config_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (keeper->config_fd >= 0)
                return 0;
        log_error("cannot read the configuration %s: %m", keeper->options.config_path);
        return EXIT_USAGE;
}

static int find_cgroup(struct keeper *keeper) {
        int r = cgroup_open_own(&keeper->cgroup_own_path, &keeper->cgroup_own_fd);
        if (r >= 0)
                return 0;
        log_errno(r, "no cgroup2 is mounted, and without it a generation cannot be fenced: mount one with "
                     "`mount -t cgroup2 none /sys/fs/cgroup`");
        return EXIT_FAILED;
}

static void find_uprobe_type(struct keeper *keeper) {
        _cleanup_fclose_ FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
        if (!file || fscanf(file, "%u", &keeper->uprobe_type) != 1)
                keeper->uprobe_type = 0;
}

static int watch_signals(struct keeper *keeper) {
        static const int stop_signals[] = {SIGTERM, SIGINT};
        int flags = SD_EVENT_SIGNAL_PROCMASK;
        (void) signal(SIGHUP, SIG_IGN);
        (void) signal(SIGPIPE, SIG_IGN);
        int r = sd_event_add_signal(keeper->event, NULL, SIGCHLD | flags, on_child, keeper);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(stop_signals); i++)
                r = sd_event_add_signal(keeper->event, NULL, stop_signals[i] | flags, on_stop_signal, keeper);
        return r;
}

static int prepare(struct keeper *keeper) {
        int status = open_config(keeper);
        if (status == 0)
                status = find_cgroup(keeper);
        if (status != 0)
                return status;
        setup_find_users(keeper);
        find_uprobe_type(keeper);
        keeper->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (keeper->null_fd < 0) {
                log_error("cannot open /dev/null: %m");
                return EXIT_FAILED;
        }
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        int r = sd_event_default(&keeper->event);
        if (r >= 0)
                r = watch_signals(keeper);
        if (r >= 0)
                r = keeper_sandbox();
        if (r < 0) {
                log_errno(r, "cannot prepare the keeper");
                return EXIT_FAILED;
        }
        return 0;
}

static void end(struct keeper *keeper) {
        keeper->is_ending = true;
        roles_end(keeper);
        generation_end_all(keeper);
        store_close(keeper);
        pin_close(keeper);
        if (keeper->cgroup_fd >= 0) {
                char path[64], folder[4096];
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", keeper->cgroup_fd);
                ssize_t n = readlink(path, folder, sizeof(folder) - 1);
                if (n > 0) {
                        folder[n] = '\0';
                        (void) rmdir(folder);
                }
        }
        keeper->director_source = sd_event_source_disable_unref(keeper->director_source);
        keeper->liveness_timer = sd_event_source_disable_unref(keeper->liveness_timer);
        keeper->event = sd_event_unref(keeper->event);
        free(keeper->cgroup_own_path);
        free(keeper);
}
