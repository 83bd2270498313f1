#include "rehearsal.h"

#include "../archivist/snapshot.h"
#include "../lib/cgroup.h"
#include "../lib/release.h"
#include "../lib/release_files.h"
#include "interrupt.h"
#include "rehearsal_leftovers.h"
#include "rehearsal_place.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CONFIG_BYTES_MAX ((size_t)1024 * 1024)
#define STOP_TIMEOUT_MS 60000

static int write_config(
                struct rehearsal *rehearsal, const char *config_path, const char *version, char **ret_error);
static int copy_release(const struct rehearsal *rehearsal, const char *releases_dir, const char *version,
                char **ret_error);
static _Noreturn void run_supervisor(const struct rehearsal *rehearsal, int parent);

int rehearsal_prepare(struct rehearsal *rehearsal, const char *config_path, const char *releases_dir,
                const char *version, char **ret_error) {
        rehearsal_sweep();
        int r = rehearsal_make_directory(rehearsal);
        if (r < 0)
                return fail_with(ret_error, r, "cannot make a folder in /tmp: %s", strerror(-r));
        (void)snprintf(rehearsal->state_dir, sizeof(rehearsal->state_dir), "%s/state", rehearsal->directory);
        (void)snprintf(rehearsal->run_dir, sizeof(rehearsal->run_dir), "%s/run", rehearsal->directory);
        (void)snprintf(rehearsal->config_path, sizeof(rehearsal->config_path), "%s/node.yaml",
                        rehearsal->directory);
        (void)snprintf(rehearsal->log, sizeof(rehearsal->log), "%s/log", rehearsal->directory);
        r = write_config(rehearsal, config_path, version, ret_error);
        return r < 0 ? r : copy_release(rehearsal, releases_dir, version, ret_error);
}

int rehearsal_start(struct rehearsal *rehearsal, char **ret_error) {
        int parent = getpid();
        /* Of its own: in the one of the live node's supervisor it would take that one's generations for its own leftovers. */
        (void)snprintf(rehearsal->cgroup, sizeof(rehearsal->cgroup), REHEARSAL_CGROUP "%d", parent);
        _cleanup_free_ char *path = NULL;
        int r = cgroup_open_own(&path, &rehearsal->parent_cgroup_fd);
        if (r >= 0 && asprintf(&rehearsal->cgroup_path, "%s/%s", path, rehearsal->cgroup) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = rehearsal_note_cgroup(rehearsal);
        if (r >= 0)
                r = cgroup_make(rehearsal->parent_cgroup_fd, rehearsal->cgroup, &rehearsal->cgroup_fd);
        if (r < 0)
                return fail_with(ret_error, r, "cannot make a cgroup: %s", strerror(-r));
        sigset_t all, before;
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, &before);
        int pid = fork(), error = errno;
        if (pid == 0) {
                interrupt_release();
                (void)sigprocmask(SIG_SETMASK, &before, NULL);
                run_supervisor(rehearsal, parent);
        }
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return fail_with(ret_error, -error, "cannot make a process: %s", strerror(error));
        rehearsal->pid = pid;
        rehearsal->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        return rehearsal->pidfd < 0 ? fail_with(ret_error, -errno, "cannot watch process %d: %s", pid,
                                                      strerror(errno))
                                    : 0;
}

void rehearsal_end(struct rehearsal *rehearsal) {
        struct pollfd ended = {.fd = rehearsal->pidfd, .events = POLLIN};
        _cleanup_free_ char *error = NULL;
        if (rehearsal->pid > 0) {
                (void)kill(rehearsal->pid, SIGTERM);
                if (rehearsal->pidfd < 0 || poll(&ended, 1, STOP_TIMEOUT_MS) != 1)
                        (void)kill(rehearsal->pid, SIGKILL);
                (void)waitpid(rehearsal->pid, NULL, 0);
        }
        close_fd(rehearsal->pidfd);
        if (rehearsal->cgroup_fd >= 0) {
                (void)cgroup_kill_and_wait(rehearsal->cgroup_fd, STOP_TIMEOUT_MS * USEC_PER_MSEC);
                close_fd(rehearsal->cgroup_fd);
                (void)cgroup_remove(rehearsal->parent_cgroup_fd, rehearsal->cgroup);
        }
        close_fd(rehearsal->parent_cgroup_fd);
        if (*rehearsal->snapshot &&
                        snapshot_remove(&rehearsal->config->state, REHEARSAL_SNAPSHOT, &error) < 0)
                (void)fprintf(stderr, "interrex: the snapshot %s is still there: %s; remove it\n",
                                rehearsal->snapshot, error ? error : "?");
        if (*rehearsal->directory)
                (void)tree_remove(AT_FDCWD, rehearsal->directory);
        close_fd(rehearsal->lock_fd);
        config_free(rehearsal->config);
        rehearsal->config = NULL;
        free(rehearsal->cgroup_path);
        rehearsal->cgroup_path = NULL;
}

