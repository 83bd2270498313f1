/* Servers that know nothing of interrex and fork workers, as clients see their swaps. What they answer is of no interest; that they
 * answer is. */
#include "support/scenario.h"

#include <fcntl.h>
#include <sys/stat.h>

static void write_file(struct scenario *s, const char *name, mode_t mode, const char *text) {
        char path[320];
        (void)snprintf(path, sizeof(path), "%s/%s", s->directory, name);
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fflush(file), 0);
        assert_int_equal(chmod(path, mode), 0);
}

/* Two releases of the same program. */
static void start(struct scenario *s, const char *program) {
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", program, NULL);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", program, NULL);
        scenario_start(s);
}

/* One after the other and back. */
static void swap_under_load(struct scenario *s, const char *program) {
        start(s, program);
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
}

static void configure_nginx(struct scenario *s, unsigned workers, const char *listen, const char *state) {
        char text[1024];
        scenario_need("/usr/sbin/nginx");
        (void)snprintf(text, sizeof(text),
                        "worker_processes %u;\npid %s/nginx.pid;\nerror_log stderr;\nevents {}\n"
                        "http {\n  access_log off;\n  client_body_temp_path %s/body;\n  proxy_temp_path "
                        "%s/proxy;\n"
                        "  fastcgi_temp_path %s/fastcgi;\n  uwsgi_temp_path %s/uwsgi;\n  scgi_temp_path "
                        "%s/scgi;\n"
                        "  server { %s location / { return 200 '{}'; } }\n}\n",
                        workers, s->data, s->data, s->data, s->data, s->data, s->data, listen);
        write_file(s, "nginx.conf", 0644, text);
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: nginx, args: [-p, \"{state}\", -e, stderr, -c, %s/nginx.conf, -g, "
                        "\"daemon off;\"], user: nobody, "
                        "stop_signal: SIGQUIT, stop_timeout: 5s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, %s}\n"
                        "probes:\n  - {name: page, kind: http, url: \"http://127.0.0.1:8545/\", status: "
                        "200, every: 100ms}\n"
                        "probation: 1s\n",
                        s->node, s->directory, s->data, state);
}

static void swap_nginx(struct scenario *s, const char *listen, const char *state) {
        configure_nginx(s, 2, listen, state);
        swap_under_load(s, "/usr/sbin/nginx");
}

SCENARIO(nginx_with_workers_that_share_a_listener) {
        swap_nginx(s, "listen 127.0.0.1:8545;", "fence: exec");
}

SCENARIO(nginx_beside_its_successor) {
        swap_nginx(s, "listen 127.0.0.1:8545;", "overlap: true");
}

SCENARIO(nginx_with_a_listener_for_each_worker) {
        swap_nginx(s, "listen 127.0.0.1:8545 reuseport;", "fence: exec");
}

SCENARIO(nginx_beside_its_successor_with_a_listener_for_each_worker) {
        swap_nginx(s, "listen 127.0.0.1:8545 reuseport;", "overlap: true");
}

static bool says(const json_t *status, const void *words) {
        const json_t *text;
        size_t i;
        json_array_foreach(json_object_get(status, "degraded"), i, text) {
                if (strstr(json_string_value(text), words))
                        return true;
        }
        return false;
}

static void wait_logged(struct scenario *s, const char *words) {
        uint64_t deadline = now_monotonic() + process_patience(SCENARIO_START_TIMEOUT_US);
        _cleanup_close_ int fd = open(s->log, O_RDONLY | O_CLOEXEC);
        for (;;) {
                _cleanup_free_ char *text = read_whole_fd(fd);
                if (text && strstr(text, words))
                        return;
                if (now_monotonic() > deadline || process_ends_within(&s->supervisor, 20 * USEC_PER_MSEC))
                        fail_msg("the log does not say \"%s\"", words);
        }
}

/* More listeners than can be held: it is said how many, also by the next director, and nobody is refused all the same. */
SCENARIO(I1_nginx_with_more_listeners_than_can_be_held) {
        static const char words[] = "6 of the node's 70 sockets on tcp:127.0.0.1:8545 are not held";
        configure_nginx(s, 70, "listen 127.0.0.1:8545 reuseport;", "fence: exec");
        start(s, "/usr/sbin/nginx");
        json_decref(scenario_wait_status(s, says, words, SCENARIO_START_TIMEOUT_US));
        wait_logged(s, words);
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        assert_true(scenario_wait_role(s, "interrex-director", director, SCENARIO_START_TIMEOUT_US) > 0);
        json_decref(scenario_wait_status(s, says, words, SCENARIO_START_TIMEOUT_US));
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_end_load_unharmed(s);
        json_decref(scenario_wait_status(s, says, words, SCENARIO_START_TIMEOUT_US));
        scenario_stop(s);
}

