#include "listen_fds.h"

#include "../lib/log.h"
#include "adoption.h"
#include "keeper_link.h"
#include "listener.h"
#include "unit.h"
#include <sys/socket.h>
#include <sys/stat.h>

/* Beside a socket for 0.0.0.0 one for [::] has IPv6 alone, so that each connection has one way. */
static bool is_for_one_family(const struct config *config, const struct address *address) {
        struct address other = {.transport = address->transport, .family = AF_INET, .port = address->port};
        return address->family == AF_INET6 && address_is_wildcard(address) &&
               address_stands_in(config->listen, config->n_listen, &other);
}

static int make_inet(const struct config *config, const struct address *address, int *ret_fd) {
        struct sockaddr_storage sockaddr;
        int one = 1, only_v6 = is_for_one_family(config, address),
            type = address->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM;
        socklen_t length = address_to_sockaddr(address, &sockaddr);
        _cleanup_close_ int fd = socket(address->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
                        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
                        (address->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) < 0) ||
                        bind(fd, (struct sockaddr *) &sockaddr, length) < 0 ||
                        (type == SOCK_STREAM && listen(fd, LISTENER_BACKLOG) < 0))
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* What a node before this one left there goes. This may run as root: nothing but a socket is removed. */
static int clear_path(const char *path) {
        struct stat st;
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        return unlink(path) < 0 ? -errno : 0;
}

/* A path can have one socket only, so all generations share it: the queue belongs to nobody and outlives each of them. */
static int make_unix(struct director *director, size_t index, int *ret_fd) {
        const struct address *address = &director->config->listen[index];
        struct sockaddr_storage sockaddr;
        char name[KEEPER_NAME_MAX];
        socklen_t length = address_to_sockaddr(address, &sockaddr);
        if (director->unix_fds[index] >= 0) {
                *ret_fd = director->unix_fds[index];
                return 0;
        }
        int r = clear_path(address->path);
        if (r < 0)
                return r;
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sockaddr, length) < 0 || listen(fd, LISTENER_BACKLOG) < 0 ||
                        chmod(address->path, 0666) < 0)
                return -errno;
        (void) snprintf(name, sizeof(name), "unix.%zu", index);
        keeper_store(director, name, fd);
        *ret_fd = director->unix_fds[index] = TAKE_FD(fd);
        return 0;
}

static int log_obstacle(const char *path) {
        struct stat st = {0};
        (void) lstat(path, &st);
        log_error("%s is %s: it is not replaced by the node's socket; move it away, or write another path in `listen`", path,
                        S_ISREG(st.st_mode)   ? "a file"
                        : S_ISDIR(st.st_mode) ? "a folder"
                        : S_ISLNK(st.st_mode) ? "a symbolic link"
                                              : "there, and no socket");
        return -ENOTSOCK;
}

int listen_fds_make_unix(struct director *director) {
        for (size_t i = 0; i < director->config->n_listen && i < ELEMENTS(director->unix_fds); i++) {
                int fd, r = director->config->listen[i].transport == TRANSPORT_UNIX ? make_unix(director, i, &fd) : 0;
                if (r < 0)
                        return r == -ENOTSOCK ? log_obstacle(director->config->listen[i].path)
                                              : log_errno(r, "cannot make the socket %s", director->config->listen[i].path);
        }
        return 0;
}

int listen_fds_make(struct director *director, const struct unit *unit, int *ret_fds, size_t capacity, size_t *ret_n) {
        if (director->config->n_listen > capacity)
                return -ENOSPC;
        for (size_t i = 0; i < director->config->n_listen; i++) {
                if (director->config->listen[i].transport == TRANSPORT_UNIX) {
                        int r = make_unix(director, i, &ret_fds[i]);
                        if (r < 0)
                                return r;
                        continue;
                }
                _cleanup_close_ int fd = -1;
                int r = make_inet(director->config, &director->config->listen[i], &fd);
                if (r < 0)
                        return r;
                ret_fds[i] = fd;
                r = adoption_add_own(director, unit->generation, i, fd);
                if (r < 0)
                        return r;
                (void) TAKE_FD(fd);
        }
        *ret_n = director->config->n_listen;
        return 0;
}
