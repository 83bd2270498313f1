/* What processes have open: a socket of a cgroup's by its cookie, which no other socket ever had; or any descriptor. */
#pragma once

#include "../lib/base.h"

/* A duplicate of the socket. -ENOENT: no process of the cgroup has it. */
int process_socket_find(int cgroup_fd, uint64_t cookie, int *ret_fd);

/* Sets FOUND of those of the N cookies whose sockets a process in the cgroup has; returns how many. */
int process_sockets_mark(int cgroup_fd, const uint64_t *cookies, bool *found, size_t n);

/* 0: not a socket. */
uint64_t process_socket_cookie(int fd);

/* The process that a thread belongs to; -ESRCH. */
int process_of_thread(int thread);

/* 1: the descriptor is of a file below DIRECTORY, which has no slash at its end, and PATH is the one that the kernel knows the open
 * file under; 0: of another; -errno. Of a process's, look at a duplicate: it cannot swap that meanwhile. */
int file_is_below(int fd, const char *directory, char *path, size_t size);

/* A duplicate of one descriptor of a process. */
int process_descriptor(int process, int fd, int *ret_fd);

/* Is shown a duplicate of each descriptor of a process, below LIMIT, until it returns true: it has found what it looked for. */
typedef bool (*process_visitor)(int fd, void *userdata);

/* 1: found, and the duplicate is in RET_FD unless that is NULL; 0: not found; -ESRCH, -EPERM: the process is gone, or may not be
 * looked into. */
int process_visit_descriptors(int process, uint64_t limit, process_visitor visit, void *userdata, int *ret_fd);

/* "process 123 (redis-server)": its command, which it names itself, where that can be printed. */
void process_describe(int process, char *text, size_t size);
