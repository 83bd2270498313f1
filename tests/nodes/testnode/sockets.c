#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FDS_START 3

static _Noreturn void give_up(const char *what);
static int open_inet(const struct options *options, const char *text, int type, bool share_port);
static int open_unix(const struct options *options);
static size_t take_listen_fds(struct node_socket *sockets);

size_t sockets_open(const struct options *options, struct node_socket sockets[SOCKETS_MAX]) {
        size_t n = 0;
        /* A port that is dialed from as well has to be shared with oneself. */
        bool share_port = options->reuseport_workers > 0 || options->dial;
        if (options->never_listen)
                return 0;
        if (options->listen_fds)
                n = take_listen_fds(sockets);
        for (size_t i = 0; i < options->n_listen && !options->listen_fds; i++)
                sockets[n++] = (struct node_socket){SOCKET_STREAM,
                                open_inet(options, options->listen[i], SOCK_STREAM, share_port)};
        if (options->udp)
                sockets[n++] = (struct node_socket){
                                SOCKET_DATAGRAM, open_inet(options, options->udp, SOCK_DGRAM, share_port)};
        if (options->unix_path)
                sockets[n++] = (struct node_socket){SOCKET_STREAM, open_unix(options)};
        return n;
}

void sockets_close(const struct options *options, struct node_socket *sockets, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (options->shutdown_listener)
                        (void)shutdown(sockets[i].fd, SHUT_RDWR);
                (void)close(sockets[i].fd);
        }
}

int sockets_dial(const struct options *options) {
        struct sockaddr_storage from, to;
        int one = 1;
        if (options->n_listen == 0)
                return -EDESTADDRREQ;
        socklen_t from_length = sockets_address(options->listen[0], &from),
                  to_length = sockets_address(options->dial, &to);
        int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
                        bind(fd, (struct sockaddr *)&from, from_length) == 0 &&
                        (connect(fd, (struct sockaddr *)&to, to_length) == 0 || errno == EINPROGRESS))
                return fd;
        int error = errno;
        (void)close(fd);
        return -error;
}

socklen_t sockets_address(const char *text, struct sockaddr_storage *ret_address) {
        char host[64];
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
        const char *colon = strrchr(text, ':');
        memset(ret_address, 0, sizeof(*ret_address));
        if (colon && (size_t)(colon - text) < sizeof(host)) {
                in_port_t port = htons((in_port_t)atoi(colon + 1));
                (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
                v4->sin_port = port; /* in the same place in both */
                if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
                        v4->sin_family = AF_INET;
                        return sizeof(*v4);
                }
                size_t length = strlen(host);
                if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
                        host[length - 1] = '\0';
                        memset(ret_address, 0, sizeof(*ret_address));
                        v6->sin6_port = port;
                        v6->sin6_family = AF_INET6;
                        if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1)
                                return sizeof(*v6);
                }
        }
        errno = EINVAL;
        give_up(text);
}

static int open_inet(const struct options *options, const char *text, int type, bool share_port) {
        struct sockaddr_storage address;
        socklen_t length = sockets_address(text, &address);
        int one = 1, zero = 0, fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                give_up(text);
        if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                give_up("SO_REUSEADDR");
        if (share_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
                give_up("SO_REUSEPORT");
        if (address.ss_family == AF_INET6 &&
                        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
                give_up("IPV6_V6ONLY");
        if (bind(fd, (struct sockaddr *)&address, length) < 0)
                give_up(text);
        if (type == SOCK_STREAM && listen(fd, (int)options->backlog) < 0)
                give_up(text);
        return fd;
}

static int open_unix(const struct options *options) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", options->unix_path);
        (void)unlink(options->unix_path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                        listen(fd, (int)options->backlog) < 0)
                give_up(options->unix_path);
        return fd;
}

static size_t take_listen_fds(struct node_socket *sockets) {
        const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
        int n = count ? atoi(count) : 0, type = 0;
        socklen_t length = sizeof(type);
        errno = ENOENT;
        if (n < 1 || n > LISTEN_MAX || !pid || atoi(pid) != getpid())
                give_up("--listen-fds: LISTEN_FDS is not for this process");
        for (int i = 0; i < n; i++) {
                if (getsockopt(LISTEN_FDS_START + i, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
                        give_up("--listen-fds: not a socket");
                if (fcntl(LISTEN_FDS_START + i, F_SETFL, fcntl(LISTEN_FDS_START + i, F_GETFL) | O_NONBLOCK) <
                                0)
                        give_up("--listen-fds");
                sockets[i] = (struct node_socket){
                                type == SOCK_DGRAM ? SOCKET_DATAGRAM : SOCKET_STREAM, LISTEN_FDS_START + i};
        }
        return (size_t)n;
}

static _Noreturn void give_up(const char *what) {
        (void)fprintf(stderr, "testnode: %s: %s\n", what, strerror(errno));
        _exit(1);
}
