/* What steering costs: the flip, while connections come in, and a connection with the program against one without. */
#include "bench/spread.h"
#include "interrex.h"
#include "steer.skel.h"
#include "support/network.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#define STEERED_PORT 7000
#define PLAIN_PORT 7001
#define FLIPS 5000
#define ROUNDS 21
#define CONNECTIONS 1000

struct stage {
        struct steer_bpf *steer;
        int listeners[2], plain;
        atomic_bool is_over;
        atomic_ulong connected;
};

static void measure_flip(struct stage *stage);
static void measure_accept(struct stage *stage);
static int set_up(struct stage *stage);

int main(void) {
        struct stage stage = {.listeners = {-1, -1}, .plain = -1};
        int r = set_up(&stage);
        if (r < 0) {
                (void)fprintf(stderr,
                                "bench_steering: cannot set up (%s): it needs root, and a kernel with BPF\n",
                                strerror(-r));
                return 1;
        }
        puts("steering (median [lowest .. highest])");
        measure_flip(&stage);
        measure_accept(&stage);
        steer_bpf__destroy(stage.steer);
        return 0;
}

static double now_us(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static struct sockaddr_in at(uint16_t port) {
        return (struct sockaddr_in){.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Reset at its end, so that no port waits in TIME_WAIT. */
static int connect_to(uint16_t port) {
        struct sockaddr_in to = at(port);
        struct linger at_once = {.l_onoff = 1};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? close_fd(fd) : fd;
}

static int listen_on(uint16_t port) {
        struct sockaddr_in here = at(port);
        int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
                        bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, 4096) < 0)
                return close_fd(fd);
        return fd;
}

static int add_steered(struct stage *stage, uint32_t slot) {
        int program = bpf_program__fd(stage->steer->progs.steer), fd = listen_on(STEERED_PORT);
        uint32_t index = slot * STEERING_MEMBERS, n = 1;
        uint64_t value = (uint64_t)fd;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)) < 0)
                return -errno;
        stage->listeners[slot] = fd;
        int r = bpf_map_update_elem(bpf_map__fd(stage->steer->maps.sockets), &index, &value, BPF_ANY);
        return r < 0 ? r : bpf_map_update_elem(bpf_map__fd(stage->steer->maps.members), &slot, &n, BPF_ANY);
}

static int flip(struct stage *stage, uint32_t slot) {
        uint32_t zero = 0;
        uint64_t route = STEERING_ROUTE(slot, slot);
        return bpf_map_update_elem(bpf_map__fd(stage->steer->maps.route), &zero, &route, BPF_ANY);
}

static int set_up(struct stage *stage) {
        struct socket_address group = {.family = AF_INET, .protocol = IPPROTO_TCP, .port = STEERED_PORT};
        uint32_t zero = 0;
        int r = network_isolate();
        if (r < 0)
                return r;
        stage->steer = steer_bpf__open_and_load();
        if (!stage->steer)
                return -errno;
        group.ip[0] = htonl(INADDR_LOOPBACK);
        r = bpf_map_update_elem(bpf_map__fd(stage->steer->maps.groups), &group, &zero, BPF_ANY);
        for (uint32_t slot = 0; r >= 0 && slot < 2; slot++)
                r = add_steered(stage, slot);
        stage->plain = listen_on(PLAIN_PORT);
        return r < 0 ? r : stage->plain < 0 ? -errno : flip(stage, 0);
}

static void empty(int listener) {
        for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
                (void)close_fd(fd);
}

static void *keep_connecting(void *userdata) {
        struct stage *stage = userdata;
        while (!stage->is_over) {
                if (close_fd(connect_to(STEERED_PORT)) == -1)
                        stage->connected++;
                empty(stage->listeners[0]);
                empty(stage->listeners[1]);
        }
        return NULL;
}

static void measure_flip(struct stage *stage) {
        static double took[FLIPS];
        pthread_t client;
        double began = now_us();
        if (pthread_create(&client, NULL, keep_connecting, stage) != 0)
                return;
        for (size_t i = 0; i < FLIPS; i++) {
                double before = now_us();
                (void)flip(stage, i % 2);
                took[i] = now_us() - before;
        }
        double seconds = (now_us() - began) / 1e6;
        stage->is_over = true;
        (void)pthread_join(client, NULL);
        struct spread spread = spread_of(took, FLIPS);
        spread_print("one flip (goal: under 20 us)", &spread, "us");
        printf("  %-46s %10.2f us  (%d flips, %.0f connections/s meanwhile)\n", "99 of 100 flips within",
                        spread.p99, FLIPS, (double)stage->connected / seconds);
}

/* Microseconds for each connection made and accepted. */
static double accept_many(int listener, uint16_t port) {
        double began = now_us();
        for (size_t i = 0; i < CONNECTIONS; i++) {
                int client = connect_to(port);
                (void)close_fd(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
                (void)close_fd(client);
        }
        return (now_us() - began) / CONNECTIONS;
}

static void measure_accept(struct stage *stage) {
        double plain[ROUNDS], steered[ROUNDS], ratio[ROUNDS];
        (void)flip(stage, 0);
        for (size_t i = 0; i < ROUNDS; i++) {
                plain[i] = accept_many(stage->plain, PLAIN_PORT);
                steered[i] = accept_many(stage->listeners[0], STEERED_PORT);
                ratio[i] = steered[i] / plain[i];
        }
        struct spread spread = spread_of(plain, ROUNDS);
        spread_print("a connection, made and accepted, without", &spread, "us");
        spread = spread_of(steered, ROUNDS);
        spread_print("a connection, made and accepted, steered", &spread, "us");
        spread = spread_of(ratio, ROUNDS);
        spread_print("steered / without", &spread, "  ");
}
