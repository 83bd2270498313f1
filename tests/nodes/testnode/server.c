#include "server.h"

#include "connection.h"
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 64
#define DRAIN_MS 2000
#define DIAL_AGAIN_MS 200
#define STATUS_EXIT_AFTER 9

enum timer { TIMER_EXIT_AFTER, TIMER_REOPEN, TIMER_STOP, TIMER_DRAIN, TIMER_DIAL, TIMERS };

struct server {
        const struct server_start *start;
        const struct options *options;
        struct connection_list connections;
        struct source sockets[SOCKETS_MAX], timers[TIMERS], signals, dialed;
        size_t n_sockets, n_workers_left;
        int epoll_fd, status;
        bool is_stopping, is_draining, has_told_dial, is_done;
        bool is_batch_stale; /* connections were freed of which the batch in hand may still speak */
};

static void watch(const struct server *server, int operation, struct source *source, uint32_t events);
static void watch_sockets(struct server *server);
static void set_timer(struct server *server, enum timer timer, uint64_t ms, bool repeat);
static void handle(struct server *server, struct source *source, uint32_t events);

int server_run(const struct server_start *start) {
        struct server server = {
                        .start = start, .options = start->options, .n_workers_left = start->n_workers};
        struct epoll_event events[BATCH];
        LIST_INIT(&server.connections);
        server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        server.dialed = (struct source){SOURCE_DIALED, -1};
        server.signals = (struct source){
                        SOURCE_SIGNALS, signalfd(-1, start->signals, SFD_CLOEXEC | SFD_NONBLOCK)};
        watch(&server, EPOLL_CTL_ADD, &server.signals, EPOLLIN);
        watch_sockets(&server);
        if (server.options->exit_after_ms)
                set_timer(&server, TIMER_EXIT_AFTER, server.options->exit_after_ms, false);
        if (server.options->reopen_ms)
                set_timer(&server, TIMER_REOPEN, server.options->reopen_ms, true);
        if (server.options->dial)
                set_timer(&server, TIMER_DIAL, DIAL_AGAIN_MS, true);

        while (!server.is_done) {
                int n = epoll_wait(server.epoll_fd, events, BATCH, -1);
                server.is_batch_stale = false;
                for (int i = 0; i < n && !server.is_batch_stale; i++)
                        handle(&server, events[i].data.ptr, events[i].events);
        }
        return server.status;
}

static void watch(const struct server *server, int operation, struct source *source, uint32_t events) {
        struct epoll_event event = {.events = events, .data.ptr = source};
        if (epoll_ctl(server->epoll_fd, operation, source->fd, &event) < 0) {
                (void)fprintf(stderr, "testnode: epoll: %s\n", strerror(errno));
                _exit(1);
        }
}

static void watch_sockets(struct server *server) {
        server->n_sockets = server->start->n_sockets;
        for (size_t i = 0; i < server->n_sockets; i++) {
                const struct node_socket *socket = &server->start->sockets[i];
                server->sockets[i] = (struct source){
                                socket->kind == SOCKET_STREAM ? SOURCE_LISTENER : SOURCE_DATAGRAMS,
                                socket->fd};
                if (!server->options->listen_never_accept && server->start->n_workers == 0)
                        watch(server, EPOLL_CTL_ADD, &server->sockets[i], EPOLLIN | EPOLLEXCLUSIVE);
        }
}

static void set_timer(struct server *server, enum timer timer, uint64_t ms, bool repeat) {
        struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
        struct itimerspec setting = {.it_value = time, .it_interval = repeat ? time : (struct timespec){0}};
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (fd < 0 || timerfd_settime(fd, 0, &setting, NULL) < 0)
                _exit(1);
        server->timers[timer] = (struct source){SOURCE_TIMER, fd};
        watch(server, EPOLL_CTL_ADD, &server->timers[timer], EPOLLIN);
}

static void end_connection(struct connection *connection) {
        LIST_REMOVE(connection, others);
        (void)close(connection->source.fd);
        free(connection);
}

static void close_sockets(struct server *server) {
        if (server->n_sockets > 0)
                sockets_close(server->options, server->start->sockets, server->n_sockets);
        server->n_sockets = 0;
}

static void end_when_drained(struct server *server) {
        if (server->is_draining && LIST_EMPTY(&server->connections))
                server->is_done = true;
}

/* Closes what is idle; connections that are owed an answer get it, for at most DRAIN_MS. */
static void drain(struct server *server) {
        struct connection *next;
        close_sockets(server);
        server->is_draining = server->is_batch_stale = true;
        for (struct connection *c = LIST_FIRST(&server->connections); c; c = next) {
                next = LIST_NEXT(c, others);
                if (!connection_is_owed(c))
                        end_connection(c);
        }
        set_timer(server, TIMER_DRAIN, DRAIN_MS, false);
        end_when_drained(server);
}

