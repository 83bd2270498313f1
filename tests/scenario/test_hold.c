/* A breaking boundary that cannot be passed, and a gate that cannot stop a thread: users go on reading, and no block that a peer
 * has reaches the node before a release comes that may run. The node follows a producer outside of its cgroup. */
#include "support/scenario.h"
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define PEER_PORT 8546
#define PRODUCER_PORT 7100
#define BOUNDARY 12

/* The producer: a child that answers like the test node, with the height that the test lets it have. */
static int producer;
static _Atomic uint64_t *produced;

static int set_up(void **state);
static int tear_down(void **state);
static void configure(struct scenario *s, const char *more);
static void start(struct scenario *s);
static void begin_upgrade(struct scenario *s);
static json_t *wait_cut_off(struct scenario *s);
static void assert_stands(struct scenario *s, uint64_t height);
static int ask(uint16_t port);
static bool is_answered(int fd, uint64_t timeout_us);
static uint64_t height_in_ledger(struct scenario *s);

static const struct ledger_range one_after_another[] = {
                {1, BOUNDARY - 1, "1.0.0"}, {BOUNDARY, UINT64_MAX, "2.0.1"}};

SCENARIO(I6_users_read_at_the_last_height_while_no_peer_is_followed) {
        configure(s, "hold: {serve: [\"tcp:127.0.0.1:8545\"]}");
        scenario_add_testnode(s, "1.0.0", "--stop-ms 1000");
        scenario_add_testnode(s, "2.0.0", "--spoil-state");
        start(s);
        scenario_start_load(s, 200, 10);
        begin_upgrade(s);
        /* This one's connection lies in a socket outside of the node's cgroup, from which the programs would let it in. */
        scenario_wait_phase(s, "swapping", TIMEOUT_US);
        _cleanup_close_ int early = ask(PEER_PORT);
        json_t *status = wait_cut_off(s);
        assert_false(is_answered(early, 300 * USEC_PER_MSEC));
        assert_non_null(strstr(scenario_text(status, "reason"), "cut off from its peers"));
        assert_string_equal(scenario_text(status, "release"), "1.0.0");
        json_decref(status);
        assert_stands(s, BOUNDARY - 1);
        status = wait_cut_off(s);
        assert_true(scenario_number(status, "cut_off.connects_refused") > 0);
        assert_true(scenario_number(status, "cut_off.served_in") > 0);
        json_decref(status);

        /* A peer that connects is not refused: it waits until the hold is left. */
        _cleanup_close_ int peer = ask(PEER_PORT);
        assert_false(is_answered(peer, 300 * USEC_PER_MSEC));

        atomic_store(produced, UINT64_MAX / 2);
        scenario_add_testnode(s, "2.0.1", "");
        scenario_wait_height(s, BOUNDARY + 10, TIMEOUT_US);
        assert_true(is_answered(peer, 5 * USEC_PER_SEC) && is_answered(early, 5 * USEC_PER_SEC));
        scenario_end_load_unharmed(s);
        status = scenario_status(s);
        assert_true(json_is_null(json_object_get(status, "cut_off")));
        json_decref(status);
        scenario_stop(s);
        scenario_assert_ranges(s, one_after_another, ELEMENTS(one_after_another));
}

