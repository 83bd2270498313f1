#include "release_internal.h"
#include <fcntl.h>

static int forget(int directory, const char *name) {
        return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int write_note(int directory, const char *name, const char *text) {
        _cleanup_close_ int fd =
                        openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        size_t length = strlen(text);
        if (fd < 0)
                return -errno;
        ssize_t written = write(fd, text, length);
        if (written < 0 || fsync(fd) < 0)
                return -errno;
        return (size_t)written == length ? 0 : -ENOSPC;
}

int release_note_rehearsal(const char *releases_dir, const char *version, const char *failure) {
        struct release_names names;
        release_names(version, &names);
        _cleanup_close_ int directory = directory_open(AT_FDCWD, releases_dir);
        if (directory < 0)
                return directory;
        /* In between both are there, and the failure counts. */
        int r = failure ? write_note(directory, names.failed, failure)
                        : write_note(directory, names.rehearsed, "");
        if (r == 0)
                r = forget(directory, failure ? names.rehearsed : names.failed);
        return r == 0 && fsync(directory) < 0 ? -errno : r;
}

bool release_was_rehearsed(const char *releases_dir, const char *version) {
        struct release_names names;
        release_names(version, &names);
        _cleanup_close_ int directory = directory_open(AT_FDCWD, releases_dir);
        return directory >= 0 && faccessat(directory, names.rehearsed, F_OK, 0) == 0 &&
               faccessat(directory, names.failed, F_OK, 0) < 0;
}

bool release_failed_rehearsal(const char *releases_dir, const char *version, char *ret_reason, size_t size,
                uint64_t *ret_at) {
        struct release_names names;
        struct stat st;
        release_names(version, &names);
        _cleanup_close_ int fd = release_open_beside(releases_dir, names.failed);
        if (fd < 0 || fstat(fd, &st) < 0)
                return false;
        ssize_t n = read(fd, ret_reason, size - 1);
        ret_reason[n < 0 ? 0 : n] = '\0';
        *ret_at = (uint64_t)st.st_mtim.tv_sec * USEC_PER_SEC;
        return true;
}
