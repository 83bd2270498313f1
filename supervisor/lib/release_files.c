#include "release_files.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define COPY_BUFFER_SIZE (256U * 1024)
#define TREE_DEPTH_MAX 256

static int copy_by_extents(int in_fd, int out_fd, off_t size);
static int copy_range(int in_fd, int out_fd, off_t from, off_t to);
static int copy_by_reading(int in_fd, int out_fd, off_t from, off_t to);
static int write_whole(int fd, const char *data, size_t length, off_t at);
static int remove_contents(int fd, unsigned depth);
static int remove_entry(int parent_fd, const char *name, unsigned depth);

void step_reached(const struct steps *steps, const char *step) {
        if (steps && steps->reached)
                steps->reached(step, steps->userdata);
}

int fail_with(char **ret_error, int error, const char *format, ...) {
        char *text = NULL;
        va_list arguments;
        INVARIANT(error < 0);
        va_start(arguments, format);
        int n = vasprintf(&text, format, arguments);
        va_end(arguments);
        INVARIANT(n >= 0);
        *ret_error = text;
        return error;
}

bool path_stays_below(const char *path) {
        if (strlen(path) >= PATH_BELOW_MAX)
                return false;
        for (const char *part = path;; part++) {
                size_t length = strcspn(part, "/");
                if (length == 0 || (length == 1 && part[0] == '.') ||
                                (length == 2 && strncmp(part, "..", 2) == 0))
                        return false;
                for (size_t i = 0; i < length; i++)
                        if (iscntrl((unsigned char)part[i]))
                                return false;
                part += length;
                if (!*part)
                        return true;
        }
}

int file_copy_contents(int in_fd, int out_fd) {
        struct stat st;
        if (ioctl(out_fd, FICLONE, in_fd) == 0)
                return 0;
        /* Which of its many errors means "not here" differs between filesystems; a full disk shows again
         * below. */
        if (fstat(in_fd, &st) < 0)
                return -errno;
        off_t size = st.st_size;
        int r = copy_by_extents(in_fd, out_fd, size);
        if (r < 0)
                return r;
        /* Only for a hole at the end: XFS writes a new file's data out when it is truncated, even to its own
         * size. */
        if (fstat(out_fd, &st) < 0 || (st.st_size != size && ftruncate(out_fd, size) < 0))
                return -errno;
        return 0;
}

static int copy_by_extents(int in_fd, int out_fd, off_t size) {
        off_t at = 0;
        while (at < size) {
                off_t data = lseek(in_fd, at, SEEK_DATA);
                if (data < 0)
                        return errno == ENXIO ? 0 : -errno; /* only a hole is left */
                off_t hole = lseek(in_fd, data, SEEK_HOLE);
                if (hole < 0)
                        return -errno;
                int r = copy_range(in_fd, out_fd, data, hole < size ? hole : size);
                if (r < 0)
                        return r;
                at = hole;
        }
        return 0;
}

static int copy_range(int in_fd, int out_fd, off_t from, off_t to) {
        while (from < to) {
                off_t in_at = from, out_at = from;
                ssize_t n = copy_file_range(in_fd, &in_at, out_fd, &out_at, (size_t)(to - from), 0);
                if (n < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EFBIG))
                        return -errno;
                if (n <= 0)
                        return copy_by_reading(in_fd, out_fd, from, to);
                from += n;
        }
        return 0;
}

static int copy_by_reading(int in_fd, int out_fd, off_t from, off_t to) {
        _cleanup_free_ char *buffer = malloc(COPY_BUFFER_SIZE);
        if (!buffer)
                return -ENOMEM;
        while (from < to) {
                size_t wanted = (size_t)(to - from) < COPY_BUFFER_SIZE ? (size_t)(to - from)
                                                                       : COPY_BUFFER_SIZE;
                ssize_t n = pread(in_fd, buffer, wanted, from);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ESTALE;
                int r = write_whole(out_fd, buffer, (size_t)n, from);
                if (r < 0)
                        return r;
                from += n;
        }
        return 0;
}

