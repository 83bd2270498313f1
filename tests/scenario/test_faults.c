/* The fault campaign: every process of interrex is killed, also in the middle of a swap; nobody is refused, and the swap ends
 * as it would have. */
#include "support/scenario.h"

#include <fcntl.h>
#include <signal.h>

#define ROLE_TIMEOUT_US (10 * USEC_PER_SEC)
#define SYNCS_OF_A_SWAP 14

static void begin(struct scenario *s, const char *state) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .state = state,
                                                       .lock = strstr(state, "overlap") ? "none" : NULL,
                                                       .arguments = "--stop-ms, '100', --start-ms, '100'",
                                                       .more = "probation: 300ms\ndeadlines: {drain: "
                                                               "300ms}\nrestart: {backoff: [300ms]}"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
}

static void end(struct scenario *s, bool two_may_run) {
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        if (!two_may_run) /* two chains would be in one ledger */
                scenario_assert_ranges(s, NULL, 0);
}

static bool is_traced(int pid) {
        char path[64], line[256];
        int tracer = 0;
        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "TracerPid: %d", &tracer) == 1)
                        return tracer != 0;
        return false;
}

static void wait_until_traced(const struct process *tracer, int pid) {
        uint64_t deadline = now_monotonic() + process_patience(ROLE_TIMEOUT_US);
        while (!is_traced(pid)) {
                assert_true(now_monotonic() < deadline);
                assert_false(process_ends_within(tracer, 5 * USEC_PER_MSEC));
        }
}

/* strace kills the process when it enters its N-th sync: what was to be written is not, or is not known to be. */
static void kill_at_sync(struct scenario *s, unsigned n, struct process *ret_tracer) {
        char pid[16], inject[64];
        int director = scenario_role(s, "interrex-director");
        assert_true(director > 0);
        (void)snprintf(pid, sizeof(pid), "%d", director);
        (void)snprintf(inject, sizeof(inject), "inject=fdatasync:signal=KILL:when=%u", n);
        const char *command[] = {"strace", "-qq", "-o", "/dev/null", "-p", pid, "-e", "trace=fdatasync",
                        "-e", inject, NULL};
        const struct process_start start = {
                        .arguments = command, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_start(&start, ret_tracer), 0);
        wait_until_traced(ret_tracer, director);
}

static void swap(struct scenario *s, unsigned i) {
        if (i % 2)
                scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        else
                scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
}

static void campaign_of_syncs(struct scenario *s, const char *state) {
        begin(s, state);
        scenario_start_load(s, 200, 20);
        for (unsigned n = 1; n <= SYNCS_OF_A_SWAP; n++) {
                struct process tracer;
                kill_at_sync(s, n, &tracer);
                swap(s, n - 1);
                process_kill(&tracer);
                scenario_wait_phase(s, "running", ROLE_TIMEOUT_US);
        }
        end(s, strstr(state, "overlap") != NULL);
}

SCENARIO(I5_the_director_is_killed_at_every_sync_of_an_exclusive_swap) {
        campaign_of_syncs(s, "fence: lock");
}

SCENARIO(I5_the_director_is_killed_at_every_sync_of_a_swap_parked_at_exec) {
        campaign_of_syncs(s, "fence: exec");
}

/* A role is killed every so often while swaps go on. */
static void campaign_at_random(struct scenario *s, const char *role, const char *state) {
        unsigned kills = 0;
        begin(s, state);
        scenario_start_load(s, 200, 20);
        for (unsigned i = 0; i < 6; i++) {
                json_t *status = scenario_status(s);
                assert_non_null(status);
                json_decref(status);
                if (i % 2)
                        scenario_expect(s, 0, "rollback", s->node, NULL);
                else
                        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
                for (unsigned j = 0; j < 4; j++) {
                        int pid = scenario_role(s, role);
                        if (pid > 0) {
                                scenario_kill(pid);
                                kills++;
                        }
                        /* A different point of the swap each time. */
                        assert_false(process_ends_within(
                                        &s->supervisor, (17 + 31 * i + 53 * j) * USEC_PER_MSEC));
                }
                scenario_wait_phase(s, "running", 4 * ROLE_TIMEOUT_US);
                status = scenario_status(s);
                assert_string_equal(scenario_text(status, "last_swap.outcome"), "committed");
                assert_string_equal(scenario_text(status, "release"), i % 2 ? "1.0.0" : "2.0.0");
                json_decref(status);
        }
        assert_true(kills > 6);
        end(s, strstr(state, "overlap") != NULL);
}

SCENARIO(I1_the_director_is_killed_again_and_again) {
        campaign_at_random(s, "interrex-director", "fence: lock");
}

SCENARIO(I1_the_director_is_killed_again_and_again_in_overlap_mode) {
        campaign_at_random(s, "interrex-director", "overlap: true");
}

SCENARIO(I1_the_prober_is_killed_again_and_again) {
        campaign_at_random(s, "interrex-prober", "fence: lock");
}

