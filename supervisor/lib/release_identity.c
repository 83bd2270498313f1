#include "release_internal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sodium.h>
#include <sys/vfs.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* Longer than any kernel's tick, by which the times of changes are told: two changes in one tick may look like one. */
#define TICK_US (50 * USEC_PER_MSEC)

struct walk {
        crypto_hash_sha256_state hash;
        uint64_t changed_at;
};

static int walk_files(struct walk *walk, int release_fd, const struct release *release);
static int walk_entry(struct walk *walk, int parent_fd, const char *name);
static void walk_nothing(struct walk *walk);
static bool keeps_times(int fd);
static bool is_written(int release_fd, const char *path);

int release_identify(const char *releases_dir, const char *version, struct release_identity *ret_identity) {
        struct release release = {0};
        struct release_names names;
        struct release_identity identity = {0};
        struct walk walk = {0};
        int r = release_load(releases_dir, version, &release);
        if (r < 0)
                return r;
        release_names(release.text, &names);
        (void)crypto_hash_sha256_init(&walk.hash);
        _cleanup_close_ int releases_fd = open(releases_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = releases_fd < 0 ? -errno : directory_open(releases_fd, names.directory);
        r = fd < 0 ? fd : walk_entry(&walk, releases_fd, names.manifest);
        if (r == 0) {
                r = walk_entry(&walk, releases_fd, names.signature);
                if (r == -ENOENT) {
                        walk_nothing(&walk);
                        r = 0;
                }
        }
        if (r == 0)
                r = walk_entry(&walk, releases_fd, names.directory);
        if (r == 0)
                r = walk_files(&walk, fd, &release);
        release_done(&release);
        if (r < 0)
                return r;
        (void)crypto_hash_sha256_final(&walk.hash, identity.digest);
        identity.changed_at = walk.changed_at;
        *ret_identity = identity;
        return 0;
}

bool release_identity_counts(const char *releases_dir, const struct release *release,
                const struct release_identity *identity, uint64_t taken_at) {
        _cleanup_free_ char *path = NULL;
        if (identity->changed_at + TICK_US >= taken_at ||
                        asprintf(&path, "%s/%s", releases_dir, release->text) < 0)
                return false;
        _cleanup_close_ int fd = directory_open(AT_FDCWD, path);
        if (fd < 0 || !keeps_times(fd))
                return false;
        for (size_t i = 0; i < release->n_files; i++)
                if (!S_ISLNK(release->files[i].mode) && is_written(fd, release->files[i].path))
                        return false;
        return true;
}

/* A file that was put beside them shows in its directory's time, and nothing that was added is without a file in it. */
static int walk_files(struct walk *walk, int release_fd, const struct release *release) {
        const char *before = "";
        for (size_t i = 0; i < release->n_files; i++) {
                const char *path = release->files[i].path;
                for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
                        char folder[RELEASE_PATH_MAX];
                        size_t length = (size_t)(slash - path);
                        if (length >= sizeof(folder))
                                return -ENAMETOOLONG;
                        if (strncmp(before, path, length + 1) == 0)
                                continue;
                        text_copy(folder, length + 1, path);
                        int r = walk_entry(walk, release_fd, folder);
                        if (r < 0)
                                return r;
                }
                int r = walk_entry(walk, release_fd, path);
                if (r < 0)
                        return r;
                before = path;
        }
        return 0;
}

static int walk_entry(struct walk *walk, int parent_fd, const char *name) {
        struct stat st;
        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        const uint64_t facts[] = {st.st_dev, st.st_ino, st.st_mode, st.st_uid, st.st_gid,
                        (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec,
                        (uint64_t)st.st_ctim.tv_sec, (uint64_t)st.st_ctim.tv_nsec};
        uint64_t changed_at =
                        (uint64_t)st.st_ctim.tv_sec * USEC_PER_SEC + (uint64_t)st.st_ctim.tv_nsec / 1000;
        (void)crypto_hash_sha256_update(&walk->hash, (const unsigned char *)facts, sizeof(facts));
        walk->changed_at = changed_at > walk->changed_at ? changed_at : walk->changed_at;
        return 0;
}

static void walk_nothing(struct walk *walk) {
        static const unsigned char nothing[1] = {0};
        (void)crypto_hash_sha256_update(&walk->hash, nothing, sizeof(nothing));
}

/* On these every write and every first store through a mapping sets the time of change. On tmpfs a mapping may be stored to without
 * it; a network's or a user's file system tells what its server likes; and overlayfs does not know who has the file below it open. */
static bool keeps_times(int fd) {
        struct statfs filesystem;
        if (fstatfs(fd, &filesystem) < 0)
                return false;
        switch ((uint64_t)filesystem.f_type & UINT32_MAX) {
        case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
        case XFS_SUPER_MAGIC:
        case BTRFS_SUPER_MAGIC:
        case F2FS_SUPER_MAGIC:
                return true;
        default:
                return false;
        }
}

/* Whoever has it open for writing may have mapped it, and stored to a page that the kernel looks at again only when it is written
 * back. A read lease is granted only while nobody has. */
static bool is_written(int release_fd, const char *path) {
        _cleanup_close_ int fd = openat(release_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0 || fcntl(fd, F_SETLEASE, F_UNLCK) < 0;
}
