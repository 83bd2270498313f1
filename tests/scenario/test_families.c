/* One port of both families: a socket for each, or one for both, as nodes make them and as clients of each family meet their swaps. */
#include "support/scenario.h"

#define BOTH "\"tcp:0.0.0.0:8545\", \"tcp:[::]:8545\""

/* A load of each family at once. */
struct loads {
        struct process v4;
        int v4_output_fd;
};

static void start_loads(struct scenario *s, struct loads *ret_loads) {
        s->target = NULL;
        scenario_start_load(s, 150, 10);
        *ret_loads = (struct loads){.v4 = s->load, .v4_output_fd = s->load_output_fd};
        s->target = "[::1]:8545";
        scenario_start_load(s, 150, 10);
}

static void end_loads_unharmed(struct scenario *s, struct loads *loads) {
        scenario_end_load_unharmed(s);
        s->load = loads->v4;
        s->load_output_fd = loads->v4_output_fd;
        scenario_end_load_unharmed(s);
}

/* LISTEN: calls of listen() of a server of Node.js. */
static void add_server(struct scenario *s, const char *version, const char *listen) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                        "#!/usr/bin/node\n"
                        "let ending = false;\n"
                        "const servers = [];\n"
                        "const listen = (host, ipv6Only) => {\n"
                        "  const server = require('http').createServer((q, a) => { a.shouldKeepAlive &&= "
                        "!ending; q.resume(); "
                        "q.on('end', () => a.end('{}')); });\n"
                        "  server.listen({port: 8545, host, ipv6Only});\n"
                        "  servers.push(server);\n"
                        "};\n"
                        "%s\n"
                        "process.on('SIGTERM', () => { ending = true; let open = servers.length;\n"
                        "  for (const server of servers) server.close(() => { if (--open === 0) "
                        "process.exit(0); }); });\n",
                        listen);
        scenario_add_script(s, version, text);
}

static void configure(struct scenario *s, const char *listen, const char *state) {
        scenario_need("/usr/bin/node");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: server, user: nobody, stop_timeout: 2s}\n"
                        "listen: [%s]\nstate: {directory: %s, %s}\n"
                        "probes:\n"
                        "  - {name: v4, kind: http, url: \"http://127.0.0.1:8545/\", status: 200, every: "
                        "100ms}\n"
                        "  - {name: v6, kind: http, url: \"http://[::1]:8545/\", status: 200, every: "
                        "100ms}\n"
                        "probation: 1s\ndeadlines: {drain: 1s}\n",
                        s->node, listen, s->data, state);
}

static bool has_listener(const json_t *status, const char *address, const char *family) {
        const json_t *listener;
        size_t i;
        json_array_foreach(json_object_get(status, "listeners"), i, listener) {
                if (strcmp(scenario_text(listener, "address"), address) == 0 &&
                                strcmp(scenario_text(listener, "family"), family) == 0)
                        return true;
        }
        return false;
}

static void assert_listens_on_both(struct scenario *s) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_true(has_listener(status, "tcp:0.0.0.0:8545", "ipv4"));
        assert_true(has_listener(status, "tcp:[::]:8545", "ipv6"));
        json_decref(status);
}

static void swap_under_both_loads(struct scenario *s) {
        struct loads loads;
        start_loads(s, &loads);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        end_loads_unharmed(s, &loads);
        scenario_assert_release(s, "1.0.0");
}

static void swap_with_a_socket_for_each_family(struct scenario *s, const char *state) {
        configure(s, BOTH, state);
        add_server(s, "1.0.0", "listen('0.0.0.0'); listen('::', true);");
        add_server(s, "2.0.0", "listen('::', true); listen('0.0.0.0');");
        scenario_start(s);
        assert_listens_on_both(s);
        swap_under_both_loads(s);
        assert_listens_on_both(s);
        scenario_stop(s);
}

SCENARIO(I1_a_socket_for_each_family) {
        swap_with_a_socket_for_each_family(s, "fence: exec");
}

SCENARIO(I1_a_socket_for_each_family_beside_its_successor) {
        swap_with_a_socket_for_each_family(s, "overlap: true");
}

static void swap_with_one_socket_for_both(struct scenario *s, const char *listen) {
        configure(s, listen, "fence: exec");
        add_server(s, "1.0.0", "listen('::', false);");
        add_server(s, "2.0.0", "listen('::', false);");
        scenario_start(s);
        swap_under_both_loads(s);
        scenario_stop(s);
}

SCENARIO(I1_one_socket_for_both_families) {
        swap_with_one_socket_for_both(s, "\"tcp:[::]:8545\"");
}

SCENARIO(I1_one_socket_for_both_families_where_0_0_0_0_is_written) {
        swap_with_one_socket_for_both(s, "\"tcp:0.0.0.0:8545\"");
}

SCENARIO(I1_one_socket_for_both_families_where_both_are_written) {
        swap_with_one_socket_for_both(s, BOTH);
}

/* One of the two is not enough. */
SCENARIO(a_release_that_leaves_out_a_family_is_not_flipped_to) {
        struct loads loads;
        configure(s, BOTH, "overlap: true");
        add_server(s, "1.0.0", "listen('0.0.0.0'); listen('::', true);");
        add_server(s, "2.0.0", "listen('::', true);");
        scenario_start(s);
        start_loads(s, &loads);
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "tcp:0.0.0.0:8545"));
        process_result_done(&result);
        end_loads_unharmed(s, &loads);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
}

SCENARIO(I1_a_node_that_takes_a_socket_for_each_family) {
        struct loads loads;
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .arguments = "--listen-fds",
                                                       .exec = "listen_fds: true",
                                                       .more = "listen: [" BOTH "]"});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        assert_listens_on_both(s);
        start_loads(s, &loads);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        end_loads_unharmed(s, &loads);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I1_a_socket_for_each_family),
                        SCENARIO_TEST(I1_a_socket_for_each_family_beside_its_successor),
                        SCENARIO_TEST(I1_one_socket_for_both_families),
                        SCENARIO_TEST(I1_one_socket_for_both_families_where_0_0_0_0_is_written),
                        SCENARIO_TEST(I1_one_socket_for_both_families_where_both_are_written),
                        SCENARIO_TEST(a_release_that_leaves_out_a_family_is_not_flipped_to),
                        SCENARIO_TEST(I1_a_node_that_takes_a_socket_for_each_family),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("families", tests, NULL, NULL);
}