/* Its clients' requests under way end with it; those that wait in the queue do not. */
SCENARIO(I1_the_node_is_killed) {
        begin(s, "fence: lock");
        scenario_start_load(s, 200, 20);
        for (unsigned i = 0; i < 3; i++) {
                json_t *status = scenario_status(s);
                int64_t generation = scenario_number(status, "generation");
                scenario_kill((int)scenario_number(status, "pid"));
                json_decref(status);
                do {
                        status = scenario_status(s);
                        int64_t now = scenario_number(status, "generation");
                        bool runs = strcmp(scenario_text(status, "phase"), "running") == 0;
                        json_decref(status);
                        if (now > generation && runs)
                                break;
                } while (!process_ends_within(&s->supervisor, 20 * USEC_PER_MSEC));
        }
        json_t *load = scenario_stop_load(s);
        char *text = json_dumps(load, JSON_COMPACT);
        print_message("%s\n", text);
        free(text);
        assert_int_equal(scenario_number(load, "refused"), 0);
        assert_int_equal(scenario_number(load, "timed_out"), 0);
        json_decref(load);
        scenario_stop(s);
}

/* I5: the keeper itself, and with it everything: the next one goes on from the journal, and nothing of the old one runs
 * beside it. */
SCENARIO(I5_the_keeper_is_killed_in_a_swap) {
        begin(s, "fence: lock");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        process_kill(&s->supervisor);
        scenario_start(s);
        scenario_expect(s, 0, "status", s->node, NULL);
        scenario_stop(s);
        scenario_assert_ranges(s, NULL, 0);
}

/* A node of two ports: at its first run it dies when it has opened one of them, later it opens the other one first. Told to stop
 * it takes both from all who hold them, answers what it has, and takes its time. */
static void add_two_ports(struct scenario *s, const char *version) {
        static const char program[] =
                        "#!/usr/bin/python3\n"
                        "import http.server, os, signal, socket, threading, time\n"
                        "class Handler(http.server.BaseHTTPRequestHandler):\n"
                        "    protocol_version = 'HTTP/1.1'\n"
                        "    def do_POST(self):\n"
                        "        self.rfile.read(int(self.headers['Content-Length']))\n"
                        "        self.send_response(200)\n"
                        "        self.send_header('Content-Length', '2')\n"
                        "        self.send_header('Connection', 'close')\n"
                        "        self.end_headers()\n"
                        "        self.wfile.write(b'{}')\n"
                        "    def log_message(self, *arguments): pass\n"
                        "def stop(*arguments):\n"
                        "    for server in servers: server.socket.shutdown(socket.SHUT_RDWR)\n"
                        "    time.sleep(0.5)\n"
                        "    os._exit(0)\n"
                        "signal.signal(signal.SIGTERM, stop)\n"
                        "is_first = not os.path.exists('began')\n"
                        "open('began', 'w').close()\n"
                        "servers = []\n"
                        "while not is_first and not os.path.exists('go'): time.sleep(0.02)\n"
                        "for port in [8545] if is_first else [8546, 8545]:\n"
                        "    servers.append(http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler))\n"
                        "for server in servers:\n"
                        "    threading.Thread(target=server.serve_forever, daemon=True).start()\n"
                        "while True: signal.pause()\n";
        scenario_add_script(s, version, program);
}

static bool has_a_listener(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_array_size(json_object_get(status, "listeners")) == 1;
}

static bool is_begun_again(const json_t *status, const void *userdata) {
        return json_is_integer(json_object_get(status, "pid")) &&
               scenario_number(status, "generation") > *(const int64_t *)userdata;
}

/* A director that finds no socket of any generation still knows whose the waiting room's are. */
SCENARIO(I1_the_director_is_killed_while_no_generation_has_sockets) {
        char go[160];
        scenario_need("/usr/bin/python3");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: two-ports, user: nobody, stop_timeout: 5s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\", \"tcp:127.0.0.1:8546\"]\n"
                        "state: {directory: %s, fence: exec}\n"
                        "restart: {backoff: [100ms]}\nprobation: 300ms\n",
                        s->node, s->data);
        add_two_ports(s, "1.0.0");
        add_two_ports(s, "2.0.0");
        scenario_start_supervisor(s);
        json_t *status = scenario_wait_status(s, has_a_listener, NULL, SCENARIO_START_TIMEOUT_US);
        int64_t generation = scenario_number(status, "generation");
        scenario_kill((int)scenario_number(status, "pid"));
        json_decref(status);
        json_decref(scenario_wait_status(s, is_begun_again, &generation, SCENARIO_START_TIMEOUT_US));
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        assert_true(scenario_wait_role(s, "interrex-director", director, ROLE_TIMEOUT_US) > 0);
        (void)snprintf(go, sizeof(go), "%s/go", s->data);
        _cleanup_close_ int fd = open(go, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        scenario_wait_phase(s, "running", SCENARIO_START_TIMEOUT_US);

        s->target = "127.0.0.1:8546";
        scenario_start_load(s, 100, 0);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I5_the_director_is_killed_at_every_sync_of_an_exclusive_swap),
                        SCENARIO_TEST(I5_the_director_is_killed_at_every_sync_of_a_swap_parked_at_exec),
                        SCENARIO_TEST(I1_the_director_is_killed_again_and_again),
                        SCENARIO_TEST(I1_the_director_is_killed_again_and_again_in_overlap_mode),
                        SCENARIO_TEST(I1_the_prober_is_killed_again_and_again),
                        SCENARIO_TEST(I1_the_node_is_killed),
                        SCENARIO_TEST(I1_the_director_is_killed_while_no_generation_has_sockets),
                        SCENARIO_TEST(I5_the_keeper_is_killed_in_a_swap),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
