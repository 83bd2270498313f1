#include "store.h"

#include "../lib/log.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* linux/un.h has it too, and another struct sockaddr_un. */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

static struct stored_descriptor *find(struct keeper *keeper, const char *name) {
        for (size_t i = 0; i < keeper->n_stored; i++)
                if (strcmp(keeper->store[i].name, name) == 0)
                        return &keeper->store[i];
        return NULL;
}

/* A director that was taken over could have taken the socket of another service. */
static bool is_of_director(const struct keeper *keeper, int fd) {
        struct ucred listener;
        int domain, accepts;
        socklen_t domain_size = sizeof(domain), accepts_size = sizeof(accepts), listener_size = sizeof(listener);
        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) == 0 && domain == AF_UNIX &&
               getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &accepts_size) == 0 && accepts &&
               getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &listener_size) == 0 && listener.pid == keeper->director.pid;
}

int store_put(struct keeper *keeper, const char *name, int fd) {
        struct stored_descriptor *stored = find(keeper, name);
        if (stored) {
                close_fd(stored->fd);
                stored->fd = fd;
                stored->is_nodes_socket = is_of_director(keeper, fd);
                return 0;
        }
        if (keeper->n_stored == STORE_MAX) {
                close_fd(fd);
                return -ENOSPC;
        }
        stored = &keeper->store[keeper->n_stored++];
        text_copy(stored->name, sizeof(stored->name), name);
        stored->fd = fd;
        stored->is_nodes_socket = is_of_director(keeper, fd);
        return 0;
}

void store_drop(struct keeper *keeper, const char *name) {
        struct stored_descriptor *stored = find(keeper, name);
        if (!stored)
                return;
        close_fd(stored->fd);
        *stored = keeper->store[--keeper->n_stored];
}

int store_tell(struct keeper *keeper) {
        for (size_t i = 0; i < keeper->n_stored; i++) {
                struct keeper_name name = {0};
                text_copy(name.name, sizeof(name.name), keeper->store[i].name);
                int r = wire_send(keeper->director_link, KEEPER_STORED, &name, sizeof(name), &keeper->store[i].fd, 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Unless another file has taken its place. */
static void remove_socket(int fd) {
        struct sockaddr_un address = {0};
        socklen_t length = sizeof(address) - 1; /* a path of full length ends with no zero */
        struct stat ours, there;
        _cleanup_close_ int file = ioctl(fd, SIOCUNIXFILE);
        if (file < 0 || fstat(file, &ours) < 0 || getsockname(fd, (struct sockaddr *) &address, &length) < 0 ||
                        *address.sun_path != '/' || lstat(address.sun_path, &there) < 0)
                return;
        if (ours.st_dev == there.st_dev && ours.st_ino == there.st_ino && unlink(address.sun_path) < 0)
                log_warning("the socket %s is left behind: %m", address.sun_path);
}

void store_close(struct keeper *keeper) {
        for (size_t i = 0; i < keeper->n_stored; i++) {
                if (keeper->store[i].is_nodes_socket)
                        remove_socket(keeper->store[i].fd);
                close_fd(keeper->store[i].fd);
        }
        keeper->n_stored = 0;
}
