#include "release_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <sys/syscall.h>

struct import {
        int root_fd; /* the source's top directory: links are resolved against it */
        const char *source;
        struct release *release;
        char **ret_error;
};

static int copy_single(const struct import *import, int destination_fd);
static int copy_directory(const struct import *import, int source_fd, int destination_fd, const char *path,
                unsigned depth);
static int copy_entry(const struct import *import, int source_fd, int destination_fd, const char *name,
                const char *path, unsigned depth);
static int copy_subdirectory(const struct import *import, int source_fd, int destination_fd,
                const char *name, const char *path, unsigned depth);
static int copy_file(const struct import *import, int source_fd, int destination_fd, const char *name,
                const char *path);
static int copy_link(const struct import *import, int source_fd, int destination_fd, const char *name,
                const char *path);
static int make_read_only(int fd, mode_t mode);

int release_copy(const char *source, int destination_fd, struct release *release, bool *ret_is_directory,
                char **ret_error) {
        struct import import = {.source = source, .release = release, .ret_error = ret_error};
        struct stat st;
        int r;
        /* Only what the operator named may be a link itself. O_NONBLOCK: opening a fifo must not wait for a
         * writer. */
        _cleanup_close_ int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0) {
                r = -errno;
                return fail_with(ret_error, r,
                                "%s cannot be read: %s; name the file or directory of the release", source,
                                strerror(-r));
        }
        import.root_fd = fd;
        if (S_ISDIR(st.st_mode))
                r = copy_directory(&import, fd, destination_fd, "", 0);
        else
                r = copy_single(&import, destination_fd);
        if (r < 0)
                return r;
        if (release->n_files == 0)
                return fail_with(ret_error, -ENODATA,
                                "%s is an empty directory; name the one with the release's files", source);
        r = make_read_only(destination_fd, 0555);
        if (r < 0)
                return fail_with(ret_error, r, "the copy of %s cannot be made durable: %s", source,
                                strerror(-r));
        release_sort_files(release);
        *ret_is_directory = S_ISDIR(st.st_mode);
        return 0;
}