/* Each of many processes has a listener of its own; to adopt them all takes no time that clients or deadlines would notice. */
SCENARIO(I6_sixty_processes_with_a_listener_each) {
        char program[320];
        scenario_need("/usr/bin/python3");
        write_file(s, "sixty", 0755,
                        "#!/usr/bin/python3\n"
                        "import os, signal, socket\n"
                        "for i in range(60):\n"
                        "    if os.fork() == 0:\n"
                        "        listener = socket.socket()\n"
                        "        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
                        "        listener.bind(('127.0.0.1', 8545))\n"
                        "        listener.listen()\n"
                        "        signal.pause()\n"
                        "while True: signal.pause()\n");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\nexec: {command: sixty, user: nobody, stop_timeout: "
                        "1s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\nprobation: "
                        "1s\n",
                        s->node, s->data);
        (void)snprintf(program, sizeof(program), "%s/sixty", s->directory);
        start(s, program);
        /* The director answers while they are opened. */
        for (unsigned i = 0; i < 20; i++) {
                uint64_t asked_at = now_monotonic();
                json_decref(scenario_status(s));
                assert_true(now_monotonic() - asked_at < process_patience(10 * USEC_PER_SEC));
        }
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
}

SCENARIO(gunicorn_with_workers) {
        scenario_need("/usr/bin/gunicorn");
        write_file(s, "application.py", 0644,
                        "def application(environ, start_response):\n"
                        "    start_response('200 OK', [('Content-Type', 'application/json'), "
                        "('Content-Length', '2')])\n"
                        "    return [b'{}']\n");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: gunicorn, args: [--bind, \"127.0.0.1:8545\", --workers, '2', "
                        "--chdir, %s, "
                        "--worker-tmp-dir, /dev/shm, application], user: nobody, stop_timeout: 5s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\n"
                        "probes:\n  - {name: page, kind: http, url: \"http://127.0.0.1:8545/\", status: "
                        "200, every: 100ms}\n"
                        "probation: 1s\n",
                        s->node, s->directory, s->data);
        swap_under_load(s, "/usr/bin/gunicorn");
}

static void swap_nodejs(struct scenario *s, const char *state) {
        scenario_need("/usr/bin/node");
        write_file(s, "server.js", 0755,
                        "#!/usr/bin/node\n"
                        "const server = require('http').createServer((q, a) => { a.shouldKeepAlive &&= "
                        "!ending; q.resume(); q.on('end', () => a.end('{}')); });\n"
                        "let ending = false;\n"
                        "server.listen(8545, '127.0.0.1');\n"
                        "process.on('SIGTERM', () => { ending = true; server.close(() => process.exit(0)); "
                        "});\n");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: server.js, user: nobody, stop_timeout: 2s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, %s}\n"
                        "probes:\n  - {name: page, kind: http, url: \"http://127.0.0.1:8545/\", status: "
                        "200, every: 100ms}\n"
                        "probation: 1s\ndeadlines: {drain: 1s}\n",
                        s->node, s->data, state);
        char program[320];
        (void)snprintf(program, sizeof(program), "%s/server.js", s->directory);
        swap_under_load(s, program);
}

SCENARIO(nodejs_http_server) {
        swap_nodejs(s, "fence: exec");
}

SCENARIO(nodejs_http_server_beside_its_successor) {
        swap_nodejs(s, "overlap: true");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(nginx_with_workers_that_share_a_listener),
                        SCENARIO_TEST(nginx_with_a_listener_for_each_worker),
                        SCENARIO_TEST(I1_nginx_with_more_listeners_than_can_be_held),
                        SCENARIO_TEST(I6_sixty_processes_with_a_listener_each),
                        SCENARIO_TEST(gunicorn_with_workers),
                        SCENARIO_TEST(nodejs_http_server),
                        SCENARIO_TEST(nginx_beside_its_successor),
                        SCENARIO_TEST(nginx_beside_its_successor_with_a_listener_for_each_worker),
                        SCENARIO_TEST(nodejs_http_server_beside_its_successor),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("swaps of servers", tests, NULL, NULL);
}
