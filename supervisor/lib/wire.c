#include "wire.h"

#include <poll.h>
#include <sys/socket.h>

struct wire_header {
        uint32_t type;
        uint32_t size;
};

static const struct wire_type *find_type(const struct wire_type *types, size_t n_types, uint32_t type) {
        for (size_t i = 0; i < n_types; i++)
                if (types[i].type == type)
                        return &types[i];
        return NULL;
}

int wire_try_send(int socket, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds) {
        struct wire_header header = {.type = type, .size = (uint32_t)size};
        struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)body, size}};
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)] = {0};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};

        INVARIANT(size <= WIRE_BODY_MAX && n_fds <= WIRE_FDS_MAX);
        if (n_fds > 0) {
                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        while (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int wire_send(int socket, uint32_t type, const void *body, size_t size, const int *fds, size_t n_fds) {
        for (;;) {
                int r = wire_try_send(socket, type, body, size, fds, n_fds);
                if (r != -EAGAIN)
                        return r;
                struct pollfd wait = {.fd = socket, .events = POLLOUT};
                if (poll(&wait, 1, -1) < 0 && errno != EINTR)
                        return -errno;
        }
}

static void take_descriptors(struct msghdr *header, struct wire_message *message) {
        message->n_fds = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n && message->n_fds < WIRE_FDS_MAX; i++)
                        memcpy(&message->fds[message->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
}

int wire_receive(int socket, const struct wire_type *types, size_t n_types, struct wire_message *message) {
        struct wire_header header;
        struct iovec parts[2] = {{&header, sizeof(header)}, {message->body, sizeof(message->body)}};
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct msghdr raw = {.msg_iov = parts,
                        .msg_iovlen = 2,
                        .msg_control = control,
                        .msg_controllen = sizeof(control)};
        ssize_t n;

        do
                n = recvmsg(socket, &raw, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        take_descriptors(&raw, message);
        const struct wire_type *type =
                        (size_t)n >= sizeof(header) ? find_type(types, n_types, header.type) : NULL;
        if (!type || (raw.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || header.size != type->size ||
                        (size_t)n != sizeof(header) + header.size || message->n_fds < type->fds_min ||
                        message->n_fds > type->fds_max) {
                wire_message_done(message);
                return -EBADMSG;
        }
        message->type = header.type;
        message->size = header.size;
        return 1;
}

void wire_message_done(struct wire_message *message) {
        for (size_t i = 0; i < message->n_fds; i++)
                message->fds[i] = close_fd(message->fds[i]);
        message->n_fds = 0;
}

bool wire_text_is_valid(const char *field, size_t size) {
        return memchr(field, '\0', size) != NULL;
}