SCENARIO(I3_it_stays_cut_off_whoever_is_killed) {
        configure(s, "hold: {serve: [\"tcp:127.0.0.1:8545\"]}");
        scenario_add_testnode(s, "1.0.0", "--stop-ms 1000");
        scenario_add_testnode(s, "2.0.0", "--spoil-state");
        start(s);
        begin_upgrade(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        json_decref(wait_cut_off(s));

        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        assert_stands(s, BOUNDARY - 1);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        json_t *status = wait_cut_off(s);
        scenario_kill((int)scenario_number(status, "pid"));
        json_decref(status);
        scenario_wait_height(s, BOUNDARY - 1, TIMEOUT_US);
        json_decref(wait_cut_off(s));
        assert_stands(s, BOUNDARY - 1);

        process_kill(&s->supervisor);
        scenario_start_supervisor(s);
        json_decref(wait_cut_off(s));
        scenario_wait_port(s, SCENARIO_PORT, TIMEOUT_US);
        assert_stands(s, BOUNDARY - 1);
        /* Peers wait here too, though nothing of before is there. */
        _cleanup_close_ int peer = ask(PEER_PORT);
        assert_false(is_answered(peer, 300 * USEC_PER_MSEC));

        atomic_store(produced, UINT64_MAX / 2);
        scenario_add_testnode(s, "2.0.1", "");
        scenario_wait_height(s, BOUNDARY + 10, TIMEOUT_US);
        assert_true(is_answered(peer, 5 * USEC_PER_SEC));
        scenario_stop(s);
        scenario_assert_ranges(s, one_after_another, ELEMENTS(one_after_another));
}

/* No release is there that may go on. What is asked for by hand is one command. */
SCENARIO(I6_without_a_successor_it_serves_too) {
        configure(s, "hold: {serve: [\"tcp:127.0.0.1:8545\"]}");
        scenario_expect(s, 0, "schedule", "set", s->node, "12", ">=2.0.0", NULL);
        scenario_add_testnode(s, "1.0.0", "--stop-ms 1000");
        start(s);
        scenario_start_load(s, 200, 10);
        atomic_store(produced, BOUNDARY - 1);
        json_t *status = wait_cut_off(s);
        assert_non_null(strstr(scenario_text(status, "reason"), "release add"));
        json_decref(status);
        uint64_t height = height_in_ledger(s);
        assert_int_equal(height, BOUNDARY - 1);
        assert_stands(s, height);
        scenario_expect(s, 1, "restart", s->node, NULL);
        atomic_store(produced, UINT64_MAX / 2);
        scenario_add_testnode(s, "2.0.1", "");
        scenario_wait_height(s, height + 10, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
}

/* As by a served address by which blocks can be handed in; this node makes them itself. */
SCENARIO(a_block_that_is_made_in_a_hold_is_told) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.block_ms = 200,
                                                       .release = "1.0.0",
                                                       .more = "gate: {kind: log, pattern: 'committed "
                                                               "height=([0-9]+)', overshoot: allow}\n"
                                                               "hold: {serve: [\"tcp:127.0.0.1:8545\"]}"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_expect(s, 0, "schedule", "set", s->node, "12", ">=2.0.0", NULL);
        scenario_start(s);
        json_decref(scenario_wait_status(s, scenario_is_degraded, "has made blocks 12 to ", TIMEOUT_US));
        scenario_stop(s);
}

/* The same without hold.serve: nothing runs, and connections wait. */
SCENARIO(what_is_not_configured_is_stopped) {
        configure(s, "");
        scenario_add_testnode(s, "1.0.0", "--stop-ms 1000");
        scenario_add_testnode(s, "2.0.0", "--spoil-state");
        start(s);
        begin_upgrade(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        json_t *status = scenario_status(s);
        assert_string_equal(scenario_text(status, "phase"), "held");
        assert_true(json_is_null(json_object_get(status, "pid")));
        assert_true(json_is_null(json_object_get(status, "cut_off")));
        json_decref(status);
        _cleanup_close_ int user = ask(SCENARIO_PORT);
        assert_false(is_answered(user, 300 * USEC_PER_MSEC));
        atomic_store(produced, UINT64_MAX / 2);
        scenario_add_testnode(s, "2.0.1", "");
        scenario_wait_height(s, BOUNDARY + 5, TIMEOUT_US);
        assert_true(is_answered(user, 5 * USEC_PER_SEC));
        scenario_stop(s);
}

/* What a container manager of old does: a program that allows no other below it. */
static void forbid_other_programs(struct scenario *s, enum bpf_prog_type type, enum bpf_attach_type hook) {
        const struct bpf_insn code[] = {
                        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
                        {.code = BPF_JMP | BPF_EXIT},
        };
        LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = hook);
        _cleanup_close_ int program = bpf_prog_load(type, "alone", "GPL", code, ELEMENTS(code), &options);
        assert_true(program >= 0);
        assert_int_equal(bpf_prog_attach(program, s->cgroup_fd, hook, 0), 0);
}

static bool is_given_up(const json_t *status, const void *userdata) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        return strcmp(scenario_text(status, "phase"), "held") == 0 && reason && strstr(reason, userdata);
}

/* It is stopped rather than run with its peers, and users wait. */
static void assert_stopped_aloud(struct scenario *s, const char *reason, const char *degraded) {
        configure(s, "hold: {serve: [\"tcp:127.0.0.1:8545\"]}");
        scenario_add_testnode(s, "1.0.0", "--stop-ms 1000");
        scenario_add_testnode(s, "2.0.0", "--spoil-state");
        start(s);
        begin_upgrade(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        json_t *status = scenario_wait_status(s, is_given_up, reason, TIMEOUT_US);
        char *all = json_dumps(json_object_get(status, "degraded"), 0);
        assert_non_null(strstr(all, degraded));
        free(all);
        assert_true(json_is_null(json_object_get(status, "pid")));
        json_decref(status);
        assert_int_equal(height_in_ledger(s), BOUNDARY - 1);
        _cleanup_close_ int user = ask(SCENARIO_PORT);
        assert_false(is_answered(user, 300 * USEC_PER_MSEC));
        atomic_store(produced, UINT64_MAX / 2);
        scenario_add_testnode(s, "2.0.1", "");
        scenario_wait_height(s, BOUNDARY + 5, TIMEOUT_US);
        assert_true(is_answered(user, 5 * USEC_PER_SEC));
        scenario_stop(s);
        scenario_assert_ranges(s, one_after_another, ELEMENTS(one_after_another));
}

SCENARIO(I3_what_cannot_be_cut_off_is_stopped) {
        forbid_other_programs(s, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS);
        assert_stopped_aloud(s, "it cannot be cut off from its peers: Operation not permitted", "");
}

SCENARIO(I3_without_kernel_programs_at_the_cgroup_it_is_stopped) {
        forbid_other_programs(s, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND);
        assert_stopped_aloud(s, "it exited with status 3", "hold.serve cannot be done");
}

#define HOLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                        HOLD_TEST(I6_users_read_at_the_last_height_while_no_peer_is_followed),
                        HOLD_TEST(I3_it_stays_cut_off_whoever_is_killed),
                        HOLD_TEST(I6_without_a_successor_it_serves_too),
                        HOLD_TEST(a_block_that_is_made_in_a_hold_is_told),
                        HOLD_TEST(what_is_not_configured_is_stopped),
                        HOLD_TEST(I3_what_cannot_be_cut_off_is_stopped),
                        HOLD_TEST(I3_without_kernel_programs_at_the_cgroup_it_is_stopped),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}

