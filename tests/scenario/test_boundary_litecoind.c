/* A real node at a boundary: litecoind follows a peer that mines, and each dials the other. The release that the boundary asks for does not
 * start; wallets and explorers go on asking, and no block comes in before the next one is
 * added. And where it is told to stop by itself, it does so and the next one goes on. */
#include "support/scenario.h"
#include <sys/stat.h>

#define LITECOIND "/usr/lib/litecoin/litecoind"
#define TIMEOUT_US (60 * USEC_PER_SEC)
#define NODE_RPC "-rpcport=19443"
#define PEER_RPC "-rpcport=19543"
#define BOUNDARY 15

static void configure(struct scenario *s, const char *gate);
static bool has_made(struct scenario *s, const char *release, unsigned height);
static void start_peer(struct scenario *s, struct process *ret_peer);
static uint64_t ask_number(const char *port, const char *method);
static void mine(unsigned blocks);
static json_t *wait_cut_off(struct scenario *s);

SCENARIO(I6_litecoind_answers_while_it_is_held_and_follows_no_peer) {
        char broken[256];
        struct process peer = {.pidfd = -1};
        scenario_need(LITECOIND);
        configure(s, "{kind: log, pattern: 'UpdateTip: new best=.* height=([0-9]+) ', overshoot: allow}");
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", LITECOIND, NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "15", ">=2.0.0", NULL);
        (void)snprintf(broken, sizeof(broken), "%s/broken", s->directory);
        FILE *file = fopen(broken, "wex");
        assert_non_null(file);
        (void)fprintf(file, "#!/bin/sh\necho no such library >&2\nexit 127\n");
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(broken, 0755), 0);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", broken, NULL);
        start_peer(s, &peer);
        mine(5);
        scenario_start(s);
        scenario_wait_height(s, 5, TIMEOUT_US);

        for (uint64_t height = 6; height < BOUNDARY; height++) {
                mine(1);
                scenario_wait_height(s, height, TIMEOUT_US);
        }
        json_decref(wait_cut_off(s));
        mine(10);
        assert_int_equal(ask_number(PEER_RPC, "getblockcount"), BOUNDARY + 9);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(ask_number(NODE_RPC, "getblockcount"), BOUNDARY - 1);
                assert_int_equal(ask_number(NODE_RPC, "getconnectioncount"), 0);
        }
        json_t *status = wait_cut_off(s);
        assert_int_equal(scenario_number(status, "height"), BOUNDARY - 1);
        assert_true(scenario_number(status, "cut_off.connects_refused") > 0);
        json_decref(status);

        scenario_expect(s, 0, "release", "add", s->node, "2.0.1", LITECOIND, NULL);
        scenario_wait_height(s, BOUNDARY + 9, TIMEOUT_US);
        assert_true(ask_number(NODE_RPC, "getconnectioncount") > 0);
        scenario_assert_release(s, "2.0.1");
        scenario_stop(s);
        process_kill(&peer);
}

static bool is_second_release(const json_t *status, const void *userdata) {
        (void)userdata;
        return strcmp(scenario_text(status, "release"), "2.0.0") == 0;
}

/* It is started with the height and ends by itself. (With more blocks at hand it makes some of them before it is down.) */
SCENARIO(I4_litecoind_stops_itself_behind_its_last_block) {
        struct process peer = {.pidfd = -1};
        scenario_need(LITECOIND);
        configure(s, "{kind: node, args: [\"-stopatheight={last}\"]}");
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", LITECOIND, NULL);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", LITECOIND, NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", ">=1.0.0 <2.0.0", NULL);
        scenario_expect(s, 0, "schedule", "set", s->node, "15", ">=2.0.0", NULL);
        start_peer(s, &peer);
        mine(5);
        scenario_start(s);
        for (uint64_t height = 6; height < BOUNDARY; height++) {
                scenario_wait_height(s, height - 1, TIMEOUT_US);
                mine(1);
        }
        json_decref(scenario_wait_status(s, is_second_release, NULL, TIMEOUT_US));
        mine(10);
        scenario_wait_height(s, BOUNDARY + 9, TIMEOUT_US);
        scenario_stop(s);
        assert_true(has_made(s, "1.0.0", BOUNDARY - 1));
        assert_false(has_made(s, "1.0.0", BOUNDARY));
        assert_true(has_made(s, "2.0.0", BOUNDARY));
        process_kill(&peer);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I4_litecoind_stops_itself_behind_its_last_block),
                        SCENARIO_TEST(I6_litecoind_answers_while_it_is_held_and_follows_no_peer),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("litecoind at a boundary", tests, NULL, NULL);
}

