#include "listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

uint32_t listener_queued(int fd) {
        struct tcp_info info = {0};
        socklen_t length = sizeof(info);
        if (!listener_is_listening(fd) || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
                return 0;
        return info.tcpi_unacked; /* of a listener: its accept queue */
}

bool listener_is_listening(int fd) {
        int value = 0;
        socklen_t length = sizeof(value);
        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value;
}
