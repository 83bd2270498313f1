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

/* A duplicate of one descriptor of a process. */
int process_descriptor(int process, int fd, int *ret_fd);