static _Noreturn void produce(int listener) {
        char text[512];
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        _exit(1);
                (void)!recv(fd, text, sizeof(text), 0);
                (void)dprintf(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nproducer %lu\n",
                                atomic_load(produced));
                (void)close(fd);
        }
}

static int set_up(void **state) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_port = htons(PRODUCER_PORT),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int r = scenario_setup(state);
        if (r < 0)
                return r;
        produced = mmap(NULL, sizeof(*produced), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        _cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (produced == MAP_FAILED ||
                        bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
                        listen(listener, 64) < 0)
                return -1;
        atomic_store(produced, 0); /* else the boundary would be called too near, as time goes by */
        producer = fork();
        if (producer == 0)
                produce(listener);
        return producer < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        (void)kill(producer, SIGKILL);
        (void)waitpid(producer, NULL, 0);
        (void)munmap(produced, sizeof(*produced));
        return scenario_teardown(state);
}

static void configure(struct scenario *s, const char *more) {
        char text[1024], arguments[128];
        (void)snprintf(text, sizeof(text),
                        "listen: [\"tcp:127.0.0.1:%d\", \"tcp:127.0.0.1:%d\"]\n"
                        "gate: {kind: log, pattern: 'committed height=([0-9]+)', overshoot: allow}\n"
                        "probation: 300ms\nprogress: {blocks: 1, within: 10s}\n"
                        "restart: {backoff: [10ms]}\n%s\n",
                        SCENARIO_PORT, PEER_PORT, more);
        (void)snprintf(arguments, sizeof(arguments),
                        "--listen, \"127.0.0.1:%d\", --follow, \"127.0.0.1:%d\"", PEER_PORT, PRODUCER_PORT);
        scenario_configure_testnode(s, &(struct scenario_testnode){.block_ms = 20,
                                                       .release = "1.0.0",
                                                       .arguments = arguments,
                                                       .more = text});
}

/* It makes no block before the test has its peer tell one. */
static void start(struct scenario *s) {
        scenario_start_supervisor(s);
        scenario_wait_phase(s, "running", TIMEOUT_US);
}

/* Armed before the last block is there, so that the gate, which only reads what the node has done, cannot be too late. */
static void begin_upgrade(struct scenario *s) {
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "12", NULL);
        atomic_store(produced, BOUNDARY - 1);
}

static bool is_cut_off(const json_t *status, const void *userdata) {
        const json_t *cut = json_object_get(status, "cut_off");
        (void)userdata;
        return strcmp(scenario_text(status, "phase"), "held") == 0 && json_is_object(cut) &&
               json_is_integer(json_object_get(status, "pid"));
}

static json_t *wait_cut_off(struct scenario *s) {
        json_t *status = scenario_wait_status(s, is_cut_off, NULL, TIMEOUT_US);
        char *all = json_dumps(json_object_get(status, "degraded"), 0);
        assert_non_null(strstr(all, "serves only tcp:127.0.0.1:8545"));
        free(all);
        return status;
}

static uint64_t height_in_ledger(struct scenario *s) {
        struct ledger ledger = {0};
        assert_int_equal(ledger_read(s->ledger, &ledger), 0);
        uint64_t height = ledger_last(&ledger);
        ledger_done(&ledger);
        return height;
}

static uint64_t height_told(uint16_t port) {
        char body[128] = "", version[32];
        unsigned status = 0;
        uint64_t height = 0;
        assert_int_equal(network_get(port, "/", 5 * USEC_PER_SEC, &status, body, sizeof(body)), 0);
        assert_int_equal(status, 200);
        assert_int_equal(sscanf(body, "%31s %lu", version, &height), 2);
        return height;
}

/* There is more to be had than the node has, and it does not get it: it asks every 20 ms. */
static void assert_stands(struct scenario *s, uint64_t height) {
        atomic_store(produced, height + 1000);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(height_told(SCENARIO_PORT), height);
                (void)process_ends_within(&s->supervisor, 20 * USEC_PER_MSEC);
        }
        assert_int_equal(height_in_ledger(s), height);
}

/* Connects, which succeeds at once, and asks. */
static int ask(uint16_t port) {
        static const char request[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
        return fd;
}

static bool is_answered(int fd, uint64_t timeout_us) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        char text[512] = "";
        if (poll(&wait, 1, (int)(process_patience(timeout_us) / USEC_PER_MSEC)) == 0)
                return false;
        return recv(fd, text, sizeof(text) - 1, 0) > 0 && strncmp(text, "HTTP/1.1 200", 12) == 0;
}
