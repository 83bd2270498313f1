#include "metadata.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/xattr.h>

static int copy_attributes(int from_fd, int to_fd);
static int drop_inherited(int to_fd, const char *wanted, size_t wanted_size);
static int set_attribute(int from_fd, int to_fd, const char *name, char *value);

int metadata_copy(int from_fd, int to_fd, const struct stat *st) {
        const struct timespec times[2] = {st->st_atim, st->st_mtim};
        /* In this order: a change of owner drops set-id bits, an ACL changes the mode. */
        if (fchown(to_fd, st->st_uid, st->st_gid) < 0)
                return -errno;
        int r = copy_attributes(from_fd, to_fd);
        if (r < 0)
                return r;
        if (fchmod(to_fd, st->st_mode & 07777) < 0 || futimens(to_fd, times) < 0)
                return -errno;
        return 0;
}

int metadata_set_at(int to_fd, const char *to_name, const struct stat *st) {
        const struct timespec times[2] = {st->st_atim, st->st_mtim};
        if (fchownat(to_fd, to_name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISLNK(st->st_mode) && fchmodat(to_fd, to_name, st->st_mode & 07777, 0) < 0)
                return -errno;
        return utimensat(to_fd, to_name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_attributes(int from_fd, int to_fd) {
        /* Most files have none: the buffers come only after the question. */
        ssize_t size = flistxattr(from_fd, NULL, 0);
        if (size < 0 && errno == ENOTSUP)
                return 0;
        if (size < 0)
                return -errno;
        if (size == 0)
                return drop_inherited(to_fd, NULL, 0);
        _cleanup_free_ char *names = calloc(1, XATTR_LIST_MAX + 1), *value = malloc(XATTR_SIZE_MAX);
        if (!names || !value)
                return -ENOMEM;
        size = flistxattr(from_fd, names, XATTR_LIST_MAX);
        if (size < 0)
                return -errno;
        for (const char *name = names; name < names + size; name += strlen(name) + 1) {
                int r = set_attribute(from_fd, to_fd, name, value);
                if (r < 0)
                        return r;
        }
        return drop_inherited(to_fd, names, (size_t)size);
}

static int set_attribute(int from_fd, int to_fd, const char *name, char *value) {
        ssize_t size = fgetxattr(from_fd, name, value, XATTR_SIZE_MAX);
        if (size < 0)
                return errno == ENODATA ? 0 : -errno;
        if (fsetxattr(to_fd, name, value, (size_t)size, 0) == 0)
                return 0;
        /* Labels are the security module's own business, and a copy gets the one that its rules say. */
        return strncmp(name, "security.", 9) == 0 && (errno == EPERM || errno == ENOTSUP) ? 0 : -errno;
}

/* A default ACL above gives every new file one that the original need not have. */
static int drop_inherited(int to_fd, const char *wanted, size_t wanted_size) {
        static const char *const inherited[] = {"system.posix_acl_access", "system.posix_acl_default"};
        if (flistxattr(to_fd, NULL, 0) <= 0)
                return 0;
        for (size_t i = 0; i < ELEMENTS(inherited); i++) {
                bool is_wanted = false;
                for (const char *name = wanted; name && name < wanted + wanted_size;
                                name += strlen(name) + 1)
                        if (strcmp(name, inherited[i]) == 0)
                                is_wanted = true;
                if (!is_wanted && fremovexattr(to_fd, inherited[i]) < 0 && errno != ENODATA &&
                                errno != ENOTSUP)
                        return -errno;
        }
        return 0;
}
