/* The sockets a node listens on and dials from. Failures end the process with a message and status 1, as in
 * most nodes. */
#pragma once

#include "options.h"
#include <sys/socket.h>

#define SOCKETS_MAX (LISTEN_MAX + 2)

enum socket_kind { SOCKET_STREAM, SOCKET_DATAGRAM };

struct node_socket {
        enum socket_kind kind;
        int fd;
};

/* Opens all that the options name: bound and listening, non-blocking. Returns how many. */
size_t sockets_open(const struct options *options, struct node_socket sockets[SOCKETS_MAX]);

/* Closes them, after shutdown() where the options ask for it. */
void sockets_close(const struct options *options, struct node_socket *sockets, size_t n);

/* "IP:PORT" or "[IP]:PORT"; returns the length. */
socklen_t sockets_address(const char *text, struct sockaddr_storage *ret_address);

/* Begins to connect to options->dial from the first listening address, as libp2p does to keep its port open
 * in NATs. Returns a non-blocking socket, or -errno. */
int sockets_dial(const struct options *options);
