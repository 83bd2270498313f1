/* A node like a blockchain's, for faults that real nodes do not show on demand. See options.c for what it
 * can do. */
#include "chain.h"
#include "options.h"
#include "server.h"
#include "sockets.h"
#include <errno.h>
#include <fcntl.h>
#include <interrex/interrex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX 64

static void leave_stray(const struct options *options);
static void wait_until_started(const struct options *options, const sigset_t *signals);
static size_t start_workers(struct server_start *start, int workers[WORKERS_MAX]);
static int open_notify(const struct options *options);

int main(int argc, char **argv) {
        struct options options;
        struct node_socket sockets[SOCKETS_MAX];
        int workers[WORKERS_MAX];
        sigset_t signals;

        options_read(argc, argv, &options);
        if (options.exit_at_once != NUMBER_UNSET)
                return (int)options.exit_at_once;
        if (options.ignore_term)
                (void)signal(SIGTERM, SIG_IGN);
        struct chain *chain = chain_open(&options);
        leave_stray(&options);

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGCHLD);
        if (!options.ignore_term)
                sigaddset(&signals, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
        wait_until_started(&options, &signals);

        struct server_start start = {.options = &options,
                        .chain = chain,
                        .sockets = sockets,
                        .signals = &signals,
                        .workers = workers};
        if (options.reuseport_workers == 0)
                start.n_sockets = sockets_open(&options, sockets);
        start.n_workers = start_workers(&start, workers);

        int notify_fd = open_notify(&options);
        chain_start(chain, notify_fd);
        (void)dprintf(STDOUT_FILENO, "started version=%s pid=%d\n", options.version, getpid());
        if (notify_fd >= 0)
                (void)send(notify_fd, "READY=1", 7, MSG_NOSIGNAL);
        if (options.cooperate)
                (void)interrex_ready();
        int status = server_run(&start);
        chain_settle(chain);
        (void)dprintf(STDOUT_FILENO, "stopped version=%s\n", options.version);
        _exit(status); /* not exit(): the committing thread is still there, perhaps stopped for good */
}

/* It has what the node has open, the lock included, and no parent that would wait for it. */
static void leave_stray(const struct options *options) {
        int child = options->stray ? fork() : -1;
        if (child > 0)
                (void)waitpid(child, NULL, 0);
        if (child != 0)
                return;
        if (fork() != 0)
                _exit(0);
        int procs = open(options->stray, O_WRONLY | O_CLOEXEC);
        if (procs < 0 || write(procs, "0", 1) != 1) {
                (void)fprintf(stderr, "testnode: %s: %s\n", options->stray, strerror(errno));
                _exit(1);
        }
        (void)prctl(PR_SET_NAME, "stray");
        for (;;)
                (void)pause();
}

/* A stop that comes while the node still starts ends it, as it would end any program. */
static void wait_until_started(const struct options *options, const sigset_t *signals) {
        struct timespec left = {.tv_sec = (time_t)(options->start_ms / 1000),
                        .tv_nsec = (long)(options->start_ms % 1000) * 1000000};
        struct pollfd stop = {.fd = signalfd(-1, signals, SFD_CLOEXEC), .events = POLLIN};
        if (options->start_ms > 0 && ppoll(&stop, 1, &left, NULL) > 0)
                _exit(0);
        (void)close(stop.fd);
}

static _Noreturn void run_worker(struct server_start *start, int ready) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (start->options->reuseport_workers > 0)
                start->n_sockets = sockets_open(start->options, start->sockets);
        (void)!write(ready, "", 1);
        (void)close(ready);
        _exit(server_run(start));
}

/* Returns when all of them listen. */
static size_t start_workers(struct server_start *start, int workers[WORKERS_MAX]) {
        size_t n = start->options->workers + start->options->reuseport_workers;
        int ready[2];
        char byte;
        if (n == 0 || n > WORKERS_MAX || pipe(ready) < 0)
                return 0;
        for (size_t i = 0; i < n; i++) {
                workers[i] = fork();
                if (workers[i] == 0)
                        run_worker(start, ready[1]);
        }
        (void)close(ready[1]);
        for (size_t i = 0; i < n && read(ready[0], &byte, 1) == 1; i++)
                continue;
        (void)close(ready[0]);
        return n;
}

static int open_notify(const struct options *options) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (!options->notify || !path || strlen(path) >= sizeof(address.sun_path))
                return -1;
        memcpy(address.sun_path, path, strlen(path));
        if (*path == '@')
                address.sun_path[0] = '\0';
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) < 0) {
                (void)fprintf(stderr, "testnode: NOTIFY_SOCKET %s: %s\n", path, strerror(errno));
                _exit(1);
        }
        return fd;
}
