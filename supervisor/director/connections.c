#include "connections.h"

#include "sock_diag.h"
#include "unit.h"
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* What is done with each connection found. */
struct walk {
        const struct director *director;
        uint32_t count;
        int end_fd; /* the netlink socket to end them through; -1: they are only counted */
};

static bool is_held_port(const struct director *director, uint16_t port) {
        for (size_t i = 0; i < director->config->n_listen; i++)
                if (director->config->listen[i].transport == TRANSPORT_TCP && director->config->listen[i].port == port)
                        return true;
        return false;
}

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

static void visit(const struct inet_diag_msg *connection, void *userdata) {
        struct walk *walk = userdata;
        if (!is_held_port(walk->director, ntohs(connection->id.idiag_sport)))
                return;
        walk->count++;
        /* I1: one without an inode belongs to nobody yet, it waits in an accept queue. */
        if (walk->end_fd >= 0 && connection->idiag_inode != 0)
                end_connection(walk->end_fd, connection);
}

static void walk_generation(struct walk *walk, struct director *director, uint64_t generation) {
        const struct unit *unit = unit_find(director, generation);
        if (unit)
                sock_diag_walk(unit->cgroup_fd, IPPROTO_TCP, 1U << TCP_ESTABLISHED, visit, walk);
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
