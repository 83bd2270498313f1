#include "rehearsal_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

/* A view shows each file by a mount of its own, of which a namespace has 100000 at most. What is more than this is not shown. */
#define SHOWN_MAX 10000
#define DEPTH_MAX 16

struct view {
        bool is_deep; /* folders on a tmpfs are made anew as well, not shown as they are */
        unsigned n_shown, depth;
        dev_t device;
};

static int find_socket_folders(char ***ret_folders);
static int loopback_up(void);
static int set_read_only(const char *path, unsigned flags, bool is_read_only);
static int open_what_is_its_own(const struct rehearsal *rehearsal);
static int make_views(const struct rehearsal *rehearsal, char *const *socket_folders);

int rehearsal_enter_place(const struct rehearsal *rehearsal, const char **ret_step) {
        _cleanup_strv_ char **folders = NULL;
        *ret_step = "find this machine's sockets"; /* before the network changes: the kernel tells those of one */
        int r = find_socket_folders(&folders);
        if (r < 0)
                return r;
        *ret_step = "make the namespaces";
        if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC) < 0 ||
                        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        r = loopback_up();
        if (r < 0)
                return r;
        *ret_step = "take away the right to write";
        r = set_read_only("/", AT_RECURSIVE, true);
        if (r < 0)
                return r;
        *ret_step = "mount what it may write";
        r = open_what_is_its_own(rehearsal);
        if (r < 0)
                return r;
        *ret_step = "hide this machine's sockets";
        return make_views(rehearsal, folders);
}

/* The folders of the sockets that have a path. It is told as it was bound, so a relative one cannot be found. */
static int find_socket_folders(char ***ret_folders) {
        _cleanup_strv_ char **folders = NULL;
        _cleanup_fclose_ FILE *file = fopen("/proc/net/unix", "re");
        char line[512];
        int r = file ? 0 : -errno;
        while (r >= 0 && fgets(line, sizeof(line), file)) {
                char *path = strchr(line, '/');
                struct stat st;
                if (!path)
                        continue;
                path[strcspn(path, "\n")] = '\0';
                if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
                        continue;
                *strrchr(path, '/') = '\0';
                if (*path && !strv_contains(folders, path))
                        r = strv_push(&folders, path);
        }
        if (r >= 0)
                *ret_folders = TAKE_POINTER(folders);
        return r;
}

