#include "tree_copy.h"

#include "../lib/release_files.h"
#include "hard_links.h"
#include "metadata.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define DEPTH_MAX 256

struct copying {
        int root_fd; /* paths of hard links are relative to it */
        struct hard_links links;
        char **ret_error;
};

/* One entry on its way: where it stands and where it goes. */
struct entry {
        int from_fd, to_fd;
        const char *from_name, *to_name;
        const char *path; /* of the copy, relative to root_fd */
        unsigned depth;
        struct stat st;
};

static int copy_entry(struct copying *copying, struct entry *entry);
static int copy_directory(struct copying *copying, const struct entry *entry);
static int copy_children(struct copying *copying, const struct entry *entry, int from_fd, int to_fd);
static int copy_regular(const struct entry *entry);
static int copy_contents(const struct entry *entry, int in_fd);
static int copy_symbolic_link(const struct entry *entry);
static void copy_no_cow(int in_fd, int out_fd);

int tree_copy(int from_fd, const char *from_name, int to_fd, const char *to_name, char **ret_error) {
        struct copying copying = {.root_fd = to_fd, .ret_error = ret_error};
        struct entry entry = {.from_fd = from_fd,
                        .to_fd = to_fd,
                        .from_name = from_name,
                        .to_name = to_name,
                        .path = to_name};
        int r = copy_entry(&copying, &entry);
        hard_links_done(&copying.links);
        return r;
}

/* As the operator knows it: below what is copied, and not by the name of the copy. */
static const char *shown(const struct entry *entry) {
        const char *slash = strchr(entry->path, '/');
        return slash ? slash + 1 : entry->from_name;
}

static int failed(const struct copying *copying, const struct entry *entry, int error) {
        return fail_with(copying->ret_error, error, "%s cannot be copied: %s", shown(entry),
                        strerror(-error));
}

static int copy_entry(struct copying *copying, struct entry *entry) {
        int r = 0;
        if (entry->depth > DEPTH_MAX)
                return failed(copying, entry, -ELOOP);
        if (fstatat(entry->from_fd, entry->from_name, &entry->st, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(copying, entry, -errno);
        if (S_ISDIR(entry->st.st_mode))
                return copy_directory(copying, entry);
        if (S_ISSOCK(entry->st.st_mode))
                return 0;
        if (S_ISBLK(entry->st.st_mode) || S_ISCHR(entry->st.st_mode))
                return fail_with(copying->ret_error, -ENOTSUP,
                                "%s is a device, which a snapshot cannot hold; move it out of the state "
                                "directory",
                                shown(entry));
        const char *first = entry->st.st_nlink > 1 ? hard_links_find(&copying->links, &entry->st) : NULL;
        if (first) {
                r = linkat(copying->root_fd, first, entry->to_fd, entry->to_name, 0) < 0 ? -errno : 0;
                return r < 0 ? failed(copying, entry, r) : 0;
        }
        if (S_ISREG(entry->st.st_mode))
                r = copy_regular(entry);
        else if (S_ISLNK(entry->st.st_mode))
                r = copy_symbolic_link(entry);
        else if (mkfifoat(entry->to_fd, entry->to_name, 0600) < 0)
                r = -errno;
        else
                r = metadata_set_at(entry->to_fd, entry->to_name, &entry->st);
        if (r == 0 && entry->st.st_nlink > 1)
                r = hard_links_add(&copying->links, &entry->st, entry->path);
        return r < 0 ? failed(copying, entry, r) : 0;
}

static int copy_directory(struct copying *copying, const struct entry *entry) {
        _cleanup_close_ int from = directory_open(entry->from_fd, entry->from_name);
        if (from < 0)
                return failed(copying, entry, from);
        if (mkdirat(entry->to_fd, entry->to_name, 0700) < 0)
                return failed(copying, entry, -errno);
        _cleanup_close_ int to = directory_open(entry->to_fd, entry->to_name);
        if (to < 0)
                return failed(copying, entry, to);
        int r = copy_children(copying, entry, from, to);
        if (r < 0)
                return r;
        /* Last, because every child that is made changes the time of its directory. */
        r = metadata_copy(from, to, &entry->st);
        return r < 0 ? failed(copying, entry, r) : 0;
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static int copy_children(struct copying *copying, const struct entry *entry, int from_fd, int to_fd) {
        int again = directory_open(from_fd, ".");
        _cleanup_(closedir_at) DIR *directory = again < 0 ? NULL : fdopendir(again);
        if (!directory) {
                close_fd(again);
                return failed(copying, entry, again < 0 ? again : -ENOMEM);
        }
        for (;;) {
                char path[PATH_BELOW_MAX];
                errno = 0;
                struct dirent *child = readdir(directory);
                if (!child && errno != 0)
                        return failed(copying, entry, -errno);
                if (!child)
                        return 0;
                if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
                        continue;
                int n = snprintf(path, sizeof(path), "%s/%s", entry->path, child->d_name);
                if (n < 0 || (size_t)n >= sizeof(path))
                        return failed(copying, entry, -ENAMETOOLONG);
                struct entry below = {.from_fd = from_fd,
                                .to_fd = to_fd,
                                .from_name = child->d_name,
                                .to_name = child->d_name,
                                .path = path,
                                .depth = entry->depth + 1};
                int r = copy_entry(copying, &below);
                if (r < 0)
                        return r;
        }
}

static int copy_regular(const struct entry *entry) {
        struct stat opened;
        _cleanup_close_ int in = openat(
                        entry->from_fd, entry->from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (in < 0 || fstat(in, &opened) < 0)
                return -errno;
        /* The node's user can write here; what is opened must be what was looked at. */
        if (opened.st_ino != entry->st.st_ino || !S_ISREG(opened.st_mode))
                return -ESTALE;
        return copy_contents(entry, in);
}

static int copy_contents(const struct entry *entry, int in_fd) {
        _cleanup_close_ int out =
                        openat(entry->to_fd, entry->to_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (out < 0)
                return -errno;
        copy_no_cow(in_fd, out);
        int r = file_copy_contents(in_fd, out);
        return r < 0 ? r : metadata_copy(in_fd, out, &entry->st);
}

/* btrfs shares extents only between files that agree in this, and takes it only while a file is empty. */
static void copy_no_cow(int in_fd, int out_fd) {
        int from = 0, to = 0;
        if (ioctl(in_fd, FS_IOC_GETFLAGS, &from) < 0 || ioctl(out_fd, FS_IOC_GETFLAGS, &to) < 0 ||
                        ((from ^ to) & FS_NOCOW_FL) == 0)
                return;
        to ^= FS_NOCOW_FL;
        (void)ioctl(out_fd, FS_IOC_SETFLAGS, &to);
}

static int copy_symbolic_link(const struct entry *entry) {
        char target[PATH_BELOW_MAX];
        ssize_t length = readlinkat(entry->from_fd, entry->from_name, target, sizeof(target) - 1);
        if (length < 0)
                return -errno;
        target[length] = '\0';
        if (symlinkat(target, entry->to_fd, entry->to_name) < 0)
                return -errno;
        return metadata_set_at(entry->to_fd, entry->to_name, &entry->st);
}
