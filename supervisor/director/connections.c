#include "connections.h"

#include "unit.h"
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

/* What is done with each connection found. */
struct walk {
        const struct director *director;
        uint32_t count;
        int end_fd; /* the netlink socket to end them through; -1: they are only counted */
};

static void end_connection(int fd, const struct inet_diag_msg *connection) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 diag;
        } request = {
                        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DESTROY, .nlmsg_flags = NLM_F_REQUEST},
                        .diag = {.sdiag_family = connection->idiag_family,
                                        .sdiag_protocol = IPPROTO_TCP,
                                        .idiag_states = 1U << TCP_ESTABLISHED,
                                        .id = connection->id},
        };
        (void) send(fd, &request, sizeof(request), 0);
}

/* 1: go on reading, 0: the answer is complete. */
static int take_answer(struct walk *walk, const char *buffer, size_t size) {
        const struct nlmsghdr *header = (const struct nlmsghdr *) buffer;
        for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
                if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
                        return 0;
                const struct inet_diag_msg *connection = NLMSG_DATA(header);
                if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*connection)) ||
                                !is_held_port(walk->director, ntohs(connection->id.idiag_sport)))
                        continue;
                walk->count++;
                if (walk->end_fd >= 0)
                        end_connection(walk->end_fd, connection);
        }
        return 1;
}

static void walk_family(struct walk *walk, int family, uint64_t cgroup) {
        _Alignas(struct nlmsghdr) char buffer[16384];
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (fd < 0 || ask(fd, family, cgroup) < 0)
                return;
        for (;;) {
                ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
                if (n <= 0 || take_answer(walk, buffer, (size_t) n) == 0)
                        return;
        }
}

static void walk_generation(struct walk *walk, struct director *director, uint64_t generation) {
        struct unit *unit = unit_find(director, generation);
        struct stat st;
        /* A cgroup's id is the inode number of its folder. */
        if (!unit || unit->cgroup_fd < 0 || fstat(unit->cgroup_fd, &st) < 0)
                return;
        walk_family(walk, AF_INET, st.st_ino);
        walk_family(walk, AF_INET6, st.st_ino);
}

uint32_t connections_count(struct director *director, uint64_t generation) {
        struct walk walk = {.director = director, .end_fd = -1};
        walk_generation(&walk, director, generation);
        return walk.count;
}

void connections_end(struct director *director, uint64_t generation) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        struct walk walk = {.director = director, .end_fd = fd};
        if (fd >= 0)
                walk_generation(&walk, director, generation);
}
