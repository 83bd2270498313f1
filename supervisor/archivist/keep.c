#include "keep.h"

#include "../lib/release_files.h"
#include "metadata.h"
#include "tree_copy.h"
#include <fcntl.h>

static int carry_one(int from_root, int to_root, const char *entry, char **ret_error);
static int step_into(int *from_fd, int *to_fd, const char *name);
static int replace(int from_fd, int to_fd, const char *name, const char *entry, char **ret_error);
static int has(int fd, const char *name);

int keep_carry(int from_root, int to_root, char *const *entries, char **ret_error) {
        for (size_t i = 0; entries && entries[i]; i++) {
                int r = carry_one(from_root, to_root, entries[i], ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int carry_one(int from_root, int to_root, const char *entry, char **ret_error) {
        _cleanup_free_ char *path = strdup(entry);
        for (size_t n = path ? strlen(path) : 0; n > 0 && path[n - 1] == '/'; n--)
                path[n - 1] = '\0';
        if (!path || !path_stays_below(path))
                return fail_with(ret_error, -EINVAL,
                                "state.keep: %s is not a path below the state directory", entry);
        _cleanup_close_ int from = directory_open(from_root, "."), to = directory_open(to_root, ".");
        if (from < 0 || to < 0)
                return fail_with(ret_error, from < 0 ? from : to, "the state directory cannot be opened: %s",
                                strerror(from < 0 ? -from : -to));
        char *part = path;
        for (char *slash; (slash = strchr(part, '/')); part = slash + 1) {
                *slash = '\0';
                int r = step_into(&from, &to, part);
                if (r < 0)
                        return fail_with(ret_error, r,
                                        "state.keep: the directory %s of %s cannot be entered: %s", part,
                                        entry, strerror(-r));
        }
        return replace(from, to, part, entry, ret_error);
}

/* A side that has no such directory becomes -1; the target gets one where the source has it. */
static int step_into(int *from_fd, int *to_fd, const char *name) {
        struct stat st;
        _cleanup_close_ int from = *from_fd < 0 ? -ENOENT : directory_open(*from_fd, name);
        _cleanup_close_ int to = *to_fd < 0 ? -ENOENT : directory_open(*to_fd, name);
        if ((from < 0 && from != -ENOENT) || (to < 0 && to != -ENOENT))
                return from < 0 && from != -ENOENT ? from : to;
        if (from >= 0 && to < 0) {
                if (mkdirat(*to_fd, name, 0700) < 0)
                        return -errno;
                to = directory_open(*to_fd, name);
                if (to < 0)
                        return to;
                int r = fstat(from, &st) < 0 ? -errno : metadata_copy(from, to, &st);
                if (r < 0)
                        return r;
        }
        close_fd(*from_fd);
        close_fd(*to_fd);
        *from_fd = from < 0 ? -1 : TAKE_FD(from);
        *to_fd = to < 0 ? -1 : TAKE_FD(to);
        return 0;
}

static int replace(int from_fd, int to_fd, const char *name, const char *entry, char **ret_error) {
        int is_new = has(from_fd, name), is_old = has(to_fd, name);
        int r = is_new < 0 ? is_new : is_old < 0 ? is_old : 0;
        if (r < 0)
                return fail_with(ret_error, r, "state.keep: %s cannot be examined: %s", entry, strerror(-r));
        if (!is_new && is_old)
                return fail_with(ret_error, -ESTALE,
                                "state.keep names %s, which the newer state no longer has and the older one "
                                "does; an older one is never put back, so nothing was restored: decide "
                                "which is right, then put that file into the state directory and try again",
                                entry);
        if (!is_new)
                return 0;
        r = tree_remove(to_fd, name);
        if (r < 0)
                return fail_with(ret_error, r, "state.keep: the older %s cannot be replaced: %s", entry,
                                strerror(-r));
        return tree_copy(from_fd, name, to_fd, name, ret_error);
}

static int has(int fd, const char *name) {
        struct stat st;
        if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return fd < 0 || errno == ENOENT ? 0 : -errno;
}
