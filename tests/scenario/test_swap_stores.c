/* Nodes with a state of their own and a lock that the next one waits for without a word, or none at all: what was written before a
 * swap is there after it, and no client is refused. */
#include "support/scenario.h"
#include <sys/stat.h>

#define ETCD "/usr/bin/etcd"
#define NATS "/usr/sbin/nats-server"
#define REDIS "/usr/bin/redis-server"
#define TIMEOUT_US (20 * USEC_PER_SEC)

static void swap_every_way(struct scenario *s, const char *program);
static void assert_outputs(const char *const *arguments, const char *wanted);
#define OUTPUTS(wanted, ...) assert_outputs((const char *const[]){__VA_ARGS__, NULL}, wanted)

/* A second etcd waits for the lock silently, for ever: that it never runs beside the first is the fence's doing. */
SCENARIO(I2_etcd_keeps_what_it_was_given) {
        scenario_need(ETCD);
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n" SCENARIO_ETCD
                        "probes:\n  - {name: health, kind: http, url: \"http://127.0.0.1:8545/health\", "
                        "status: 200, every: 100ms}\n"
                        "probation: 1s\ndeadlines: {prepare: 5s, prove: 10s}\n",
                        s->node, s->data);
        s->get = "/version";
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", ETCD, NULL);
        scenario_start(s);
        OUTPUTS("\"revision\":\"2\"", "curl", "-s", "http://127.0.0.1:8545/v3/kv/put", "-d",
                        "{\"key\": \"Zm9v\", \"value\": \"YmFy\"}");
        swap_every_way(s, ETCD);
        OUTPUTS("\"value\":\"YmFy\"", "curl", "-s", "http://127.0.0.1:8545/v3/kv/range", "-d",
                        "{\"key\": \"Zm9v\"}");
        scenario_stop(s);
}

/* Two of them run happily on one state directory. The load goes to its monitoring port, its own port is held as well. */
SCENARIO(nats_with_both_its_ports) {
        scenario_need(NATS);
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: nats-server, args: [-a, \"127.0.0.1\", -p, '4222', -m, '8545', "
                        "-js, -sd, \"{state}\"], "
                        "user: nobody, stop_timeout: 5s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\", \"tcp:127.0.0.1:4222\"]\n"
                        "state: {directory: %s, fence: exec}\n"
                        "probes:\n  - {name: health, kind: http, url: \"http://127.0.0.1:8545/healthz\", "
                        "status: 200, every: 100ms}\n"
                        "  - {name: port, kind: tcp, address: \"tcp:127.0.0.1:4222\", every: 100ms}\n"
                        "probation: 1s\n",
                        s->node, s->data);
        s->get = "/varz";
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", NATS, NULL);
        scenario_start(s);
        swap_every_way(s, NATS);
        scenario_stop(s);
}

/* It speaks no HTTP: what it was given is asked for by its own client. */
SCENARIO(redis_keeps_what_it_was_given) {
        scenario_need(REDIS);
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: redis-server, args: [--bind, \"127.0.0.1\", --port, '8545', --dir, "
                        "\"{state}\", "
                        "--appendonly, 'yes', --appendfsync, always], user: nobody, stop_timeout: 5s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\n"
                        "state: {directory: %s, fence: exec}\n"
                        "probes:\n  - {name: port, kind: tcp, address: \"tcp:127.0.0.1:8545\", every: "
                        "100ms}\n"
                        "probation: 1s\n",
                        s->node, s->data);
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", REDIS, NULL);
        scenario_start(s);
        OUTPUTS("OK", "redis-cli", "-p", "8545", "set", "foo", "bar");
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        OUTPUTS("bar", "redis-cli", "-p", "8545", "get", "foo");
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I2_etcd_keeps_what_it_was_given),
                        SCENARIO_TEST(nats_with_both_its_ports),
                        SCENARIO_TEST(redis_keeps_what_it_was_given),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("nodes with a state", tests, NULL, NULL);
}

/* An upgrade, the way back, a restart, and a release that ends at once. */
static void swap_every_way(struct scenario *s, const char *program) {
        char broken[128], name[64];
        const char *slash = strrchr(program, '/');
        (void)snprintf(name, sizeof(name), "%.60s", slash + 1);
        (void)snprintf(broken, sizeof(broken), "%s/%.60s", s->directory, name);
        FILE *file = fopen(broken, "wex");
        assert_non_null(file);
        (void)fprintf(file, "#!/bin/sh\necho this release cannot run >&2\nexit 3\n");
        assert_int_equal(fchmod(fileno(file), 0755), 0);
        assert_int_equal(fclose(file), 0);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", program, NULL);
        scenario_expect(s, 0, "release", "add", s->node, "3.0.0", broken, NULL);
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        struct process_result result = scenario_cli(s, "upgrade", s->node, "3.0.0", "--now", "--wait", NULL);
        if ((result.status != 1 && result.status != 3) || !strstr(result.error, "exited with status 3"))
                fail_msg("the broken release ended with status %d: %s%s", result.status, result.output,
                                result.error);
        process_result_done(&result);
        scenario_end_load_unharmed(s);
        scenario_assert_release(s, "1.0.0");
}

static void assert_outputs(const char *const *arguments, const char *wanted) {
        struct process_result result = {0};
        struct process_start start = {.arguments = arguments, .cgroup_fd = -1};
        assert_int_equal(process_run(&start, TIMEOUT_US, &result), 0);
        if (!strstr(result.output, wanted))
                fail_msg("\"%s\" is not in what %s says: %s%s", wanted, arguments[0], result.output,
                                result.error);
        process_result_done(&result);
}