static void configure(struct scenario *s, const char *gate) {
        scenario_configure(s,
                        "node: %s\n"
                        "release: \"1.0.0\"\n"
                        "exec:\n"
                        "  command: litecoind\n"
                        "  args: [-regtest, \"-datadir={state}\", -server, -rpcuser=a, -rpcpassword=a,\n"
                        "         -rpcbind=127.0.0.1, -rpcallowip=127.0.0.1, " NODE_RPC ",\n"
                        "         \"-bind=127.0.0.1:19444\", \"-addnode=127.0.0.1:19544\", -dnsseed=0,\n"
                        "         -printtoconsole=1, -debuglogfile=0]\n"
                        "  user: nobody\n"
                        "  stop_timeout: 20s\n"
                        "listen: [\"tcp:127.0.0.1:19443\", \"tcp:127.0.0.1:19444\"]\n"
                        "state: {directory: %s, fence: lock}\n"
                        "height: {source: bitcoin, url: \"http://a:a@127.0.0.1:19443/\", every: 50ms}\n"
                        "gate: %s\n"
                        "probes:\n"
                        "  - {name: rpc, kind: height}\n"
                        "  - {name: peers, kind: tcp, address: \"127.0.0.1:19444\"}\n"
                        "hold: {serve: [\"tcp:127.0.0.1:19443\"]}\n"
                        "restart: {backoff: [100ms]}\n"
                        "probation: 1s\n",
                        s->node, s->data, gate);
}

/* Outside of the node's cgroup, as all the world's nodes are. */
static void start_peer(struct scenario *s, struct process *ret_peer) {
        char folder[160], data[192];
        (void)snprintf(folder, sizeof(folder), "%s/peer", s->directory);
        (void)snprintf(data, sizeof(data), "-datadir=%s", folder);
        assert_int_equal(mkdir(folder, 0700), 0);
        const char *const words[] = {LITECOIND, "-regtest", data, "-server", "-rpcuser=a", "-rpcpassword=a",
                        "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", PEER_RPC, "-bind=127.0.0.1:19544",
                        "-bind=127.0.0.1:19545=onion", "-addnode=127.0.0.1:19444", "-dnsseed=0",
                        "-fallbackfee=0.001", NULL};
        _cleanup_fclose_ FILE *null = fopen("/dev/null", "we");
        struct process_start start = {.arguments = words,
                        .output_fd = fileno(null),
                        .error_fd = fileno(null),
                        .cgroup_fd = -1};
        assert_int_equal(process_start(&start, ret_peer), 0);
        scenario_wait_port(s, 19543, TIMEOUT_US);
}

/* Waits until it answers, as it does while it loads. */
static char *rpc(const char *port, const char *method, const char *argument, const char *other) {
        const char *const words[] = {"litecoin-cli", "-regtest", port, "-rpcuser=a", "-rpcpassword=a",
                        "-rpcwait", method, argument, other, NULL};
        struct process_result result;
        struct process_start start = {.arguments = words, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_run(&start, TIMEOUT_US, &result), 0);
        if (result.status != 0)
                fail_msg("litecoin-cli %s %s: status %d: %s%s", port, method, result.status, result.output,
                                result.error);
        char *answer = strdup(result.output);
        process_result_done(&result);
        assert_non_null(answer);
        return answer;
}

static uint64_t ask_number(const char *port, const char *method) {
        _cleanup_free_ char *answer = rpc(port, method, NULL, NULL);
        return strtoull(answer, NULL, 10);
}

static void mine(unsigned blocks) {
        char count[16];
        (void)snprintf(count, sizeof(count), "%u", blocks);
        free(rpc(PEER_RPC, "generatetoaddress", count, "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"));
}

static bool is_cut_off(const json_t *status, const void *userdata) {
        (void)userdata;
        return strcmp(scenario_text(status, "phase"), "held") == 0 &&
               json_is_object(json_object_get(status, "cut_off")) &&
               scenario_number(status, "cut_off.generation") == scenario_number(status, "generation") &&
               json_is_integer(json_object_get(status, "height"));
}

static json_t *wait_cut_off(struct scenario *s) {
        return scenario_wait_status(s, is_cut_off, NULL, TIMEOUT_US);
}

/* As it says itself, on the output that the supervisor hands on. */
static bool has_made(struct scenario *s, const char *release, unsigned height) {
        char path[160], line[2048], begins[64], has[32];
        bool found = false;
        (void)snprintf(path, sizeof(path), "%s/log", s->directory);
        (void)snprintf(begins, sizeof(begins), "%s %s ", s->node, release);
        (void)snprintf(has, sizeof(has), " height=%u ", height);
        _cleanup_fclose_ FILE *log = fopen(path, "re");
        assert_non_null(log);
        while (fgets(line, sizeof(line), log))
                found = found || (strncmp(line, begins, strlen(begins)) == 0 &&
                                                 strstr(line, "UpdateTip: new best=") && strstr(line, has));
        return found;
}
