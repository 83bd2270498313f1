/* What each process may do, read from the kernel; and what becomes of bytes that were changed. */
#include "support/scenario.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A field of /proc/PID/status, as a number of the base. */
static uint64_t status_of(int pid, const char *field, int base) {
        char path[64], line[256];
        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                if (strncmp(line, field, strlen(field)) == 0)
                        return strtoull(line + strlen(field), NULL, base);
        fail_msg("%s has no %s", path, field);
        return 0;
}

static void begin(struct scenario *s) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
}

SCENARIO(I7_who_parses_the_network_may_do_nothing) {
        begin(s);
        int prober = scenario_role(s, "interrex-prober");
        assert_true(prober > 0);
        assert_int_equal(status_of(prober, "CapPrm:", 16), 0);
        assert_int_equal(status_of(prober, "CapEff:", 16), 0);
        assert_int_equal(status_of(prober, "CapBnd:", 16), 0);
        assert_int_equal(status_of(prober, "CapAmb:", 16), 0);
        assert_int_equal(status_of(prober, "Seccomp:", 10), 2);
        assert_int_equal(status_of(prober, "NoNewPrivs:", 10), 1);
        assert_true(status_of(prober, "Uid:", 10) != 0);
        scenario_stop(s);
}

SCENARIO(I7_who_decides_is_not_root) {
        begin(s);
        int director = scenario_role(s, "interrex-director");
        assert_true(director > 0);
        assert_int_equal(status_of(director, "Seccomp:", 10), 2);
        assert_int_equal(status_of(director, "NoNewPrivs:", 10), 1);
        assert_true(status_of(director, "Uid:", 10) != 0);
        /* CAP_SYS_ADMIN (21), CAP_SETUID (7) and CAP_DAC_OVERRIDE (1) would be root by another name. */
        assert_int_equal(status_of(director, "CapPrm:", 16) & (1U << 21 | 1U << 7 | 1U << 1), 0);
        assert_int_equal(status_of(s->supervisor.pid, "Seccomp:", 10), 2);
        scenario_stop(s);
}

/* In the release folder, behind interrex's back. */
static void change_release(struct scenario *s, const char *version) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s/releases/%s/testnode", s->state_dir, s->node, version);
        assert_int_equal(chmod(path, 0755), 0);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), 1);
}

SCENARIO(I7_a_release_that_was_changed_is_not_run) {
        begin(s);
        scenario_wait_height(s, 3, SCENARIO_START_TIMEOUT_US);
        change_release(s, "2.0.0");
        scenario_start_load(s, 200, 10);
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "2.0.0"));
        process_result_done(&result);
        json_t *load = scenario_stop_load(s), *status = scenario_status(s);
        scenario_assert_unharmed(load);
        assert_non_null(status);
        assert_string_equal(scenario_text(status, "release"), "1.0.0");
        assert_int_equal(scenario_number(status, "generation"), 1);
        json_decref(load);
        json_decref(status);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

/* A server of Python's whose start-up script writes as many do. */
static void add_script(struct scenario *s, const char *version) {
        scenario_add_script(s, version,
                        "#!/bin/sh\nset -e\n"
                        "echo from stdout > /dev/stdout\n"
                        "( while :; do echo from stderr of \"$0\" > /dev/stderr; sleep 0.1; done ) &\n"
                        "exec /usr/bin/python3 -m http.server --bind 127.0.0.1 8545\n");
}

static void wait_logged(struct scenario *s, const char *words, off_t from) {
        uint64_t deadline = now_monotonic() + process_patience(SCENARIO_START_TIMEOUT_US);
        _cleanup_close_ int fd = open(s->log, O_RDONLY | O_CLOEXEC);
        for (;;) {
                _cleanup_free_ char *text = read_whole_fd(fd);
                assert_non_null(text);
                if (strstr(text + from, words))
                        return;
                if (now_monotonic() > deadline || process_ends_within(&s->supervisor, 20 * USEC_PER_MSEC))
                        fail_msg("the log does not say \"%s\"", words);
        }
}

static off_t log_size(struct scenario *s) {
        struct stat status;
        assert_int_equal(stat(s->log, &status), 0);
        return status.st_size;
}

