#include "archive.h"

#include "subvolume.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static int resolve(struct archive *archive);
static int name_all(struct archive *archive);
static int take_lock(struct archive *archive);

static bool name_is_valid(const char *name) {
        return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

int archive_open(struct archive *archive) {
        const char *directory = archive->state->directory;
        archive->parent_fd = archive->lock_fd = -1;
        if (!directory || directory[0] != '/')
                return fail_with(archive->ret_error, -EINVAL, "state.directory %s is not an absolute path",
                                directory ? directory : "is missing and");
        if (!name_is_valid(archive->name))
                return fail_with(archive->ret_error, -EINVAL,
                                "%s is no name of a snapshot: only a-z, 0-9 and -", archive->name);
        int r = resolve(archive);
        if (r < 0)
                return r;
        archive->parent_fd = open(archive->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (archive->parent_fd < 0)
                return fail_with(archive->ret_error, -errno,
                                "%s, which holds the state directory, cannot be opened: %s", archive->parent,
                                strerror(errno));
        r = name_all(archive);
        return r < 0 ? r : take_lock(archive);
}

void archive_close(struct archive *archive) {
        if (archive->lock_fd >= 0)
                (void)unlinkat(archive->parent_fd, archive->lock, 0);
        archive->lock_fd = close_fd(archive->lock_fd);
        archive->parent_fd = close_fd(archive->parent_fd);
        free(archive->parent);
        archive->parent = NULL;
}

/* Where the configured path is a link, the snapshot lies beside what it leads to, else it could not be
 * exchanged. */
static int resolve(struct archive *archive) {
        _cleanup_free_ char *path = realpath(archive->state->directory, NULL), *parent = NULL;
        if (!path && errno == ENOENT) {
                path = strdup(archive->state->directory);
                for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/'; n--)
                        path[n - 1] = '\0';
        }
        if (!path)
                return fail_with(archive->ret_error, -errno, "the state directory %s cannot be found: %s",
                                archive->state->directory, strerror(errno));
        char *slash = strrchr(path, '/');
        INVARIANT(slash);
        if (slash[1] == '\0' || strlen(slash + 1) >= sizeof(archive->live))
                return fail_with(archive->ret_error, -EINVAL,
                                "%s cannot be a state directory: a snapshot must lie beside it on the same "
                                "filesystem",
                                path);
        text_copy(archive->live, sizeof(archive->live), slash + 1);
        slash[slash == path ? 1 : 0] = '\0';
        parent = realpath(path, NULL);
        if (!parent)
                return fail_with(archive->ret_error, -errno,
                                "%s, which holds the state directory, cannot be found: %s", path,
                                strerror(errno));
        archive->parent = TAKE_POINTER(parent);
        return 0;
}

static int name_all(struct archive *archive) {
        const struct {
                char *name;
                bool named;
                const char *suffix;
        } derived[] = {
                        {archive->snapshot, true, ""},
                        {archive->part, true, ".part"},
                        {archive->gone, true, ".gone"},
                        {archive->kept, true, ".kept"},
                        {archive->kept_part, true, ".kept-part"},
                        {archive->marker, true, ".restored"},
                        {archive->writing, true, ".restored-part"},
                        {archive->scratch, false, ".try"},
                        {archive->lock, false, ".lock"},
        };
        for (size_t i = 0; i < ELEMENTS(derived); i++) {
                int n = snprintf(derived[i].name, ARCHIVE_NAME_MAX, ".%s.interrex%s%s%s", archive->live,
                                derived[i].named ? "-" : "", derived[i].named ? archive->name : "",
                                derived[i].suffix);
                if (n < 0 || n >= ARCHIVE_NAME_MAX)
                        return fail_with(archive->ret_error, -ENAMETOOLONG,
                                        "%s is too long a name for a state directory", archive->live);
        }
        return 0;
}

/* Its owner unlinks the file before letting go, so a lock counts only on the file that still has the name.
 */
static int take_lock(struct archive *archive) {
        for (;;) {
                struct stat ours, named;
                _cleanup_close_ int fd = openat(archive->parent_fd, archive->lock,
                                O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &ours) < 0)
                        return fail_with(archive->ret_error, -errno,
                                        "%s/%s cannot be made: %s; a snapshot must be able to lie there",
                                        archive->parent, archive->lock, strerror(errno));
                if (fstatat(archive->parent_fd, archive->lock, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                                named.st_ino == ours.st_ino) {
                        archive->lock_fd = TAKE_FD(fd);
                        return 0;
                }
        }
}

int archive_has(const struct archive *archive, const char *name) {
        struct stat st;
        if (fstatat(archive->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

int archive_open_directory(const struct archive *archive, const char *name) {
        return directory_open(archive->parent_fd, name);
}

int archive_remove(const struct archive *archive, const char *name) {
        {
                _cleanup_close_ int fd = directory_open(archive->parent_fd, name);
                if (fd == -ENOENT)
                        return 0;
                if (fd >= 0 && subvolume_is(fd) && subvolume_destroy(archive->parent_fd, name) == 0)
                        return 0;
        }
        /* Without the privilege, or with subvolumes below it, file by file. */
        return tree_remove(archive->parent_fd, name);
}

int archive_is_mount_point(int fd) {
        struct statx stx;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_INO, &stx) < 0)
                return -errno;
        return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* A device number may change at the next boot; an inode number may be used again, but not with the same time
 * of birth. The top of every btrfs subvolume is inode 256. */
int archive_identity(int fd, char text[64]) {
        struct statx stx;
        uint8_t uuid[16];
        if (subvolume_is(fd) && subvolume_uuid(fd, uuid) == 0) {
                size_t at = (size_t)snprintf(text, 64, "subvolume ");
                for (size_t i = 0; i < sizeof(uuid); i++)
                        at += (size_t)snprintf(text + at, 64 - at, "%02x", uuid[i]);
                return 0;
        }
        if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &stx) < 0)
                return -errno;
        bool has_birth = stx.stx_mask & STATX_BTIME;
        (void)snprintf(text, 64, "inode %" PRIu64 " %" PRId64 ".%09" PRIu32, (uint64_t)stx.stx_ino,
                        has_birth ? (int64_t)stx.stx_btime.tv_sec : 0,
                        has_birth ? stx.stx_btime.tv_nsec : 0U);
        return 0;
}

int archive_has_room(const struct archive *archive, uint64_t bytes, char **ret_error) {
        struct statvfs space;
        const uint64_t mebi = 1024 * 1024;
        if (bytes > archive->state->copy_limit)
                return fail_with(ret_error, -EFBIG,
                                "the state holds %" PRIu64 " MiB, more than state.copy_limit (%" PRIu64
                                " MiB) allows to copy",
                                bytes / mebi, archive->state->copy_limit / mebi);
        if (fstatvfs(archive->parent_fd, &space) < 0)
                return fail_with(ret_error, -errno, "the free space of %s cannot be read: %s",
                                archive->parent, strerror(errno));
        uint64_t available = (uint64_t)space.f_bavail * space.f_frsize;
        if (bytes + bytes / 20 <= available)
                return 0;
        return fail_with(ret_error, -ENOSPC,
                        "a copy of the state needs %" PRIu64 " MiB and a twentieth to spare, %s has %" PRIu64
                        " MiB free; make room there",
                        bytes / mebi, archive->parent, available / mebi);
}

static const char *const kind_names[] = {
                [SNAPSHOT_AUTO] = "auto",
                [SNAPSHOT_BTRFS] = "btrfs",
                [SNAPSHOT_REFLINK] = "reflink",
                [SNAPSHOT_COPY] = "copy",
                [SNAPSHOT_HOOK] = "hook",
                [SNAPSHOT_NONE] = "none",
};

const char *snapshot_kind_name(enum snapshot_kind kind) {
        INVARIANT((size_t)kind < ELEMENTS(kind_names));
        return kind_names[kind];
}

int snapshot_kind_parse(const char *text, enum snapshot_kind *ret_kind) {
        for (size_t i = 0; i < ELEMENTS(kind_names); i++)
                if (strcmp(kind_names[i], text) == 0) {
                        *ret_kind = (enum snapshot_kind)i;
                        return 0;
                }
        return -EINVAL;
}
