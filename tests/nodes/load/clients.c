#include "clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_US 2000
#define BATCH 256
#define BURST_MAX 500       /* connections begun at one tick, should we have been held up */
#define SOURCE_ADDRESSES 32 /* 127.0.0.1 to 127.0.0.32: each has its own 28,000 source ports */

enum client_state { CLIENT_ABSENT, CLIENT_CONNECTING, CLIENT_WAITING, CLIENT_IDLE };

struct client {
        TAILQ_ENTRY(client)
        asked; /* while it waits, ordered by began_at, so that the head times out first */
        int fd;
        enum client_state state;
        bool stays, has_been_answered;
        uint64_t began_at, next_at;
        struct response response;
};

TAILQ_HEAD(client_queue, client);

struct clients {
        const struct load_options *options;
        struct statistics *statistics;
        struct client_queue asked;
        struct client *kept;
        char request[512];
        size_t request_length;
        int epoll_fd;
        unsigned next_source;
        uint64_t started_at, begun;
        bool is_ending;
};

static uint64_t now_us(void);
static int open_timer(void);
static void make_request(struct clients *clients);
static void tick(struct clients *clients);
static void handle(struct clients *clients, struct client *client, uint32_t events);

int clients_run(const struct load_options *options, int stop_fd, struct statistics *ret_statistics) {
        struct clients clients = {.options = options,
                        .statistics = ret_statistics,
                        .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
        struct epoll_event events[BATCH], watch = {.events = EPOLLIN};
        int timer_fd = open_timer();
        uint64_t expired;
        TAILQ_INIT(&clients.asked);
        make_request(&clients);
        clients.kept = calloc(options->keepalive + 1, sizeof(struct client));
        if (clients.epoll_fd < 0 || timer_fd < 0 || !clients.kept)
                return -errno;
        for (uint64_t i = 0; i < options->keepalive; i++)
                clients.kept[i] = (struct client){.fd = -1, .stays = true};
        watch.data.ptr = &timer_fd;
        if (epoll_ctl(clients.epoll_fd, EPOLL_CTL_ADD, timer_fd, &watch) < 0)
                return -errno;
        watch.data.ptr = &stop_fd;
        if (epoll_ctl(clients.epoll_fd, EPOLL_CTL_ADD, stop_fd, &watch) < 0)
                return -errno;

        clients.started_at = now_us();
        while (!clients.is_ending || !TAILQ_EMPTY(&clients.asked)) {
                int n = epoll_wait(clients.epoll_fd, events, BATCH, -1);
                for (int i = 0; i < n; i++) {
                        if (events[i].data.ptr == &stop_fd)
                                clients.is_ending =
                                                !epoll_ctl(clients.epoll_fd, EPOLL_CTL_DEL, stop_fd, NULL);
                        else if (events[i].data.ptr != &timer_fd)
                                handle(&clients, events[i].data.ptr, events[i].events);
                }
                /* After the batch, because a client that times out is freed, and the batch may speak of it.
                 */
                if (read(timer_fd, &expired, sizeof(expired)) == sizeof(expired))
                        tick(&clients);
        }
        free(clients.kept);
        return 0;
}

static uint64_t now_us(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int open_timer(void) {
        struct itimerspec setting = {
                        .it_value.tv_nsec = TICK_US * 1000, .it_interval.tv_nsec = TICK_US * 1000};
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        return fd >= 0 && timerfd_settime(fd, 0, &setting, NULL) == 0 ? fd : -1;
}

static void make_request(struct clients *clients) {
        static const char body[] =
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}";
        const struct load_options *options = clients->options;
        int n;
        if (options->get)
                n = snprintf(clients->request, sizeof(clients->request),
                                "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", options->get, options->target);
        else
                n = snprintf(clients->request, sizeof(clients->request),
                                "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: "
                                "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                options->target, sizeof(body) - 1, body);
        clients->request_length = n > 0 && (size_t)n < sizeof(clients->request) ? (size_t)n : 0;
}

/* One address has a port for each connection of the last minute; a long run needs more than one. */
static int bind_source(struct clients *clients, int fd) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        const struct sockaddr_in *target = (const struct sockaddr_in *)&clients->options->address;
        int one = 1;
        if (target->sin_family != AF_INET || target->sin_addr.s_addr != htonl(INADDR_LOOPBACK))
                return 0;
        source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + clients->next_source++ % SOURCE_ADDRESSES);
        if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0)
                return -errno;
        return bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0 ? -errno : 0;
}

static void leave(struct clients *clients, struct client *client) {
        if (client->state == CLIENT_CONNECTING || client->state == CLIENT_WAITING)
                TAILQ_REMOVE(&clients->asked, client, asked);
        if (client->fd >= 0)
                (void)close(client->fd);
        client->fd = -1;
        client->state = CLIENT_ABSENT;
        if (!client->stays)
                free(client);
}

static void fail_locally(struct clients *clients, struct client *client, int error) {
        clients->statistics->local_errors++;
        clients->statistics->last_local_error = error;
        leave(clients, client);
}

