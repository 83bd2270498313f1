#include "pin.h"

#include "../lib/log.h"
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define FOLDER "gate"

static void folder_path(const struct keeper *keeper, char *path, size_t size) {
        (void) snprintf(path, size, "%s/" FOLDER, keeper->directories.run);
}

/* The folder above belongs to the director: it is not followed elsewhere. */
static int open_folder(const struct keeper *keeper) {
        char path[640];
        folder_path(keeper, path, sizeof(path));
        int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void unmount(const struct keeper *keeper) {
        char path[64];
        struct statfs found;
        for (;;) {
                _cleanup_close_ int fd = open_folder(keeper);
                if (fd < 0 || fstatfs(fd, &found) < 0 || (unsigned long) found.f_type != BPF_FS_MAGIC)
                        return;
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                if (umount2(path, MNT_DETACH) < 0)
                        return;
        }
}

int pin_open(struct keeper *keeper) {
        char path[640];
        folder_path(keeper, path, sizeof(path));
        unmount(keeper);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        _cleanup_close_ int folder = open_folder(keeper);
        _cleanup_close_ int context = fsopen("bpf", FSOPEN_CLOEXEC);
        if (folder < 0)
                return folder;
        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
                        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        _cleanup_close_ int mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount < 0 || move_mount(mount, "", folder, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return -errno;
        keeper->pins_fd = TAKE_FD(mount);
        return 0;
}

/* A release's name may have dots, which names in this file system may not. */
static bool find_place(const struct keeper *keeper, const char *name, char *path, size_t size) {
        if (keeper->pins_fd < 0 || strncmp(name, KEEPER_GATE_LINK, strlen(KEEPER_GATE_LINK)) != 0)
                return false;
        int used = snprintf(path, size, "/proc/self/fd/%d/", keeper->pins_fd);
        (void) snprintf(path + used, size - (size_t) used, "%s", name);
        for (char *c = path + used; *c; c++)
                if (!((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || *c == '-'))
                        *c = '_';
        return true;
}

int pin_put(struct keeper *keeper, const char *name, int fd) {
        char path[KEEPER_NAME_MAX + 64];
        if (!find_place(keeper, name, path, sizeof(path)))
                return 0;
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

void pin_drop(struct keeper *keeper, const char *name) {
        char path[KEEPER_NAME_MAX + 64];
        if (find_place(keeper, name, path, sizeof(path)) && unlink(path) < 0 && errno != ENOENT)
                log_warning("the gate %s cannot be taken away: %m", name);
}

void pin_close(struct keeper *keeper) {
        char path[640];
        if (keeper->pins_fd < 0)
                return;
        keeper->pins_fd = close_fd(keeper->pins_fd);
        unmount(keeper);
        folder_path(keeper, path, sizeof(path));
        (void) rmdir(path);
}
