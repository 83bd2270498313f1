#include "setup.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "pin.h"
#include "roles.h"
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SWEEP_TIMEOUT_US (20 * USEC_PER_SEC)

/* From the range that systemd gives to short-lived users: no account of a Debian system lies in it. */
#define FALLBACK_DIRECTOR_UID 61380
#define FALLBACK_PROBER_UID 61381

static int refuse(struct keeper *keeper, int error, const char *format, ...) _printf_(3, 4);

static int refuse(struct keeper *keeper, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(keeper->directories.text, sizeof(keeper->directories.text), format, arguments);
        va_end(arguments);
        keeper->directories.error = error;
        return error;
}

static int make_folder(struct keeper *keeper, const char *parent, const char *node, char *path, size_t size) {
        if (mkdir(parent, 0755) < 0 && errno != EEXIST)
                return refuse(keeper, -errno,
                                "cannot make %s: %m; make its parent folder, or choose another by --state-dir and --run-dir",
                                parent);
        int n = snprintf(path, size, "%s/%s", parent, node);
        if (n < 0 || (size_t) n >= size)
                return refuse(keeper, -ENAMETOOLONG, "%s/%s is too long a path", parent, node);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return refuse(keeper, -errno, "cannot make %s: %m", path);
        if (chown(path, keeper->director_uid, keeper->director_gid) < 0)
                return refuse(keeper, -errno, "cannot give %s to the director (uid %u): %m", path, keeper->director_uid);
        return 0;
}

/* A keeper that was killed in the middle of making a process has left the lock with that one, which ends as soon as it finds out. */
static bool has_left_it(int fd, const char *holder) {
        uint64_t pid;
        if (parse_u64(holder, &pid) < 0 || pid > INT32_MAX || kill((pid_t) pid, 0) >= 0 || errno != ESRCH)
                return false;
        log_info("waiting for what is left of the supervisor that was process %s", holder);
        return flock(fd, LOCK_EX) >= 0;
}

/* The lock's file also says who holds it, for the message of the one who comes second. */
static int take_lock(struct keeper *keeper, const char *folder, int *ret_fd) {
        char path[640], holder[32] = "";
        (void) snprintf(path, sizeof(path), "%s/lock", folder);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return refuse(keeper, -errno, "cannot open %s: %m", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
                if (n > 0)
                        holder[strcspn(holder, "\n")] = '\0';
                if (!has_left_it(fd, holder))
                        return refuse(keeper, -EBUSY,
                                        "node %s is supervised already, by process %s (lock %s): stop that one first, with "
                                        "`interrex stop %s`",
                                        keeper->node, *holder ? holder : "unknown", path, keeper->node);
        }
        int n = snprintf(holder, sizeof(holder), "%d\n", getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, holder, (size_t) n, 0) < 0)
                return refuse(keeper, -errno, "cannot write %s: %m", path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* The name holds the run directory's hash, so that supervisors with other directories do not meet. */
static void cgroup_folder_name(struct keeper *keeper, char *name, size_t size) {
        uint32_t hash = 2166136261U;
        for (const char *c = keeper->directories.run; *c; c++)
                hash = (hash ^ (uint8_t) *c) * 16777619U;
        (void) snprintf(name, size, "interrex-%s-%08x", keeper->node, hash);
}

/* A keeper that was killed leaves its generations behind. Nobody holds their sockets any more, and a new generation
 * must not run beside them (I2): they go before anything starts. */
static int sweep(struct keeper *keeper) {
        char name[128];
        _cleanup_close_ int fd = -1;
        cgroup_folder_name(keeper, name, sizeof(name));
        int r = cgroup_make(keeper->cgroup_own_fd, name, &fd);
        if (r >= 0) {
                (void) cgroup_write(fd, "cgroup.freeze", "0");
                r = cgroup_kill_and_wait(fd, SWEEP_TIMEOUT_US);
        }
        if (r < 0)
                return refuse(keeper, r,
                                "cannot use the cgroup %s/%s: %s; in a unit file set Delegate=yes, in a container mount "
                                "cgroup2 writable",
                                keeper->cgroup_own_path, name, strerror(-r));
        fd = close_fd(fd);
        r = cgroup_remove(keeper->cgroup_own_fd, name);
        if (r >= 0)
                r = cgroup_make(keeper->cgroup_own_fd, name, &fd);
        if (r < 0)
                return refuse(keeper, r, "cannot make the cgroup %s/%s: %s", keeper->cgroup_own_path, name, strerror(-r));
        keeper->cgroup_fd = TAKE_FD(fd);
        return 0;
}

void setup_node(struct keeper *keeper, const struct keeper_setup *request) {
        if (keeper->is_set_up)
                return;
        if (!wire_text_is_valid(request->node, sizeof(request->node)) || !node_name_is_valid(request->node)) {
                (void) refuse(keeper, -EINVAL, "the node's name is not valid");
                return;
        }
        text_copy(keeper->node, sizeof(keeper->node), request->node);
        int r = make_folder(keeper, keeper->options.state_dir, keeper->node, keeper->directories.state,
                        sizeof(keeper->directories.state));
        if (r >= 0)
                r = make_folder(keeper, keeper->options.run_dir, keeper->node, keeper->directories.run,
                                sizeof(keeper->directories.run));
        if (r >= 0)
                r = take_lock(keeper, keeper->directories.run, &keeper->lock_fds[0]);
        if (r >= 0)
                r = take_lock(keeper, keeper->directories.state, &keeper->lock_fds[1]);
        if (r >= 0)
                r = sweep(keeper);
        if (r >= 0)
                keeper->directories.pin_error = pin_open(keeper);
        keeper->is_set_up = r >= 0;
}

void setup_start_prober(struct keeper *keeper) {
        if (keeper->is_set_up && keeper->prober.pid == 0)
                (void) roles_start_prober(keeper);
}

void setup_find_users(struct keeper *keeper) {
        const struct passwd *user = getpwnam("interrex");
        keeper->director_uid = user ? user->pw_uid : FALLBACK_DIRECTOR_UID;
        keeper->director_gid = user ? user->pw_gid : FALLBACK_DIRECTOR_UID;
        const struct group *group = getgrnam("interrex");
        if (group)
                keeper->director_gid = group->gr_gid;
        user = getpwnam("interrex-prober");
        keeper->prober_uid = user ? user->pw_uid : FALLBACK_PROBER_UID;
        keeper->prober_gid = user ? user->pw_gid : FALLBACK_PROBER_UID;
}
