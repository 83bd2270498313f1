/* btrfs subvolumes, by their ioctls. All return -errno; -ENOTTY where the filesystem is another. */
#pragma once

#include "../lib/base.h"

/* Is the directory the top of a subvolume? */
bool subvolume_is(int fd);

/* 1: subvolumes lie below it, which a snapshot would leave out. Linux 4.18. */
int subvolume_has_nested(int fd);

/* A writable snapshot of SOURCE_FD as NAME. Atomic; needs CAP_SYS_ADMIN or to own the source. */
int subvolume_snapshot(int source_fd, int parent_fd, const char *name);

/* Needs CAP_SYS_ADMIN, or the mount option user_subvol_rm_allowed. */
int subvolume_destroy(int parent_fd, const char *name);

/* Makes an empty one and destroys it: 0 if both can be done. */
int subvolume_try(int parent_fd, const char *name);

int subvolume_uuid(int fd, uint8_t ret_uuid[16]);