static int copy_single(const struct import *import, int destination_fd) {
        _cleanup_free_ char *resolved = realpath(import->source, NULL);
        if (!resolved)
                return fail_with(import->ret_error, -errno, "%s cannot be resolved: %s", import->source,
                                strerror(errno));
        /* Named as the operator named it, so that a link "node" to "node-v1.7" stays "node". */
        const char *slash = strrchr(import->source, '/');
        const char *name = slash ? slash + 1 : import->source;
        if (!path_stays_below(name))
                return fail_with(import->ret_error, -EINVAL, "%s is no name for a file of a release",
                                import->source);
        return copy_file(import, AT_FDCWD, destination_fd, resolved, name);
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static int copy_directory(const struct import *import, int source_fd, int destination_fd, const char *path,
                unsigned depth) {
        int duplicate = fcntl(source_fd, F_DUPFD_CLOEXEC, 3);
        if (duplicate < 0)
                return fail_with(import->ret_error, -errno, "no descriptor is left to read %s",
                                import->source);
        _cleanup_(closedir_at) DIR *directory = fdopendir(duplicate);
        if (!directory) {
                close_fd(duplicate);
                return fail_with(import->ret_error, -errno, "%s/%s cannot be read: %s", import->source, path,
                                strerror(errno));
        }
        for (;;) {
                char below[RELEASE_PATH_MAX + 256];
                errno = 0;
                struct dirent *entry = readdir(directory);
                if (!entry && errno != 0)
                        return fail_with(import->ret_error, -errno, "%s/%s cannot be read: %s",
                                        import->source, path, strerror(errno));
                if (!entry)
                        return 0;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                (void)snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", entry->d_name);
                if (!path_stays_below(below))
                        return fail_with(import->ret_error, -EINVAL,
                                        "a file in %s/%s has control characters in its name or too long a "
                                        "path; rename it",
                                        import->source, path);
                int r = copy_entry(import, source_fd, destination_fd, entry->d_name, below, depth);
                if (r < 0)
                        return r;
        }
}

static int copy_entry(const struct import *import, int source_fd, int destination_fd, const char *name,
                const char *path, unsigned depth) {
        struct stat st;
        if (fstatat(source_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fail_with(import->ret_error, -errno, "%s/%s cannot be examined: %s", import->source,
                                path, strerror(errno));
        if (S_ISDIR(st.st_mode))
                return copy_subdirectory(import, source_fd, destination_fd, name, path, depth + 1);
        if (S_ISLNK(st.st_mode))
                return copy_link(import, source_fd, destination_fd, name, path);
        if (S_ISREG(st.st_mode))
                return copy_file(import, source_fd, destination_fd, name, path);
        return fail_with(import->ret_error, -EINVAL,
                        "%s/%s is a device, a fifo or a socket; a release holds files, directories and "
                        "links only, remove it",
                        import->source, path);
}

static int copy_subdirectory(const struct import *import, int source_fd, int destination_fd,
                const char *name, const char *path, unsigned depth) {
        if (depth > RELEASE_DEPTH_MAX)
                return fail_with(import->ret_error, -ELOOP, "%s/%s lies deeper than %d directories",
                                import->source, path, RELEASE_DEPTH_MAX);
        _cleanup_close_ int source = directory_open(source_fd, name);
        if (source < 0)
                return fail_with(import->ret_error, source, "%s/%s cannot be read: %s", import->source, path,
                                strerror(-source));
        if (mkdirat(destination_fd, name, 0700) < 0)
                return fail_with(import->ret_error, -errno, "the copy of %s/%s cannot be made: %s",
                                import->source, path, strerror(errno));
        _cleanup_close_ int destination = directory_open(destination_fd, name);
        if (destination < 0)
                return fail_with(import->ret_error, destination, "the copy of %s/%s cannot be opened: %s",
                                import->source, path, strerror(-destination));
        int r = copy_directory(import, source, destination, path, depth);
        if (r < 0)
                return r;
        /* The manifest knows files; a directory without any would be one that nothing vouches for. */
        if (unlinkat(destination_fd, name, AT_REMOVEDIR) == 0)
                return 0;
        r = make_read_only(destination, 0555);
        return r < 0 ? fail_with(import->ret_error, r, "the copy of %s/%s cannot be made durable: %s",
                                       import->source, path, strerror(-r))
                     : 0;
}

static int copy_file(const struct import *import, int source_fd, int destination_fd, const char *name,
                const char *path) {
        const char *base = strrchr(path, '/');
        uint8_t digest[32];
        uint64_t size;
        struct stat st;
        int r = 0;
        _cleanup_close_ int in = openat(source_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (in < 0 || fstat(in, &st) < 0)
                return fail_with(import->ret_error, -errno, "%s cannot be read: %s", name, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return fail_with(import->ret_error, -EINVAL,
                                "%s is not a regular file; name a file or a directory", name);
        mode_t mode = st.st_mode & 0111 ? 0555 : 0444;
        _cleanup_close_ int out = openat(
                        destination_fd, base ? base + 1 : path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (out < 0)
                r = -errno;
        if (r == 0)
                r = file_copy_contents(in, out);
        /* Of the copy, so that a source that changes meanwhile cannot differ from its digest. */
        if (r == 0)
                r = sha256_fd(out, digest, &size);
        if (r == 0)
                r = make_read_only(out, mode);
        if (r == 0)
                r = release_push_file(import->release, path, mode, size, digest);
        return r < 0 ? fail_with(import->ret_error, r, "%s cannot be copied: %s%s", path, strerror(-r),
                                       r == -ENOSPC ? "; make room where the releases are kept" : "")
                     : 0;
}

static int copy_link(const struct import *import, int source_fd, int destination_fd, const char *name,
                const char *path) {
        struct open_how how = {
                        .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
        char target[RELEASE_PATH_MAX];
        uint8_t digest[32];
        ssize_t length = readlinkat(source_fd, name, target, sizeof(target) - 1);
        if (length < 0)
                return fail_with(import->ret_error, -errno, "the link %s/%s cannot be read: %s",
                                import->source, path, strerror(errno));
        target[length] = '\0';
        _cleanup_close_ int there = (int)syscall(SYS_openat2, import->root_fd, path, &how, sizeof(how));
        if (there < 0)
                return fail_with(import->ret_error, errno == EXDEV ? -EXDEV : -EINVAL,
                                "the link %s/%s leads to %s, which is %s the release; remove it or put the "
                                "file in its place",
                                import->source, path, target, errno == EXDEV ? "outside" : "missing in");
        if (symlinkat(target, destination_fd, name) < 0)
                return fail_with(import->ret_error, -errno, "the link %s cannot be made: %s", path,
                                strerror(errno));
        (void)crypto_hash_sha256(digest, (unsigned char *)target, (unsigned long long)length);
        int r = release_push_file(import->release, path, S_IFLNK | 0777, (uint64_t)length, digest);
        return r < 0 ? fail_with(import->ret_error, r, "%s", strerror(-r)) : 0;
}

/* Owner first: a change of owner would take set-id bits away, a change of mode after it never gives any. */
static int make_read_only(int fd, mode_t mode) {
        if ((geteuid() == 0 && fchown(fd, 0, 0) < 0) || fchmod(fd, mode) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}
