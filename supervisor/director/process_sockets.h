/* Finding a socket in the processes of a cgroup by its cookie, which no other socket ever had. */
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

/* 1: the process's descriptor is of a file below DIRECTORY, which has no slash at its end, and PATH is the one that the kernel
 * knows the open file under; 0: of another; -errno. A duplicate is looked at, so the process cannot swap it meanwhile. */
int process_file_is_below(int process, int number, const char *directory, char *path, size_t size);

/* A duplicate of one descriptor of a process. */
int process_descriptor(int process, int fd, int *ret_fd);
