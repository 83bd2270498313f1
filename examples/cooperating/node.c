/* The smallest node that cooperates: a "chain" of numbered lines in a ledger, and eth_blockNumber over HTTP.
 *
 *     cc -O2 -DVERSION='"1.0.0"' node.c $(pkg-config --cflags --libs interrex) -pthread -o node
 *     ./node 127.0.0.1 8545 DIRECTORY BLOCK_MS
 *
 * All that has to do with interrex are the four calls below; without a supervisor they do nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <interrex/interrex.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "0.0.0"
#endif

static _Atomic uint64_t height;
static atomic_bool is_stopping;
static int ledger, listener;
static long block_ms;

static _Noreturn void give_up(const char *what) {
        (void)fprintf(stderr, "node: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* One process at a time; the lock is what interrex parks the next release at. */
static void open_ledger(const char *directory) {
        char path[4096], line[64];
        (void)snprintf(path, sizeof(path), "%s/ledger", directory);
        ledger = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (ledger < 0 || flock(ledger, LOCK_EX) < 0)
                give_up(path);
        FILE *file = fopen(path, "re");
        if (!file)
                give_up(path);
        while (fgets(line, sizeof(line), file))
                height = strtoull(line, NULL, 10);
        (void)fclose(file);
}

/* Also while the node stops: it does not wait longer than a moment for a height that may not begin. */
static bool may_begin(uint64_t next) {
        int r;
        do
                r = interrex_gate_wait(next, 20);
        while ((r == -ETIMEDOUT || r == -EINTR) && !is_stopping);
        errno = -r;
        if (r < 0 && !is_stopping)
                give_up("asking interrex whether a block may begin");
        return r == 0;
}

static void *commit_blocks(void *unused) {
        struct timespec pause = {.tv_sec = block_ms / 1000, .tv_nsec = block_ms % 1000 * 1000000};
        char line[64];
        while (!is_stopping) {
                (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
                uint64_t next = height + 1;
                if (is_stopping || !may_begin(next))
                        break;
                int n = snprintf(line, sizeof(line), "%" PRIu64 " %s %d\n", next, VERSION, getpid());
                if (write(ledger, line, (size_t)n) != n || fdatasync(ledger) < 0)
                        give_up("writing a block");
                height = next;
                (void)interrex_height(next);
        }
        return unused;
}

static void listen_on(const char *address, const char *port) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
        int one = 1;
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1 ||
                        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
                        bind(listener, (struct sockaddr *)&name, sizeof(name)) < 0 ||
                        listen(listener, 128) < 0)
                give_up(address);
}

/* One request on each connection: whatever is asked, the answer is the height. */
static void answer(int client) {
        char request[4096], body[128], text[512];
        struct timeval patience = {.tv_sec = 1};
        size_t n = 0, wanted = 1;
        (void)setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        while (n < wanted && n < sizeof(request) - 1) {
                ssize_t got = read(client, request + n, sizeof(request) - 1 - n);
                if (got <= 0)
                        return;
                n += (size_t)got;
                request[n] = '\0';
                const char *end = strstr(request, "\r\n\r\n"),
                           *length = strcasestr(request, "content-length:");
                wanted = end ? (size_t)(end - request) + 4 + (length ? strtoul(length + 15, NULL, 10) : 0)
                             : n + 1;
        }
        int n_body = snprintf(body, sizeof(body),
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x%" PRIx64 "\"}", height);
        int n_text = snprintf(text, sizeof(text),
                        "HTTP/1.1 200 OK\r\nServer: node/%s\r\nContent-Type: "
                        "application/json\r\nContent-Length: %d\r\n"
                        "Connection: close\r\n\r\n%s",
                        VERSION, n_body, body);
        (void)!write(client, text, (size_t)n_text);
}

static void *serve(void *unused) {
        for (;;) {
                int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (client < 0)
                        continue;
                answer(client);
                (void)close(client);
        }
        return unused;
}

int main(int argc, char **argv) {
        pthread_t server, committer;
        sigset_t signals;
        int number;
        if (argc != 5) {
                (void)fprintf(stderr, "usage: node ADDRESS PORT DIRECTORY BLOCK_MS\n");
                return 2;
        }
        block_ms = atol(argv[4]);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
        open_ledger(argv[3]);
        listen_on(argv[1], argv[2]);
        (void)interrex_gate(0); /* never waits: this release asks before each block */
        if (pthread_create(&server, NULL, serve, NULL) != 0 ||
                        pthread_create(&committer, NULL, commit_blocks, NULL) != 0)
                give_up("starting threads");
        (void)interrex_ready();
        (void)sigwait(&signals, &number);
        is_stopping = true;
        (void)pthread_join(committer, NULL); /* the block under way is written whole */
        return 0;
}