static void stop(struct server *server) {
        if (server->is_stopping)
                return;
        server->is_stopping = true;
        for (size_t i = 0; i < server->start->n_workers; i++)
                (void)kill(server->start->workers[i], SIGTERM);
        if (server->start->n_workers > 0)
                close_sockets(server); /* and the rest when the workers have ended */
        else if (server->options->stop_ms == 0)
                drain(server);
        else
                set_timer(server, TIMER_STOP, server->options->stop_ms, false);
        if (server->options->close_first)
                close_sockets(server);
}

static void take_signals(struct server *server) {
        struct signalfd_siginfo info;
        while (read(server->signals.fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo != SIGCHLD)
                        stop(server);
        while (server->n_workers_left > 0 && waitpid(-1, NULL, WNOHANG) > 0)
                server->n_workers_left--;
        if (server->start->n_workers > 0 && server->n_workers_left == 0)
                server->is_done = true;
}

static void serve(struct server *server, struct connection *connection) {
        struct connection_view view = {.options = server->options,
                        .height = chain_height(server->start->chain),
                        .is_stopping = server->is_draining};
        enum connection_wants wants = connection_serve(connection, &view);
        if (wants == CONNECTION_END)
                end_connection(connection);
        else
                watch(server, EPOLL_CTL_MOD, &connection->source,
                                wants == CONNECTION_READ ? EPOLLIN : EPOLLOUT);
        end_when_drained(server);
}

static void accept_all(struct server *server, int listener) {
        for (int i = 0; i < BATCH; i++) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                struct connection *connection = fd >= 0 ? calloc(1, sizeof(*connection)) : NULL;
                if (!connection) {
                        if (fd >= 0)
                                (void)close(fd);
                        return;
                }
                connection->source = (struct source){SOURCE_CONNECTION, fd};
                LIST_INSERT_HEAD(&server->connections, connection, others);
                watch(server, EPOLL_CTL_ADD, &connection->source, EPOLLIN);
                serve(server, connection);
        }
}

static void echo(const struct server *server, int fd) {
        struct sockaddr_storage from;
        socklen_t length = sizeof(from);
        char text[2048];
        int n = snprintf(text, sizeof(text), "%s ", server->options->version);
        ssize_t got = recvfrom(fd, text + n, sizeof(text) - (size_t)n, 0, (struct sockaddr *)&from, &length);
        if (got >= 0 && !server->options->accept_never_answer)
                (void)sendto(fd, text, (size_t)(n + got), 0, (struct sockaddr *)&from, length);
}

static void reopen(struct server *server) {
        if (server->is_stopping)
                return;
        close_sockets(server);
        (void)sockets_open(server->options, server->start->sockets);
        watch_sockets(server);
        server->is_batch_stale = true;
}

/* One connection out of the listening port is kept up; how it went is told when it changes. */
static void dial(struct server *server) {
        if (server->dialed.fd >= 0 || server->is_stopping)
                return;
        int fd = sockets_dial(server->options);
        if (fd < 0) {
                (void)dprintf(STDOUT_FILENO, "dial failed: %s\n", strerror(-fd));
                return;
        }
        server->dialed.fd = fd;
        server->has_told_dial = false;
        watch(server, EPOLL_CTL_ADD, &server->dialed, EPOLLIN | EPOLLOUT);
}

static void serve_dialed(struct server *server, uint32_t events) {
        char text[256];
        int error = 0;
        socklen_t length = sizeof(error);
        (void)getsockopt(server->dialed.fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error == 0 && !server->has_told_dial) {
                (void)dprintf(STDOUT_FILENO, "dialed %s from %s\n", server->options->dial,
                                server->options->listen[0]);
                server->has_told_dial = true;
                watch(server, EPOLL_CTL_MOD, &server->dialed, EPOLLIN);
        }
        if (error || ((events & EPOLLIN) && recv(server->dialed.fd, text, sizeof(text), 0) == 0)) {
                (void)dprintf(STDOUT_FILENO, "dial ended: %s\n",
                                error ? strerror(error) : "closed by the other side");
                (void)close(server->dialed.fd);
                server->dialed.fd = -1;
        }
}

static void on_timer(struct server *server, enum timer timer) {
        uint64_t expired;
        (void)!read(server->timers[timer].fd, &expired, sizeof(expired));
        switch (timer) {
        case TIMER_EXIT_AFTER:
                server->status = STATUS_EXIT_AFTER;
                server->is_done = true;
                break;
        case TIMER_REOPEN:
                reopen(server);
                break;
        case TIMER_STOP:
                drain(server);
                break;
        case TIMER_DRAIN:
                server->is_done = true;
                break;
        default:
                dial(server);
        }
}

static void handle(struct server *server, struct source *source, uint32_t events) {
        switch (source->kind) {
        case SOURCE_SIGNALS:
                take_signals(server);
                break;
        case SOURCE_LISTENER:
                accept_all(server, source->fd);
                break;
        case SOURCE_DATAGRAMS:
                echo(server, source->fd);
                break;
        case SOURCE_TIMER:
                on_timer(server, (enum timer)(source - server->timers));
                break;
        case SOURCE_DIALED:
                serve_dialed(server, events);
                break;
        default:
                serve(server, (struct connection *)source);
        }
}
