#include "waiting_room.h"

#include "../lib/log.h"
#include "hold.h"
#include "keeper_link.h"
#include "listener.h"
#include "steering.h"
#include <netinet/tcp.h>
#include <sys/stat.h>

/* What an accepted connection inherits from its listener, and nodes set there. */
static const struct {
        int level, name;
} inherited[] = {
                {SOL_SOCKET, SO_KEEPALIVE},
                {SOL_SOCKET, SO_PRIORITY},
                {IPPROTO_TCP, TCP_NODELAY},
                {IPPROTO_TCP, TCP_KEEPIDLE},
                {IPPROTO_TCP, TCP_KEEPINTVL},
                {IPPROTO_TCP, TCP_KEEPCNT},
                {IPPROTO_TCP, TCP_USER_TIMEOUT},
                {IPPROTO_IP, IP_TOS},
                {IPPROTO_IPV6, IPV6_TCLASS},
};

static void copy_option(int from, int to, int level, int name) {
        int value = 0;
        socklen_t length = sizeof(value);
        if (getsockopt(from, level, name, &value, &length) == 0)
                (void) setsockopt(to, level, name, &value, sizeof(value));
}

static void copy_inherited(int from, int to) {
        for (size_t i = 0; i < ELEMENTS(inherited); i++)
                copy_option(from, to, inherited[i].level, inherited[i].name);
}

static int chown_like(struct director *director, int socket, int member) {
        struct stat st;
        if (fstat(member, &st) < 0)
                return -errno;
        struct keeper_chown request = {.serial = keeper_serial(director), .uid = st.st_uid};
        return keeper_ask(director, KEEPER_CHOWN, &request, sizeof(request), &socket, 1, request.serial, NULL);
}

int waiting_room_prepare(struct director *director, uint32_t group, int member) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof(address);
        char name[KEEPER_NAME_MAX];
        int one = 1;
        if (director->waiting_fds[group] >= 0 || director->groups[group].address.protocol != IPPROTO_TCP)
                return 0;
        if (getsockname(member, (struct sockaddr *) &address, &length) < 0)
                return -errno;
        _cleanup_close_ int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        /* Accepted connections inherit SO_REUSEADDR, without which those in TIME_WAIT would keep the port after the node. */
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
                        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                return -errno;
        if (address.ss_family == AF_INET6)
                copy_option(member, fd, IPPROTO_IPV6, IPV6_V6ONLY);
        copy_option(member, fd, SOL_SOCKET, SO_BINDTOIFINDEX);
        int r = chown_like(director, fd, member);
        if (r < 0)
                return r;
        if (bind(fd, (struct sockaddr *) &address, length) < 0)
                return -errno;
        (void) snprintf(name, sizeof(name), "waiting.%u", group);
        keeper_store(director, name, fd);
        director->waiting_fds[group] = TAKE_FD(fd);
        return 0;
}

static int open_group(struct director *director, uint32_t group, int member) {
        int fd = director->waiting_fds[group];
        copy_inherited(member, fd);
        if (listen(fd, LISTENER_BACKLOG) < 0)
                return -errno;
        return steering_set_waiting(director, group, fd);
}

void waiting_room_open(struct director *director, uint64_t generation) {
        bool opened[STEERING_GROUPS] = {false};
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
                const struct member *member = &director->members[i];
                if (member->generation != generation || generation == 0 || opened[member->group] ||
                                director->waiting_fds[member->group] < 0)
                        continue;
                opened[member->group] = true;
                int r = open_group(director, member->group, member->fd);
                if (r < 0)
                        log_errno(r, "connections to %s wait in the node's own queue while it ends",
                                        director->config->listen[director->groups[member->group].listen].text);
        }
        int r = steering_flip_to_waiting(director, generation);
        if (r < 0)
                log_errno(r, "connections wait in the node's own queues while it ends");
        else
                steering_settle();
}

int waiting_room_keep(struct director *director, uint32_t group) {
        int fd = director->waiting_fds[group];
        if (director->groups[group].address.protocol != IPPROTO_TCP)
                return 0;
        if (fd < 0)
                return -ENOENT;
        return listen(fd, LISTENER_BACKLOG) < 0 ? -errno : steering_set_waiting(director, group, fd);
}

static bool is_open(const struct director *director, uint32_t group) {
        return director->waiting_fds[group] >= 0 && listener_is_listening(director->waiting_fds[group]);
}

static bool is_any_open(const struct director *director) {
        for (uint32_t group = 0; group < STEERING_GROUPS; group++)
                if (is_open(director, group) && !hold_keeps_waiting(director, group))
                        return true;
        return false;
}

void waiting_room_close(struct director *director) {
        if (!is_any_open(director))
                return;
        steering_settle();
        for (uint32_t group = 0; group < STEERING_GROUPS; group++) {
                if (!is_open(director, group) || hold_keeps_waiting(director, group))
                        continue;
                /* It stays bound, for the next time: it only stops listening, by which the kernel moves its queue. */
                (void) steering_unset_waiting(director, group);
                (void) shutdown(director->waiting_fds[group], SHUT_RD);
        }
}

int waiting_room_take_stored(struct director *director, const char *name, int fd) {
        uint32_t group;
        if (sscanf(name, "waiting.%u", &group) != 1)
                return 0;
        if (group < STEERING_GROUPS && director->waiting_fds[group] < 0)
                director->waiting_fds[group] = fd;
        else
                close_fd(fd);
        return 1;
}

uint32_t waiting_room_queued(const struct director *director, uint32_t group) {
        return director->waiting_fds[group] >= 0 ? listener_queued(director->waiting_fds[group]) : 0;
}
