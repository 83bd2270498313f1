#include "control.h"

#include "../lib/log.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Between bind and listen, and between two directors, the folder tells nothing: look again this often at
 * least. */
#define LOOK_AGAIN_MS 50

static int connect_once(const struct node *node, int *ret_fd);
static int connect_patiently(const struct node *node, int *ret_fd);
static int start_bus(int fd, uint64_t deadline, sd_bus **ret_bus);
static int call(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, control_fill fill, const void *arguments);

static bool is_broken(int error) {
        return error == -ECONNRESET || error == -ENOTCONN || error == -EPIPE || error == -ESHUTDOWN ||
               error == -ECONNREFUSED;
}

struct listed_arguments {
        const char *types;
        va_list *values;
};

static int fill_listed(sd_bus_message *message, const void *arguments) {
        const struct listed_arguments *listed = arguments;
        va_list values; /* reading a list uses it up, and the call may be made again */
        va_copy(values, *listed->values);
        int r = sd_bus_message_appendv(message, listed->types, values);
        va_end(values);
        return r;
}

int control_call(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, const char *types, ...) {
        va_list values;
        va_start(values, types);
        const struct listed_arguments listed = {.types = types, .values = &values};
        int r = call(node, method, timeout_us, ret_error, ret_reply, fill_listed, &listed);
        va_end(values);
        return r;
}

static int ask(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, control_fill fill, const void *arguments) {
        for (;;) {
                int r = call(node, method, timeout_us, ret_error, ret_reply, fill, arguments);
                if (r != -ECONNRESET)
                        return r;
                sd_bus_error_free(ret_error);
        }
}

int control_ask(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, const char *types, ...) {
        va_list values;
        va_start(values, types);
        const struct listed_arguments listed = {.types = types, .values = &values};
        int r = ask(node, method, timeout_us, ret_error, ret_reply, fill_listed, &listed);
        va_end(values);
        return r;
}

int control_ask_filled(const struct node *node, const char *method, uint64_t timeout_us,
                sd_bus_error *ret_error, sd_bus_message **ret_reply, control_fill fill,
                const void *arguments) {
        return ask(node, method, timeout_us, ret_error, ret_reply, fill, arguments);
}

/* Never 0, which would mean sd-bus's own limit. */
static uint64_t time_left(uint64_t deadline) {
        uint64_t now = now_monotonic();
        return deadline == USEC_INFINITY ? USEC_INFINITY : deadline > now ? deadline - now : 1;
}

static int call(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, control_fill fill, const void *arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus =
                        NULL; /* to flush it would wait for a director that hangs */
        int fd = -1;
        uint64_t deadline = timeout_us ? now_monotonic() + timeout_us : USEC_INFINITY;
        int r = connect_patiently(node, &fd);
        if (r >= 0)
                r = start_bus(fd, deadline, &bus);
        if (r >= 0)
                r = sd_bus_message_new_method_call(
                                bus, &message, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, method);
        if (r >= 0)
                r = fill(message, arguments);
        if (r < 0)
                return is_broken(r) ? -ECONNRESET : r;
        r = sd_bus_call(bus, message, time_left(deadline), ret_error, ret_reply);
        if (r >= 0)
                return 0;
        if (is_broken(r))
                return -ECONNRESET;
        /* The director has not even let us in: it does so for whom it sees, and from another PID namespace it sees nobody. */
        if (r == -EPERM)
                return r;
        /* Errors made on this side are named after errno. */
        if (sd_bus_error_is_set(ret_error) && strncmp(ret_error->name, "System.Error.", 13) != 0 &&
                        r != -ETIMEDOUT)
                return -EREMOTEIO;
        return r;
}

/* sd_bus_call() would count its time only from when the director has let us in. */
static int wait_until_ready(sd_bus *bus, uint64_t deadline) {
        int r;
        while ((r = sd_bus_is_ready(bus)) == 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0 && now_monotonic() >= deadline)
                        return -ETIMEDOUT;
                if (r == 0)
                        r = sd_bus_wait(bus, time_left(deadline));
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return r;
}

static int start_bus(int fd, uint64_t deadline, sd_bus **ret_bus) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int owned = fd;
        int r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, owned, owned);
        if (r < 0)
                return r;
        owned = -1;
        r = sd_bus_start(bus);
        if (r >= 0)
                r = wait_until_ready(bus, deadline);
        if (r < 0)
                return r;
        *ret_bus = TAKE_POINTER(bus);
        return 0;
}

