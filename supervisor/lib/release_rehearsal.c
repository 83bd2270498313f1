#include "release_internal.h"
#include <fcntl.h>

int release_note_rehearsal(const char *releases_dir, const char *version) {
        struct release_names names;
        release_names(version, &names);
        _cleanup_close_ int directory = directory_open(AT_FDCWD, releases_dir);
        if (directory < 0)
                return directory;
        _cleanup_close_ int fd = openat(directory, names.rehearsed,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        return fd < 0 ? -errno : 0;
}

bool release_was_rehearsed(const char *releases_dir, const char *version) {
        struct release_names names;
        release_names(version, &names);
        _cleanup_close_ int directory = directory_open(AT_FDCWD, releases_dir);
        return directory >= 0 && faccessat(directory, names.rehearsed, F_OK, 0) == 0;
}
