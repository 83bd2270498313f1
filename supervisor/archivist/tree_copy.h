/* Copies a tree as faithfully as the caller's privileges allow. */
#pragma once

#include "../lib/base.h"

/* Copies FROM_NAME (of any kind; a link is copied, not followed) to TO_NAME, which must not exist. Contents
 * are shared with the original where the filesystem can, else copied with their holes. Kept: owner, mode,
 * times, extended attributes and ACLs, hard links within the tree, symbolic links, fifos, btrfs'
 * no-copy-on-write flag. Left out: sockets, which mean nothing without the process that listens; trusted.*
 * attributes, which cannot be seen without CAP_SYS_ADMIN; security.* attributes that the kernel refuses to
 * set. Refused: devices (-ENOTSUP). Syncs nothing. */
int tree_copy(int from_fd, const char *from_name, int to_fd, const char *to_name, char **ret_error);
