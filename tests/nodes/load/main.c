/* A load generator that tells exactly what clients of a node would have met: every connection that was
 * refused, reset or left without an answer. Runs for --seconds (600 at most) or until SIGTERM; prints one
 * JSON object; exits 0. */
#include "clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MAX 600

static _Noreturn void usage(const char *why);
static void read_target(const char *text, struct load_options *options);
static void read_options(int argc, char **argv, struct load_options *ret_options);
static uint64_t now_us(void);

int main(int argc, char **argv) {
        struct load_options options;
        struct statistics *statistics = calloc(1, sizeof(*statistics));
        struct rlimit limit;
        sigset_t signals;

        read_options(argc, argv, &options);
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
        int stop_fd = signalfd(-1, &signals, SFD_CLOEXEC);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }

        uint64_t started_at = now_us();
        int r = statistics && stop_fd >= 0 ? clients_run(&options, stop_fd, statistics) : -errno;
        if (r < 0) {
                (void)fprintf(stderr, "load: cannot begin: %s\n", strerror(-r));
                return 1;
        }
        statistics_print(statistics, options.target, now_us() - started_at, stdout);
        free(statistics);
        return 0;
}

static void read_options(int argc, char **argv, struct load_options *ret_options) {
        struct load_options options = {.rate = 500,
                        .interval_us = 100000,
                        .timeout_us = 15000000,
                        .duration_us = SECONDS_MAX * UINT64_C(1000000)};
        for (int i = 1; i < argc; i++) {
                const char *name = argv[i];
                if (strcmp(name, "--json") == 0)
                        continue; /* there is no other form */
                if (++i == argc)
                        usage(name);
                uint64_t number = strtoull(argv[i], NULL, 10);
                if (strcmp(name, "--target") == 0)
                        read_target(argv[i], &options);
                else if (strcmp(name, "--get") == 0)
                        options.get = argv[i];
                else if (strcmp(name, "--rate") == 0 && number <= 20000)
                        options.rate = number;
                else if (strcmp(name, "--keepalive") == 0 && number <= 10000)
                        options.keepalive = number;
                else if (strcmp(name, "--seconds") == 0 && number > 0 && number <= SECONDS_MAX)
                        options.duration_us = number * 1000000;
                else if (strcmp(name, "--interval-ms") == 0 && number > 0 && number <= 60000)
                        options.interval_us = number * 1000;
                else if (strcmp(name, "--timeout-ms") == 0 && number > 0 && number <= SECONDS_MAX * 1000)
                        options.timeout_us = number * 1000;
                else
                        usage(name);
        }
        if (!options.target)
                usage("--target is missing");
        *ret_options = options;
}

static void read_target(const char *text, struct load_options *options) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&options->address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&options->address;
        const char *colon = strrchr(text, ':');
        char host[64];
        if (!colon || (size_t)(colon - text) >= sizeof(host))
                usage(text);
        (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
        in_port_t port = htons((in_port_t)atoi(colon + 1));
        options->target = text;
        if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = port;
                options->address_length = sizeof(*v4);
        } else if (strcmp(host, "[::1]") == 0) {
                *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                .sin6_port = port,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT};
                options->address_length = sizeof(*v6);
        } else {
                usage(text);
        }
}

static uint64_t now_us(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static _Noreturn void usage(const char *why) {
        (void)fprintf(stderr,
                        "load: %s? usage: load --target IP:PORT [--rate 500] [--keepalive 0] [--interval-ms "
                        "100] [--timeout-ms 15000]\n"
                        "            [--seconds 600] [--get PATH] [--json]\n",
                        why);
        exit(2);
}