/* The same words but for the release that starts. A line that begins with the key is the key: nothing else stands at the margin. */
static int write_config(struct rehearsal *rehearsal, const char *config_path, const char *version,
                char **ret_error) {
        _cleanup_(config_mistakes_done) struct config_mistakes mistakes = {0};
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        int r = file_read_small(config_path, CONFIG_BYTES_MAX, &text, &length);
        if (r >= 0)
                r = config_parse(text, length, &rehearsal->config, &mistakes);
        if (r < 0)
                return fail_with(ret_error, r,
                                "the configuration %s cannot be used: %s; `interrex check` says more",
                                config_path, mistakes.n > 0 ? mistakes.items[0].text : strerror(-r));
        _cleanup_fclose_ FILE *out = fopen(rehearsal->config_path, "wxe");
        if (!out)
                return fail_with(ret_error, -errno, "cannot write %s: %s", rehearsal->config_path,
                                strerror(errno));
        char *rest = text, *line;
        (void)fprintf(out, "release: \"%s\"\n", version);
        while ((line = strsep(&rest, "\n")))
                if (strncmp(line, "release:", 8) != 0)
                        (void)fprintf(out, "%s\n", line);
        return fflush(out) == 0 ? 0
                                : fail_with(ret_error, -errno, "cannot write %s: %s", rehearsal->config_path,
                                                  strerror(errno));
}

static int copy_signature(const char *releases_dir, const char *to, const char *version, char **ret_error) {
        _cleanup_free_ char *text = NULL;
        int r = release_read_signature(releases_dir, version, &text);
        if (r == -ENOENT)
                return 0;
        return r < 0 ? fail_with(ret_error, r, "the signature of release %s cannot be read: %s", version,
                                       strerror(-r))
                     : release_sign(to, version, text, ret_error);
}

static int copy_release(const struct rehearsal *rehearsal, const char *releases_dir, const char *version,
                char **ret_error) {
        char from[PATH_MAX + VERSION_TEXT_MAX], to[PATH_MAX];
        bool existed;
        (void)snprintf(from, sizeof(from), "%s/%s", releases_dir, version);
        (void)snprintf(to, sizeof(to), "%s/%s/releases", rehearsal->state_dir, rehearsal->config->node);
        int r = copy_signature(releases_dir, to, version, ret_error);
        return r < 0 ? r
                     : release_add(to, version, from, rehearsal->config->exec.command, NULL, &existed,
                                       ret_error);
}

static _Noreturn void run_supervisor(const struct rehearsal *rehearsal, int parent) {
        int log = open(rehearsal->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        const char *step = NULL;
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (cgroup_write(rehearsal->cgroup_fd, "cgroup.procs", "0") < 0)
                _exit(1);
        if (log < 0 || getppid() != parent || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ||
                        setsid() < 0)
                _exit(1);
        int r = rehearsal_enter_place(rehearsal, &step);
        if (r < 0) {
                (void)fprintf(stderr, "interrex: the rehearsal cannot be cut off: cannot %s: %s\n", step,
                                strerror(-r));
                _exit(1);
        }
        (void)unsetenv("NOTIFY_SOCKET"); /* what systemd is told is the live one's */
        (void)execl("/proc/self/exe", "interrex", "run", rehearsal->config_path, "--state-dir",
                        rehearsal->state_dir, "--run-dir", rehearsal->run_dir, NULL);
        _exit(127);
}