static int loopback_up(void) {
        struct ifreq request = {.ifr_name = "lo"};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return -errno;
        request.ifr_flags |= IFF_UP;
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int set_read_only(const char *path, unsigned flags, bool is_read_only) {
        struct mount_attr wanted = {.attr_set = is_read_only ? MOUNT_ATTR_RDONLY : 0,
                        .attr_clr = is_read_only ? 0 : MOUNT_ATTR_RDONLY};
        return mount_setattr(AT_FDCWD, path, flags, &wanted, sizeof(wanted)) < 0 ? -errno : 0;
}

static int open_to_write(const char *from, const char *to) {
        return mount(from, to, NULL, MS_BIND, NULL) < 0 ? -errno : set_read_only(to, 0, false);
}

static int open_what_is_its_own(const struct rehearsal *rehearsal) {
        int r = open_to_write(rehearsal->directory, rehearsal->directory);
        if (r >= 0)
                r = open_to_write(rehearsal->cgroup_path, rehearsal->cgroup_path);
        if (r >= 0 && rehearsal->has_snapshot)
                r = open_to_write(rehearsal->snapshot, rehearsal->config->state.directory);
        /* Of its own processes, as those of others are by their users. */
        return r < 0 ? r : set_read_only("/proc", 0, false);
}

/* What cannot be shown is not there: files vanish meanwhile, and some are closed even to root. */
static void show_as_it_is(struct view *view, int fd, int to, const char *name) {
        char from_path[64], to_path[PATH_MAX];
        if (view->n_shown >= SHOWN_MAX)
                return;
        view->n_shown++;
        (void)snprintf(from_path, sizeof(from_path), "/proc/self/fd/%d", fd);
        (void)snprintf(to_path, sizeof(to_path), "/proc/self/fd/%d/%s", to, name);
        (void)mount(from_path, to_path, NULL, MS_BIND | MS_REC, NULL);
}

static int show_link(int from, int to, const char *name) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static void show_file(struct view *view, int fd, int to, const char *name) {
        _cleanup_close_ int made = openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (made >= 0)
                show_as_it_is(view, fd, to, name);
}

static void show_all(struct view *view, int from, int to);

/* What may be written is the rehearsal's own already. */
static void show_folder(struct view *view, int fd, int to, const char *name, const struct stat *st) {
        struct statfs system;
        if (mkdirat(to, name, 0700) < 0 || fstatfs(fd, &system) < 0)
                return;
        if (!view->is_deep || (system.f_flags & ST_RDONLY) == 0) {
                show_as_it_is(view, fd, to, name);
                return;
        }
        _cleanup_close_ int from = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int made = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool is_small = st->st_dev == view->device || system.f_type == TMPFS_MAGIC;
        if (from < 0 || made < 0)
                return;
        if (is_small && view->depth < DEPTH_MAX) {
                view->depth++;
                show_all(view, from, made);
                view->depth--;
        }
        if (fchown(made, st->st_uid, st->st_gid) == 0)
                (void)fchmod(made, st->st_mode & 07777);
}

/* Sockets are what is not shown. */
static void show_all(struct view *view, int from, int to) {
        int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = copy < 0 ? NULL : fdopendir(copy);
        if (!folder)
                close_fd(copy);
        for (const struct dirent *entry; folder && (entry = readdir(folder));) {
                const char *name = entry->d_name;
                struct stat st;
                if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                        continue;
                _cleanup_close_ int fd = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &st) < 0)
                        continue;
                if (S_ISDIR(st.st_mode))
                        show_folder(view, fd, to, name, &st);
                else if (S_ISREG(st.st_mode))
                        show_file(view, fd, to, name);
                else if (S_ISLNK(st.st_mode))
                        (void)show_link(from, to, name);
        }
        if (folder)
                (void)closedir(folder);
}

/* In the folder's place comes one of the rehearsal's own, which shows what is in the folder but for its sockets: who unlinks or makes
 * something there does it to himself. One that may be written is the rehearsal's own already. */
static int make_view(const char *path, bool is_deep) {
        struct view view = {.is_deep = is_deep};
        struct statfs system;
        struct stat st;
        _cleanup_close_ int from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (from < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        if (fstat(from, &st) < 0 || fstatfs(from, &system) < 0)
                return -errno;
        if ((system.f_flags & ST_RDONLY) == 0)
                return 0;
        if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") < 0)
                return -errno;
        _cleanup_close_ int to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (to < 0)
                return -errno;
        view.device = st.st_dev;
        show_all(&view, from, to);
        return fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0 ? -errno : 0;
}

/* A socket in / itself is not hidden: nothing can be mounted over that. */
static int make_view_around(const char *socket_path) {
        char folder[sizeof(((struct address *)NULL)->path)];
        text_copy(folder, sizeof(folder), socket_path);
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder)
                return 0;
        *slash = '\0';
        return make_view(folder, false);
}

static int make_views(const struct rehearsal *rehearsal, char *const *socket_folders) {
        static const char *const temporary[] = {"/tmp", "/var/tmp"}, *const running[] = {"/run", "/var/run"};
        const struct config *config = rehearsal->config;
        /* What is shared in memory is neither seen nor named by anybody else. */
        int r = mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0 && errno != ENOENT
                                ? -errno
                                : 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTS(temporary); i++)
                r = make_view(temporary[i], false);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(running); i++)
                r = make_view(running[i], true);
        for (size_t i = 0; r >= 0 && i < config->n_listen; i++)
                if (config->listen[i].transport == TRANSPORT_UNIX)
                        r = make_view_around(config->listen[i].path);
        for (size_t i = 0; r >= 0 && socket_folders && socket_folders[i]; i++)
                r = make_view(socket_folders[i], false);
        return r;
}
