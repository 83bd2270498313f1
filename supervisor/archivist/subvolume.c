#include "subvolume.h"

#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* BTRFS_FIRST_FREE_OBJECTID: the inode number of every subvolume's top directory. */
#define SUBVOLUME_INODE 256

static int with_name(int parent_fd, unsigned long request, int source_fd, const char *name) {
        struct btrfs_ioctl_vol_args_v2 arguments = {.fd = source_fd};
        if (strlen(name) > BTRFS_SUBVOL_NAME_MAX)
                return -ENAMETOOLONG;
        text_copy(arguments.name, sizeof(arguments.name), name);
        return ioctl(parent_fd, request, &arguments) < 0 ? -errno : 0;
}

bool subvolume_is(int fd) {
        struct statfs filesystem;
        struct stat st;
        return fstatfs(fd, &filesystem) == 0 && filesystem.f_type == BTRFS_SUPER_MAGIC &&
               fstat(fd, &st) == 0 && st.st_ino == SUBVOLUME_INODE;
}

int subvolume_has_nested(int fd) {
        _cleanup_free_ struct btrfs_ioctl_get_subvol_rootref_args *arguments = calloc(1, sizeof(*arguments));
        if (!arguments)
                return -ENOMEM;
        if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_ROOTREF, arguments) < 0)
                return errno == EOVERFLOW ? 1 : -errno;
        return arguments->num_items > 0;
}

int subvolume_snapshot(int source_fd, int parent_fd, const char *name) {
        return with_name(parent_fd, BTRFS_IOC_SNAP_CREATE_V2, source_fd, name);
}

int subvolume_destroy(int parent_fd, const char *name) {
        return with_name(parent_fd, BTRFS_IOC_SNAP_DESTROY_V2, 0, name);
}

int subvolume_try(int parent_fd, const char *name) {
        (void)subvolume_destroy(parent_fd, name);
        int r = with_name(parent_fd, BTRFS_IOC_SUBVOL_CREATE_V2, 0, name);
        return r < 0 ? r : subvolume_destroy(parent_fd, name);
}

int subvolume_uuid(int fd, uint8_t ret_uuid[16]) {
        struct btrfs_ioctl_get_subvol_info_args information = {0};
        if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &information) < 0)
                return -errno;
        memcpy(ret_uuid, information.uuid, sizeof(information.uuid));
        return 0;
}