static void fail(struct clients *clients, struct client *client, int error) {
        struct statistics *statistics = clients->statistics;
        if (client->state != CLIENT_IDLE)
                statistics_wait(statistics, now_us() - client->began_at);
        if (error == ECONNREFUSED)
                statistics->refused++;
        else if (client->response.has_begun)
                statistics->broken_answers++;
        else if (!client->has_been_answered)
                statistics_reset(statistics, client->fd, client->began_at, now_us());
        else
                statistics->closed_by_node++;
        if (client->has_been_answered && client->state == CLIENT_WAITING)
                statistics->closed_under_way++;
        /* Whoever lost a connection that worked comes back at once; a node that takes none is not hammered.
         */
        client->next_at = client->has_been_answered ? 0 : now_us() + clients->options->interval_us;
        leave(clients, client);
}

static void begin(struct clients *clients, struct client *client, enum client_state state) {
        client->state = state;
        client->began_at = now_us();
        client->response = (struct response){0};
        clients->statistics->requests++;
        TAILQ_INSERT_TAIL(&clients->asked, client, asked);
}

/* False: the client has failed, and is gone unless it stays. */
static bool ask(struct clients *clients, struct client *client) {
        ssize_t n = send(client->fd, clients->request, clients->request_length, MSG_NOSIGNAL);
        if (n == (ssize_t)clients->request_length)
                return true;
        fail(clients, client, n < 0 ? errno : ECONNRESET);
        return false;
}

static void connect_client(struct clients *clients, struct client *client) {
        const struct load_options *options = clients->options;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = client};
        client->has_been_answered = false;
        client->fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (client->fd < 0) {
                fail_locally(clients, client, errno);
                return;
        }
        clients->statistics->connections++;
        int error = -bind_source(clients, client->fd);
        begin(clients, client, CLIENT_CONNECTING);
        if (error == 0 &&
                        connect(client->fd, (const struct sockaddr *)&options->address,
                                        options->address_length) < 0 &&
                        errno != EINPROGRESS)
                error = errno;
        /* Only now: a socket that does not connect yet counts as hung up. */
        if (error == 0 && epoll_ctl(clients->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
                error = errno;
        if (error == ECONNREFUSED || error == ECONNRESET)
                fail(clients, client, error);
        else if (error)
                fail_locally(clients, client, error);
}

static void time_out(struct clients *clients, uint64_t now) {
        struct client *client;
        while ((client = TAILQ_FIRST(&clients->asked)) &&
                        now - client->began_at >= clients->options->timeout_us) {
                clients->statistics->timed_out++;
                statistics_wait(clients->statistics, now - client->began_at);
                leave(clients, client);
        }
}

/* Catches up with the rate. */
static void begin_new(struct clients *clients, uint64_t due) {
        for (unsigned i = 0; i < BURST_MAX && clients->begun < due; i++) {
                struct client *client = calloc(1, sizeof(*client));
                clients->begun++;
                if (client) {
                        client->fd = -1;
                        connect_client(clients, client);
                }
        }
}

static void tick(struct clients *clients) {
        const struct load_options *options = clients->options;
        uint64_t now = now_us(), gone = now - clients->started_at;
        time_out(clients, now);
        if (gone >= options->duration_us)
                clients->is_ending = true;
        if (clients->is_ending)
                return;
        begin_new(clients, gone * options->rate / 1000000);
        for (uint64_t i = 0; i < options->keepalive; i++) {
                struct client *client = &clients->kept[i];
                if (client->next_at > now)
                        continue;
                if (client->state == CLIENT_ABSENT) {
                        connect_client(clients, client);
                } else if (client->state == CLIENT_IDLE) {
                        begin(clients, client, CLIENT_WAITING);
                        (void)ask(clients, client);
                }
        }
}

static void take_answer(struct clients *clients, struct client *client) {
        uint64_t now = now_us();
        bool closes = client->response.wants_close;
        statistics_answer(clients->statistics, &client->response, now - client->began_at, now);
        if (!client->stays) {
                leave(clients, client);
                return;
        }
        TAILQ_REMOVE(&clients->asked, client, asked);
        client->state = CLIENT_IDLE;
        client->has_been_answered = true;
        client->response = (struct response){0};
        client->next_at = client->began_at + clients->options->interval_us;
        if (closes) {
                clients->statistics->closed_by_node++;
                leave(clients, client);
        }
}

static void handle(struct clients *clients, struct client *client, uint32_t events) {
        char bytes[4096];
        if (client->state == CLIENT_CONNECTING) {
                if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
                        return;
                int error = 0;
                socklen_t length = sizeof(error);
                (void)getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length);
                if (error) {
                        fail(clients, client, error);
                        return;
                }
                client->state = CLIENT_WAITING;
                if (!ask(clients, client))
                        return;
        }
        while (client->fd >= 0) {
                ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);
                if (n < 0 && errno == EAGAIN)
                        return;
                enum response_state state =
                                n < 0 ? RESPONSE_BROKEN : response_take(&client->response, bytes, (size_t)n);
                if (state == RESPONSE_MORE)
                        continue;
                bool stays = client->stays;
                if (state == RESPONSE_COMPLETE && client->state == CLIENT_WAITING)
                        take_answer(clients, client);
                else
                        fail(clients, client, n < 0 ? errno : ECONNRESET);
                if (!stays)
                        return;
        }
}
