#include "relay.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

static size_t put(const struct relay *relay, const char *data, size_t size);
static bool tell_dropped(struct relay *relay);

void relay_open(struct relay *relay, int fd) {
        char path[32];
        struct stat st;
        *relay = (struct relay){.fd = fd, .way = RELAY_POLL};
        if (fstat(fd, &st) < 0)
                return;
        if (S_ISSOCK(st.st_mode))
                relay->way = RELAY_SEND;
        else if (S_ISREG(st.st_mode))
                relay->way = RELAY_WRITE;
        else {
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (own < 0)
                        return;
                relay->fd = own;
                relay->fd_is_ours = true;
                relay->way = RELAY_WRITE;
        }
}

void relay_close(struct relay *relay) {
        if (relay->fd_is_ours)
                relay->fd = close_fd(relay->fd);
        relay->fd_is_ours = false;
}

void relay_add(struct relay *relay, const char *prefix, const char *line, const char *mark) {
        size_t needed = strlen(prefix) + strlen(line) + strlen(mark) + sizeof(" | \n");
        INVARIANT(needed <= sizeof(relay->batch));
        if (needed > sizeof(relay->batch) - relay->size)
                relay_flush(relay);
        int n = snprintf(relay->batch + relay->size, sizeof(relay->batch) - relay->size, "%s | %s%s\n",
                        prefix, line, mark);
        INVARIANT(n > 0 && (size_t)n < sizeof(relay->batch) - relay->size);
        relay->size += (size_t)n;
}

void relay_flush(struct relay *relay) {
        size_t written = 0;
        if (relay->size == 0)
                return;
        if (tell_dropped(relay))
                written = put(relay, relay->batch, relay->size);
        for (size_t i = written; i < relay->size; i++)
                relay->dropped += relay->batch[i] == '\n';
        if (written > 0)
                relay->is_torn = relay->batch[written - 1] != '\n';
        relay->size = 0;
}

/* What was lost is said in the place where it is missing. False: there is still no room. */
static bool tell_dropped(struct relay *relay) {
        char text[160];
        if (relay->dropped == 0 && !relay->is_torn)
                return true;
        int n = snprintf(text, sizeof(text),
                        "%sinterrex prober: %lu lines of output are missing here: nobody read them\n",
                        relay->is_torn ? "\n" : "", (unsigned long)relay->dropped);
        size_t written = n > 0 ? put(relay, text, (size_t)n) : 0;
        if (written > 0)
                relay->is_torn = text[written - 1] != '\n';
        if (n <= 0 || written < (size_t)n)
                return false;
        relay->dropped = 0;
        return true;
}

static size_t put(const struct relay *relay, const char *data, size_t size) {
        size_t written = 0;
        while (written < size) {
                struct pollfd room = {.fd = relay->fd, .events = POLLOUT};
                size_t left = size - written;
                if (relay->way == RELAY_POLL) {
                        if (poll(&room, 1, 0) <= 0 || !(room.revents & POLLOUT))
                                break;
                        left = left < PIPE_BUF ? left : PIPE_BUF;
                }
                ssize_t n = relay->way == RELAY_SEND ? send(relay->fd, data + written, left,
                                                                       MSG_DONTWAIT | MSG_NOSIGNAL)
                                                     : write(relay->fd, data + written, left);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                written += (size_t)n;
        }
        return written;
}
