/* libFuzzer on what a director that was taken over could send to the keeper: any packet, with any number of descriptors, and any
 * request to spawn. What passes is whole, and points into itself. */
#include "keeper/spawn.h"

#include <fcntl.h>
#include <sys/socket.h>

#define FDS_SENT_MAX (WIRE_FDS_MAX + 4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_packet(int link, int null, const uint8_t *data, size_t size, size_t n_fds) {
        struct iovec part = {(void *)data, size};
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FDS_SENT_MAX)] = {0};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (n_fds > 0) {
                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);
                *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS,
                                .cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
                for (size_t i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(c) + i * sizeof(int), &null, sizeof(int));
        }
        INVARIANT(sendmsg(link, &message, MSG_NOSIGNAL) == (ssize_t)size);
}

static void fuzz_packet(int null, const uint8_t *data, size_t size, size_t n_fds) {
        static struct wire_message message;
        int link[2];
        INVARIANT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0);
        send_packet(link[0], null, data, size, n_fds);
        int r = wire_receive(link[1], keeper_requests, n_keeper_requests, &message);
        /* A packet without a byte looks as the end of the link does. */
        INVARIANT(r == 1 || r == -EBADMSG || (size == 0 && r == -ECONNRESET));
        if (r == 1) {
                INVARIANT(message.n_fds == n_fds && message.size <= size);
                for (size_t i = 0; i < n_fds; i++)
                        INVARIANT(fcntl(message.fds[i], F_GETFD) == FD_CLOEXEC);
                wire_message_done(&message);
        }
        INVARIANT(message.n_fds == 0);
        close_fd(link[0]);
        close_fd(link[1]);
}

static void check_points_into(const struct keeper_spawn *request, const char *text) {
        INVARIANT(text >= request->strings && text < request->strings + request->strings_size);
        INVARIANT(strlen(text) < (size_t)(request->strings + request->strings_size - text));
}

/* On the heap in its exact size, so that a byte behind it is noticed. */
static void fuzz_spawn(int null, const uint8_t *data, size_t size, size_t n_fds) {
        _cleanup_free_ struct keeper_spawn *request = calloc(1, sizeof(*request));
        struct spawn_plan plan = {0};
        int fds[FDS_SENT_MAX];
        INVARIANT(request);
        for (size_t i = 0; i < ELEMENTS(fds); i++)
                fds[i] = null;
        /* What comes first is the strings: the rest is chosen by the last bytes, and mostly small. */
        size_t tail = size < 8 ? size : 8, length = size - tail;
        memcpy(request->strings, data,
                        length < sizeof(request->strings) ? length : sizeof(request->strings));
        uint8_t small[8] = {0};
        memcpy(small, data + size - tail, tail);
        request->kind = small[0];
        request->fence = small[1];
        request->n_arguments = small[2] == UINT8_MAX ? UINT32_MAX : small[2];
        request->n_environment = small[3] == UINT8_MAX ? UINT32_MAX : small[3];
        request->n_listen = small[4] == UINT8_MAX ? UINT32_MAX : small[4];
        request->has_gate = small[5];
        request->n_limits = request->n_groups = small[6];
        request->strings_size =
                        small[7] == UINT8_MAX ? sizeof(request->strings) + 1 : (uint32_t)small[7] * 257;
        if (spawn_plan_make(request, fds, n_fds, &plan) < 0)
                return;
        INVARIANT(n_fds >= 2 && request->n_limits <= KEEPER_LIMITS_MAX);
        check_points_into(request, plan.path);
        check_points_into(request, plan.working_directory);
        for (size_t i = 0; i < request->n_arguments; i++)
                check_points_into(request, plan.arguments[i]);
        for (size_t i = 0; i < request->n_environment; i++)
                check_points_into(request, plan.environment[i]);
        INVARIANT(!plan.arguments[request->n_arguments]);
        spawn_plan_done(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        size_t n_fds = data[0] % (FDS_SENT_MAX + 1);
        INVARIANT(null >= 0);
        fuzz_packet(null, data + 1, size - 1, n_fds);
        fuzz_spawn(null, data + 1, size - 1, n_fds);
        return 0;
}
