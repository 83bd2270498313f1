#include "socket_watch.h"

#include "../lib/log.h"
#include "adoption.h"
#include "process_sockets.h"
#include "unheld.h"
#include <sys/syscall.h>
#include <sys/uio.h>

static void *address_in_process(uint64_t address) {
        return (void *) (uintptr_t) address; /* never followed here */
}

/* The address lies in the node's memory, and another of its threads may change it before the kernel reads it again: then
 * its socket shares an address that is not held, which harms nobody but itself. */
static int read_address(int process, const struct keeper_fenced *fenced, enum transport transport, struct address *ret_address) {
        struct sockaddr_storage sockaddr = {0};
        size_t length = fenced->arguments[2] < sizeof(sockaddr) ? (size_t) fenced->arguments[2] : sizeof(sockaddr);
        struct iovec here = {&sockaddr, length}, there = {address_in_process(fenced->arguments[1]), length};
        ssize_t n = process_vm_readv(process, &here, 1, &there, 1, 0);
        if (n < 0)
                return -errno;
        if ((size_t) n != length || (sockaddr.ss_family != AF_INET && sockaddr.ss_family != AF_INET6))
                return -EAFNOSUPPORT;
        return address_from_sockaddr(transport, (struct sockaddr *) &sockaddr, (socklen_t) length, ret_address);
}

static int take_datagrams(struct director *director, const struct unit *unit, const struct address *address, int *fd) {
        struct sockaddr_storage sockaddr;
        socklen_t length = address_to_sockaddr(address, &sockaddr);
        if (bind(*fd, (struct sockaddr *) &sockaddr, length) < 0)
                return -errno;
        int r = adoption_take_bound(director, unit, *fd);
        if (r > 0)
                (void) TAKE_FD(*fd);
        return r < 0 ? r : 1;
}

static int on_bind(struct director *director, const struct unit *unit, const struct keeper_fenced *fenced, int process, int *fd) {
        struct address address;
        int type = 0, one = 1;
        socklen_t length = sizeof(type);
        if (getsockopt(*fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
                return -errno;
        int r = read_address(process, fenced, type == SOCK_DGRAM ? TRANSPORT_UDP : TRANSPORT_TCP, &address);
        if (r == -EAFNOSUPPORT)
                return 0;
        if (r < 0 || !adoption_is_held(director, &address))
                return r < 0 ? r : 0;
        if (setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
                return -errno;
        /* Nothing is told of a datagram socket after its bind, so it is bound here, on the same socket. */
        return type == SOCK_DGRAM ? take_datagrams(director, unit, &address, fd) : 0;
}

static int on_listen(struct director *director, const struct unit *unit, int *fd) {
        int r = adoption_take_bound(director, unit, *fd);
        if (r > 0)
                (void) TAKE_FD(*fd);
        return r;
}

bool socket_watch_judge(struct director *director, const struct unit *unit, const struct keeper_fenced *fenced) {
        _cleanup_close_ int fd = -1;
        int process = process_of_thread(fenced->thread);
        if (process < 0 || process_descriptor(process, (int) fenced->arguments[0], &fd) < 0 || process_socket_cookie(fd) == 0)
                return false;
        int r = fenced->call == SYS_bind ? on_bind(director, unit, fenced, process, &fd) : on_listen(director, unit, &fd);
        if (r == -ENOSPC)
                unheld_note(director, unit->generation);
        else if (r < 0)
                log_errno(r, "generation %lu: a socket that it %s is not held", unit->generation,
                                fenced->call == SYS_bind ? "binds" : "listens on");
        return r > 0;
}
