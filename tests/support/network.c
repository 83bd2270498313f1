#include "network.h"

#include "process.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

static int connect_to(uint16_t port, uint64_t timeout_us);

int network_isolate(void) {
        struct ifreq request = {.ifr_name = "lo"};
        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return -errno;
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int network_get(uint16_t port, const char *path, uint64_t timeout_us, unsigned *ret_status, char *body,
                size_t size) {
        char text[8192] = "", request[256];
        size_t n = 0;
        unsigned status = 0;
        _cleanup_close_ int fd = connect_to(port, timeout_us);
        if (fd < 0)
                return fd;
        int length = snprintf(request, sizeof(request),
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
        if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
                return -errno;
        for (;;) {
                ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
                if (got < 0)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
                if (got == 0)
                        break;
                n += (size_t)got;
        }
        text[n] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (!end || sscanf(text, "HTTP/1.%*c %3u", &status) != 1)
                return n == 0 ? -ECONNRESET : -EBADMSG;
        text_copy(body, size, end + 4);
        *ret_status = status;
        return 0;
}

int network_try_connect(uint16_t port, uint64_t timeout_us) {
        int fd = connect_to(port, timeout_us);
        close_fd(fd);
        return fd < 0 ? fd : 0;
}

static int connect_to(uint16_t port, uint64_t timeout_us) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uint64_t patience_us = process_patience(timeout_us);
        struct timeval timeout = {.tv_sec = (time_t)(patience_us / USEC_PER_SEC),
                        .tv_usec = (suseconds_t)(patience_us % USEC_PER_SEC)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
                        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
        return TAKE_FD(fd);
}