static int connect_once(const struct node *node, int *ret_fd) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (strlen(node->control) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        text_copy(address.sun_path, sizeof(address.sun_path), node->control);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        /* Once many wait already, a connection to a director that hangs would wait as well. */
        const struct timeval limit = {.tv_sec = CONTROL_CALL_TIMEOUT_US / USEC_PER_SEC};
        if (fd >= 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return errno == EPERM ? -EACCES : errno == EAGAIN ? -ETIMEDOUT : -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* A director that is being restarted comes back within moments; a keeper that is gone does not. */
static int connect_patiently(const struct node *node, int *ret_fd) {
        uint64_t deadline = now_monotonic() + CONTROL_CONNECT_TIMEOUT_US;
        _cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (watch >= 0)
                (void)inotify_add_watch(watch, node->run, IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE);
        for (;;) {
                char events[4096];
                int r = connect_once(node, ret_fd);
                if (r != -ENOENT && r != -ECONNREFUSED && r != -ECONNRESET)
                        return r;
                if (node_supervisor(node) == 0)
                        return -ESRCH;
                if (now_monotonic() >= deadline)
                        return -ETIMEDOUT;
                struct pollfd changes = {.fd = watch, .events = POLLIN};
                if (poll(&changes, 1, LOOK_AGAIN_MS) < 0 && errno != EINTR)
                        return -errno;
                while (watch >= 0 && read(watch, events, sizeof(events)) > 0)
                        continue;
        }
}

static int explain_remote(const struct node *node, const sd_bus_error *remote) {
        static const struct {
                const char *name;
                enum exit_status status;
        } statuses[] = {
                        {CONTROL_ERROR_REFUSED, EXIT_FAILED},
                        {CONTROL_ERROR_BUSY, EXIT_FAILED},
                        {CONTROL_ERROR_USAGE, EXIT_USAGE},
                        {CONTROL_ERROR_PERMISSION, EXIT_NOT_PERMITTED},
                        {SD_BUS_ERROR_ACCESS_DENIED, EXIT_NOT_PERMITTED},
                        {SD_BUS_ERROR_INVALID_ARGS, EXIT_USAGE},
        };
        if (sd_bus_error_has_name(remote, SD_BUS_ERROR_UNKNOWN_METHOD)) {
                log_error("the interrex that supervises node %s does not know this command: it is of "
                          "another version "
                          "than this one",
                                node->name);
                return EXIT_FAILED;
        }
        log_error("%s", remote->message ? remote->message : remote->name);
        for (size_t i = 0; i < ELEMENTS(statuses); i++)
                if (sd_bus_error_has_name(remote, statuses[i].name))
                        return (int)statuses[i].status;
        return EXIT_FAILED;
}

int control_explain(const struct node *node, int error, const sd_bus_error *remote) {
        switch (error) {
        case -EREMOTEIO:
                return explain_remote(node, remote);
        case -ESRCH:
                return node_not_running(node);
        case -EACCES:
                log_error("%s may be written by root and members of the group interrex only: try sudo, or "
                          "join the group",
                                node->control);
                return EXIT_NOT_PERMITTED;
        case -EPERM:
                log_error("the director of node %s takes no orders from another PID namespace: run this "
                          "where it "
                          "runs, for example by `docker exec CONTAINER interrex ...`",
                                node->name);
                return EXIT_NOT_PERMITTED;
        case -ETIMEDOUT:
                log_error("node %s is supervised, but its director (interrex-director) does not answer. The "
                          "node goes on "
                          "without it, and a director that hangs is killed and started again within about a "
                          "minute: see "
                          "then with `interrex status %s` whether what you asked for was done. If it stays "
                          "so, see what "
                          "`interrex run` prints (systemctl status interrex@%s, journalctl -u interrex@%s)",
                                node->name, node->name, node->name, node->name);
                return EXIT_FAILED;
        case -ECONNRESET:
                log_error("the director of node %s was restarted while it was asked: look at `interrex "
                          "status %s`, then "
                          "ask again",
                                node->name, node->name);
                return EXIT_FAILED;
        default:
                log_errno(error, "cannot talk to the director of node %s at %s", node->name, node->control);
                return EXIT_FAILED;
        }
}
