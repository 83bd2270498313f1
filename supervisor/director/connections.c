#include "connections.h"

#include "unit.h"
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef INET_DIAG_BC_CGROUP_COND
#define INET_DIAG_BC_CGROUP_COND 17
#endif

struct request {
        struct nlmsghdr header;
        struct inet_diag_req_v2 diag;
        struct nlattr attribute;
        struct inet_diag_bc_op operation;
        uint64_t cgroup;
} __attribute__((packed));

static bool is_held_port(const struct director *director, uint16_t port) {
        for (size_t i = 0; i < director->config->n_listen; i++)
                if (director->config->listen[i].transport == TRANSPORT_TCP && director->config->listen[i].port == port)
                        return true;
        return false;
}

static int ask(int fd, int family, uint64_t cgroup) {
        struct request request = {
                        .header = {.nlmsg_len = sizeof(request),
                                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                        .diag = {.sdiag_family = (uint8_t) family,
                                        .sdiag_protocol = IPPROTO_TCP,
                                        .idiag_states = 1U << TCP_ESTABLISHED},
                        .attribute = {.nla_len = sizeof(struct nlattr) + sizeof(struct inet_diag_bc_op) + sizeof(uint64_t),
                                        .nla_type = INET_DIAG_REQ_BYTECODE},
                        .operation = {.code = INET_DIAG_BC_CGROUP_COND,
                                        .yes = sizeof(struct inet_diag_bc_op) + sizeof(uint64_t),
                                        .no = sizeof(struct inet_diag_bc_op) + sizeof(uint64_t) + 4},
                        .cgroup = cgroup,
        };
        return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* 1: go on reading, 0: the answer is complete. */
static int count_answer(const struct director *director, const char *buffer, size_t size, uint32_t *count) {
        const struct nlmsghdr *header = (const struct nlmsghdr *) buffer;
        for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
                if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
                        return 0;
                const struct inet_diag_msg *socket = NLMSG_DATA(header);
                if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(*socket)) && is_held_port(director, ntohs(socket->id.idiag_sport)))
                        (*count)++;
        }
        return 1;
}

static uint32_t count_family(const struct director *director, int family, uint64_t cgroup) {
        _Alignas(struct nlmsghdr) char buffer[16384];
        uint32_t count = 0;
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (fd < 0 || ask(fd, family, cgroup) < 0)
                return 0;
        for (;;) {
                ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
                if (n <= 0 || count_answer(director, buffer, (size_t) n, &count) == 0)
                        return count;
        }
}

uint32_t connections_count(struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        struct stat st;
        /* A cgroup's id is the inode number of its folder. */
        if (!unit || unit->cgroup_fd < 0 || fstat(unit->cgroup_fd, &st) < 0)
                return 0;
        return count_family(director, AF_INET, st.st_ino) + count_family(director, AF_INET6, st.st_ino);
}
