/* cgroup v2 as far as it is needed: find it (also in hybrid hierarchies), make and remove folders, write control files,
 * read `populated`. Core features only, no controllers. Linux 5.14 for cgroup.kill. Thread safe: no state. */
#pragma once

#include "base.h"

/* Opens the folder of the calling process's own cgroup. *ret_path (malloc'ed) is its path in the file system.
 * -ENOENT: no cgroup2 mount. */
int cgroup_open_own(char **ret_path, int *ret_fd);

/* The same for another process (0: our own). */
int cgroup_open_of(int pid, char **ret_path, int *ret_fd);

/* Makes (if missing) and opens a child. NAME has no slash. */
int cgroup_make(int parent_fd, const char *name, int *ret_fd);

/* Writes TEXT to a control file; -errno. */
int cgroup_write(int cgroup_fd, const char *file, const char *text);

/* 1: processes live in it or below; 0: none; -errno. EVENTS_FD is its open cgroup.events. */
int cgroup_is_populated(int events_fd);

/* Freezes everything in it and below: -ETIMEDOUT if the kernel has not said by then that all of it is, which it stays asked for. */
int cgroup_freeze_and_wait(int cgroup_fd, uint64_t timeout_us);

/* Waits for what somebody has asked for already. */
int cgroup_wait_frozen(int cgroup_fd, uint64_t timeout_us);

/* 1: everything in it and below stands frozen, by whomever; 0: not, or the folder is gone; -errno. */
int cgroup_is_frozen(int cgroup_fd);

/* Kills everything in it and below and waits until it is empty. -ETIMEDOUT. */
int cgroup_kill_and_wait(int cgroup_fd, uint64_t timeout_us);

/* Removes a child folder with all folders below it; all must be empty. A missing one is 0. */
int cgroup_remove(int parent_fd, const char *name);

/* Process ids in it and below, in no order. *ret_pids is malloc'ed. */
int cgroup_processes(int cgroup_fd, int **ret_pids, size_t *ret_n);
