#include "sock_diag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct request {
        struct nlmsghdr header;
        struct inet_diag_req_v2 diag;
        struct nlattr attribute;
        struct inet_diag_bc_op operation;
        uint64_t cgroup;
} __attribute__((packed));

static int ask(int fd, int family, uint8_t protocol, uint32_t states, uint64_t cgroup) {
        struct request request = {
                        .header = {.nlmsg_len = sizeof(request),
                                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                        .diag = {.sdiag_family = (uint8_t) family, .sdiag_protocol = protocol, .idiag_states = states},
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
static int take_answer(const char *buffer, size_t size, sock_diag_visitor visit, void *userdata) {
        const struct nlmsghdr *header = (const struct nlmsghdr *) buffer;
        for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
                if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
                        return 0;
                const struct inet_diag_msg *socket = NLMSG_DATA(header);
                if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(*socket)))
                        visit(socket, userdata);
        }
        return 1;
}

static void walk_family(int family, uint8_t protocol, uint32_t states, uint64_t cgroup, sock_diag_visitor visit, void *userdata) {
        _Alignas(struct nlmsghdr) char buffer[16384];
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (fd < 0 || ask(fd, family, protocol, states, cgroup) < 0)
                return;
        for (;;) {
                ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
                if (n <= 0 || take_answer(buffer, (size_t) n, visit, userdata) == 0)
                        return;
        }
}

void sock_diag_walk(int cgroup_fd, uint8_t protocol, uint32_t states, sock_diag_visitor visit, void *userdata) {
        struct stat st;
        /* A cgroup's id is the inode number of its folder. */
        if (cgroup_fd < 0 || fstat(cgroup_fd, &st) < 0)
                return;
        walk_family(AF_INET, protocol, states, st.st_ino, visit, userdata);
        walk_family(AF_INET6, protocol, states, st.st_ino, visit, userdata);
}