SCENARIO(a_node_of_another_user_may_open_its_output_anew) {
        scenario_need("/usr/bin/python3");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: start, user: nobody, stop_timeout: 2s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\n"
                        "probes:\n"
                        "  - {name: own, kind: exec, command: [/bin/sh, -c, \"echo fine > /dev/stdout || "
                        "exit 1\"], every: 200ms}\n"
                        "probation: 1s\n",
                        s->node, s->data);
        add_script(s, "1.0.0");
        add_script(s, "2.0.0");
        scenario_start(s);
        wait_logged(s, "from stdout", 0);
        wait_logged(s, "from stderr", 0);
        off_t before = log_size(s);
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        assert_true(scenario_wait_role(s, "interrex-director", director, SCENARIO_START_TIMEOUT_US) > 0);
        wait_logged(s, "from stderr", before);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
}

/* Tells its height by processes of its own that are gone at once: 7, and 8 when it is asked to go on. */
static void add_teller(struct scenario *s) {
        scenario_add_script(s, "1.0.0",
                        "#!/bin/sh\n"
                        "tell() { /usr/bin/python3 -c 'import os, socket, sys\n"
                        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), "
                        "os.environ[\"NOTIFY_SOCKET\"])' \"$1\"; }\n"
                        "tell X_INTERREX_HEIGHT=7\n"
                        "( until [ -e go ]; do sleep 0.05; done; systemd-notify X_INTERREX_HEIGHT=8 ) &\n"
                        "exec /usr/bin/python3 -m http.server --bind 127.0.0.1 8545\n");
}

/* As root, and as the node's own user. */
static void tell_from_outside(struct scenario *s, const char *text) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const struct passwd *nobody = getpwnam("nobody");
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s/notify.1", s->run_dir, s->node);
        for (unsigned i = 0; i < 2; i++) {
                int status;
                pid_t pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                        if (i == 1 && setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) < 0)
                                _exit(1);
                        _exit(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address,
                                              sizeof(address)) < 0);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(status, 0);
        }
}

static void assert_height(struct scenario *s, int64_t height) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_int_equal(scenario_number(status, "height"), height);
        assert_int_equal(json_array_size(json_object_get(status, "degraded")), 0);
        json_decref(status);
}

static void configure_teller(struct scenario *s) {
        scenario_need("/usr/bin/python3");
        scenario_need("/usr/bin/systemd-notify");
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n"
                        "exec: {command: teller, user: nobody, stop_timeout: 2s}\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\n"
                        "height: {source: notify}\n",
                        s->node, s->data);
        add_teller(s);
}

SCENARIO(I7_only_the_node_tells_its_height) {
        char go[160];
        configure_teller(s);
        scenario_start(s);
        scenario_wait_height(s, 7, SCENARIO_START_TIMEOUT_US);
        tell_from_outside(s, "X_INTERREX_HEIGHT=9");
        assert_false(process_ends_within(&s->supervisor, process_patience(USEC_PER_SEC)));
        assert_height(s, 7);
        (void)snprintf(go, sizeof(go), "%s/go", s->data);
        _cleanup_close_ int fd = open(go, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        scenario_wait_height(s, 8, SCENARIO_START_TIMEOUT_US);
        assert_height(s, 8);
        scenario_stop(s);
}

static bool says_unguarded(const json_t *status, const void *userdata) {
        const char *text = json_string_value(json_array_get(json_object_get(status, "degraded"), 0));
        (void)userdata;
        return text && strstr(text, "any process on this machine");
}

/* A kernel that does not tell its types cannot guard the socket: the node runs, and it is said. */
SCENARIO(a_notify_socket_that_cannot_be_guarded_is_told) {
        static const char *const prefix[] = {"unshare", "--mount", "/bin/sh", "-c",
                        "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"", "sh", NULL};
        s->prefix = prefix;
        configure_teller(s);
        scenario_start(s);
        scenario_wait_height(s, 7, SCENARIO_START_TIMEOUT_US);
        json_decref(scenario_wait_status(s, says_unguarded, NULL, SCENARIO_START_TIMEOUT_US));
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I7_who_parses_the_network_may_do_nothing),
                        SCENARIO_TEST(I7_who_decides_is_not_root),
                        SCENARIO_TEST(I7_a_release_that_was_changed_is_not_run),
                        SCENARIO_TEST(I7_only_the_node_tells_its_height),
                        SCENARIO_TEST(a_notify_socket_that_cannot_be_guarded_is_told),
                        SCENARIO_TEST(a_node_of_another_user_may_open_its_output_anew),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}
