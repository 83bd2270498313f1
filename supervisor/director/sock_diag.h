/* The kernel's own list of a cgroup's sockets (NETLINK_SOCK_DIAG). Linux 5.9 for the filter by cgroup. */
#pragma once

#include "../lib/base.h"
#include <linux/inet_diag.h>

typedef void (*sock_diag_visitor)(const struct inet_diag_msg *socket, void *userdata);

/* Those in the cgroup and below it, of both families. STATES: bits like 1 << TCP_LISTEN. */
void sock_diag_walk(int cgroup_fd, uint8_t protocol, uint32_t states, sock_diag_visitor visit, void *userdata);