static int write_whole(int fd, const char *data, size_t length, off_t at) {
        while (length > 0) {
                ssize_t n = pwrite(fd, data, length, at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                length -= (size_t)n;
                at += n;
        }
        return 0;
}

int file_can_share(int directory_fd, const char *prefix) {
        static const char block[4096] = "interrex";
        char names[2][256];
        int r = 0;
        for (size_t i = 0; i < 2; i++) {
                if ((size_t)snprintf(names[i], sizeof(names[i]), "%s-%c", prefix, i == 0 ? 'a' : 'b') >=
                                sizeof(names[i]))
                        return -ENAMETOOLONG;
                (void)unlinkat(directory_fd, names[i], 0);
        }
        _cleanup_close_ int in = openat(directory_fd, names[0], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (in < 0)
                return -errno;
        _cleanup_close_ int out =
                        openat(directory_fd, names[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (out < 0)
                r = -errno;
        if (r == 0)
                r = write_whole(in, block, sizeof(block), 0);
        if (r == 0)
                r = ioctl(out, FICLONE, in) == 0;
        for (size_t i = 0; i < 2; i++)
                (void)unlinkat(directory_fd, names[i], 0);
        return r;
}

int tree_remove(int parent_fd, const char *name) {
        return remove_entry(parent_fd, name, 0);
}

static int remove_entry(int parent_fd, const char *name, unsigned depth) {
        if (depth > TREE_DEPTH_MAX)
                return -ELOOP;
        if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM && errno != EACCES)
                return -errno;
        int reason = errno;
        _cleanup_close_ int fd = directory_open(parent_fd, name);
        if (fd == -EACCES && fchmodat(parent_fd, name, 0700, 0) == 0)
                fd = directory_open(parent_fd, name);
        if (fd < 0)
                return fd == -ENOTDIR || fd == -ELOOP ? -reason : fd;
        /* An owner without privileges cannot empty what is read-only. */
        (void)fchmod(fd, 0700);
        int r = remove_contents(fd, depth);
        if (r < 0)
                return r;
        return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static int remove_contents(int fd, unsigned depth) {
        int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (duplicate < 0)
                return -errno;
        _cleanup_(closedir_at) DIR *directory = fdopendir(duplicate);
        if (!directory) {
                int r = -errno;
                close_fd(duplicate);
                return r;
        }
        /* Removing while reading may make readdir() miss entries on some filesystems: read until nothing is
         * found. */
        for (bool found = true; found;) {
                found = false;
                rewinddir(directory);
                for (struct dirent *entry; (entry = readdir(directory));) {
                        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                                continue;
                        int r = remove_entry(fd, entry->d_name, depth + 1);
                        if (r < 0)
                                return r;
                        found = true;
                }
        }
        return 0;
}

int directory_make(const char *path, unsigned mode) {
        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                if (mkdir(copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int directory_open(int at_fd, const char *name) {
        int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int file_write_durably(
                int directory_fd, const char *name, const char *temporary, const char *text, size_t length) {
        int r = tree_remove(directory_fd, temporary);
        if (r < 0)
                return r;
        _cleanup_close_ int fd =
                        openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_whole(fd, text, length, 0);
        if (r < 0)
                return r;
        if (fchmod(fd, 0444) < 0 || fsync(fd) < 0 ||
                        renameat(directory_fd, temporary, directory_fd, name) < 0 || fsync(directory_fd) < 0)
                return -errno;
        return 0;
}

int file_read_small(const char *path, size_t max, char **ret_text, size_t *ret_length) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((size_t)st.st_size > max)
                return -EFBIG;
        _cleanup_free_ char *text = calloc(1, (size_t)st.st_size + 1);
        ssize_t n = text ? read(fd, text, (size_t)st.st_size) : -1;
        if (n < 0)
                return text ? -errno : -ENOMEM;
        *ret_text = TAKE_POINTER(text);
        *ret_length = (size_t)n;
        return 0;
}
