#include "tree_count.h"

#include "../lib/release_files.h"
#include "hard_links.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define DEPTH_MAX 256

struct counting {
        struct tree_count count;
        struct hard_links links;
        bool with_extents;
};

static int count_directory(struct counting *counting, int fd, const char *path, unsigned depth);
static int count_entry(struct counting *counting, int parent_fd, const char *name, const char *path,
                unsigned depth);
static int count_file(struct counting *counting, int parent_fd, const char *name);
static uint64_t extents_of(int parent_fd, const char *name);

int tree_count(int fd, bool with_extents, struct tree_count *ret_count) {
        struct counting counting = {.with_extents = with_extents};
        int r = count_directory(&counting, fd, "", 0);
        hard_links_done(&counting.links);
        if (r == 0)
                *ret_count = counting.count;
        return r;
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static int count_directory(struct counting *counting, int fd, const char *path, unsigned depth) {
        int again = directory_open(fd, ".");
        if (again < 0)
                return again;
        _cleanup_(closedir_at) DIR *directory = fdopendir(again);
        if (!directory) {
                close_fd(again);
                return -ENOMEM;
        }
        for (;;) {
                char below[PATH_BELOW_MAX];
                errno = 0;
                struct dirent *entry = readdir(directory);
                if (!entry)
                        return -errno;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                int n = snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", entry->d_name);
                if (n < 0 || (size_t)n >= sizeof(below) || depth > DEPTH_MAX)
                        return -ENAMETOOLONG;
                int r = count_entry(counting, fd, entry->d_name, below, depth);
                /* A running node removes files while they are counted. */
                if (r < 0 && r != -ENOENT)
                        return r;
        }
}

static int count_entry(struct counting *counting, int parent_fd, const char *name, const char *path,
                unsigned depth) {
        struct statx stx;
        struct tree_count *count = &counting->count;
        if (statx(parent_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) < 0)
                return -errno;
        if (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) {
                text_copy(count->mount, sizeof(count->mount), path);
                return 0;
        }
        if (S_ISBLK(stx.stx_mode) || S_ISCHR(stx.stx_mode))
                text_copy(count->device, sizeof(count->device), path);
        if (!S_ISDIR(stx.stx_mode)) {
                count->files++;
                return S_ISREG(stx.stx_mode) ? count_file(counting, parent_fd, name) : 0;
        }
        _cleanup_close_ int fd = directory_open(parent_fd, name);
        return fd < 0 ? fd : count_directory(counting, fd, path, depth + 1);
}

static int count_file(struct counting *counting, int parent_fd, const char *name) {
        struct stat st;
        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (st.st_nlink > 1) {
                if (hard_links_find(&counting->links, &st))
                        return 0;
                int r = hard_links_add(&counting->links, &st, "");
                if (r < 0)
                        return r;
        }
        counting->count.bytes += (uint64_t)st.st_blocks * 512;
        if (counting->with_extents)
                counting->count.extents += extents_of(parent_fd, name);
        return 0;
}

/* An estimate is made of it: where it cannot be had, one extent is as good a guess. */
static uint64_t extents_of(int parent_fd, const char *name) {
        struct fiemap map = {.fm_length = FIEMAP_MAX_OFFSET};
        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || ioctl(fd, FS_IOC_FIEMAP, &map) < 0)
                return 1;
        return map.fm_mapped_extents;
}
