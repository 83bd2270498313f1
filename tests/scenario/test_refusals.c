/* Bad input, and what it gets: each is refused before anything changes, and says what happened, to what, and what to do. */
#include "lib/cgroup.h"
#include "support/scenario.h"

#include <arpa/inet.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define HEIGHT_TIMEOUT_US (20 * USEC_PER_SEC)

static void assert_says(struct process_result *result, int status, const char *const *words);
static void begin(struct scenario *s);
static void assert_untouched(struct scenario *s);

#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define REFUSED(s, status, words, ...)                                               \
        do {                                                                         \
                struct process_result refused_ = scenario_cli(s, __VA_ARGS__, NULL); \
                assert_says(&refused_, status, words);                               \
        } while (0)

SCENARIO(every_mistake_of_a_configuration_is_named_with_its_line) {
        scenario_configure(s, "node: Bad Name\n"
                              "listen: [\"tcp:127.0.0.1:99999\"]\n"
                              "exec: {command: testnode, stop_timeout: soon}\n"
                              "state: {directory: relative, fence: maybe}\n"
                              "hieght: {source: file}\n");
        const char *const words[] = {":1:", ":2:", ":3:", ":4:", ":5:", "hieght", "soon", "maybe", NULL};
        REFUSED(s, 2, words, "check", s->config);
        REFUSED(s, 2, words, "run", s->config);
}

/* The second one is told who has the port. */
SCENARIO(a_port_that_somebody_else_has_is_named_with_its_owner) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(SCENARIO_PORT)};
        char pid[32];
        _cleanup_close_ int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(taken, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(taken, 1), 0);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        (void)snprintf(pid, sizeof(pid), "%d", getpid());
        REFUSED(s, 1, SAYS("127.0.0.1:8545", pid, "test_refusals"), "run", s->config);
}

/* What a socket of that path would replace is somebody's data; a socket that a node left is not. */
SCENARIO(a_file_in_the_place_of_a_socket_is_left_alone) {
        char path[160], listen[256], text[8] = "";
        struct stat there;
        (void)snprintf(path, sizeof(path), "%s/place", s->data);
        (void)snprintf(listen, sizeof(listen), "listen: [\"tcp:127.0.0.1:8545\", \"unix:%s\"]", path);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .arguments = "--listen-fds",
                                                       .exec = "listen_fds: true",
                                                       .more = listen});
        scenario_add_testnode(s, "1.0.0", "");
        _cleanup_close_ int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_int_equal(write(file, "data", 4), 4);
        REFUSED(s, 1, SAYS(path, "a file", "move it away"), "run", s->config);
        assert_int_equal(pread(file, text, sizeof(text), 0), 4);
        assert_true(lstat(path, &there) == 0 && S_ISREG(there.st_mode) && there.st_nlink == 1);
        assert_int_equal(unlink(path), 0);

        assert_int_equal(mkdir(path, 0700), 0);
        REFUSED(s, 1, SAYS(path, "a folder"), "run", s->config);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("elsewhere", path), 0);
        REFUSED(s, 1, SAYS(path, "a symbolic link"), "run", s->config);
        assert_int_equal(unlink(path), 0);

        struct sockaddr_un address = {.sun_family = AF_UNIX};
        text_copy(address.sun_path, sizeof(address.sun_path), path);
        _cleanup_close_ int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(left, (struct sockaddr *)&address, sizeof(address)), 0);
        left = close_fd(left);
        scenario_start(s);
        _cleanup_close_ int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        scenario_stop(s);
        assert_true(lstat(path, &there) < 0 && errno == ENOENT);

        /* Nor is what somebody has put there meanwhile removed with the node's own. */
        scenario_start(s);
        assert_int_equal(unlink(path), 0);
        left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(left, (struct sockaddr *)&address, sizeof(address)), 0);
        scenario_stop(s);
        assert_true(lstat(path, &there) == 0 && S_ISSOCK(there.st_mode));
}

static bool tells_another_cgroup(const json_t *status, const void *userdata) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        (void)userdata;
        return reason && strstr(reason, "signal 9") && strstr(reason, "start interrex in another cgroup");
}

/* Some kernels (6.18) kill whatever is cloned from there into a cgroup below it; doctor finds out by trying. */
SCENARIO(a_cgroup_that_was_killed_is_named) {
        const char *const doctor[] = {s->interrex, "doctor", NULL};
        const struct process_start start = {
                        .arguments = doctor, .output_fd = -1, .error_fd = -1, .cgroup_fd = s->cgroup_fd};
        struct process_result result;
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        assert_int_equal(cgroup_write(s->cgroup_fd, "cgroup.kill", "1"), 0);
        assert_int_equal(process_run(&start, HEIGHT_TIMEOUT_US, &result), 0);
        bool is_told = strstr(result.output, "cgroup.kill was once written for this cgroup");
        process_result_done(&result);
        scenario_start_supervisor(s);
        if (is_told)
                json_decref(scenario_wait_status(s, tells_another_cgroup, NULL, HEIGHT_TIMEOUT_US));
        else
                scenario_wait_phase(s, "running", HEIGHT_TIMEOUT_US);
        scenario_stop(s);
}

static bool tells_foreground(const json_t *status, const void *userdata) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        (void)userdata;
        return reason && strstr(reason, "exited with status 0") && strstr(reason, "stay in the foreground");
}

static bool tells_status_0(const json_t *status, const void *userdata) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        (void)userdata;
        return reason && strstr(reason, "exited with status 0");
}

SCENARIO(a_node_that_leaves_for_the_background_is_told_to_stay) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .state = "fence: exec"});
        scenario_add_script(s, "1.0.0", "#!/bin/sh\nsleep 1000 </dev/null >/dev/null 2>&1 &\n");
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(s, tells_foreground, NULL, HEIGHT_TIMEOUT_US));
        scenario_stop(s);
}

SCENARIO(a_node_that_only_ends_is_not_told_to_stay_in_the_foreground) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .state = "fence: exec"});
        scenario_add_script(s, "1.0.0", "#!/bin/sh\nexit 0\n");
        scenario_start_supervisor(s);
        json_t *status = scenario_wait_status(s, tells_status_0, NULL, HEIGHT_TIMEOUT_US);
        assert_false(tells_foreground(status, NULL));
        json_decref(status);
        scenario_stop(s);
}

SCENARIO(a_second_run_of_a_node_is_refused) {
        begin(s);
        REFUSED(s, 1, SAYS(s->node, "already"), "run", s->config);
        assert_untouched(s);
        scenario_stop(s);
}

SCENARIO(an_upgrade_while_one_is_under_way_is_refused) {
        begin(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "1000000", NULL);
        REFUSED(s, 1, SAYS("2.0.0", "1000000", "cancel"), "upgrade", s->node, "2.0.0", "--now");
        REFUSED(s, 1, SAYS("2.0.0", "1000000", "cancel"), "restart", s->node);
        scenario_expect(s, 0, "cancel", s->node, NULL);
        assert_untouched(s);
        scenario_stop(s);
}

SCENARIO(a_height_that_has_passed_is_refused) {
        begin(s);
        REFUSED(s, 1, SAYS("height 1 ", "not ahead"), "upgrade", s->node, "2.0.0", "--at", "1");
        assert_untouched(s);
        scenario_stop(s);
}

/* The past cannot be changed; both lines are shown. */
SCENARIO(a_schedule_that_contradicts_what_has_run_is_refused) {
        begin(s);
        scenario_wait_height(s, 5, HEIGHT_TIMEOUT_US);
        scenario_expect(s, 0, "schedule", "set", s->node, "1", "1.x", NULL);
        REFUSED(s, 1, SAYS(">=2.0.0", "1.0.0", "1.x"), "schedule", "set", s->node, "2", ">=2.0.0");
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", ">=2.0.0", NULL);
        assert_untouched(s);
        scenario_stop(s);
}

SCENARIO(a_release_that_is_not_here_is_refused) {
        begin(s);
        REFUSED(s, 1, SAYS("9.9.9", "(here ", "1.0.0", "release add"), "upgrade", s->node, "9.9.9", "--now");
        REFUSED(s, 2, SAYS("latest", "version"), "upgrade", s->node, "latest", "--now");
        assert_untouched(s);
        scenario_stop(s);
}

/* What runs under one name is not started again under another. */
SCENARIO(a_version_with_a_v_is_the_one_that_is_listed_without) {
        begin(s);
        REFUSED(s, 1, SAYS("1.0.0 runs already"), "upgrade", s->node, "v1.0.0", "--now");
        REFUSED(s, 1, SAYS("release 1.0.0", "it runs"), "release", "remove", s->node, "v1.0.0");
        scenario_expect(s, 0, "release", "manifest", s->node, "v1.0.0", NULL);
        assert_untouched(s);
        scenario_expect(s, 0, "upgrade", s->node, "v2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        REFUSED(s, 1, SAYS("2.0.0 runs already"), "upgrade", s->node, "2.0.0", "--now");
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        scenario_stop(s);
}

static void path_in_release(const struct scenario *s, const char *release, char *path, size_t size) {
        (void)snprintf(path, size, "%s/%s/releases/%s/testnode", s->state_dir, s->node, release);
}

/* Bytes that were changed behind interrex's back are not run. */
SCENARIO(I3_a_release_whose_bytes_were_changed_is_refused) {
        char path[512];
        begin(s);
        path_in_release(s, "2.0.0", path, sizeof(path));
        _cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(write(fd, "x", 1), 1);
        fd = close_fd(fd);
        scenario_start_load(s, 200, 10);
        REFUSED(s, 1, SAYS("2.0.0", "not what was added", "testnode", "release add"), "upgrade", s->node,
                        "2.0.0", "--now", "--wait");
        scenario_end_load_unharmed(s);
        assert_untouched(s);
        scenario_stop(s);
}

SCENARIO(a_release_that_has_disappeared_is_refused) {
        char path[512];
        begin(s);
        path_in_release(s, "2.0.0", path, sizeof(path));
        assert_int_equal(unlink(path), 0);
        REFUSED(s, 1, SAYS("2.0.0", "testnode"), "upgrade", s->node, "2.0.0", "--now", "--wait");
        assert_untouched(s);
        scenario_stop(s);
}

static void write_file(const char *path, const void *bytes, size_t n, mode_t mode) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        assert_int_equal(write(fd, bytes, n), (ssize_t)n);
        assert_int_equal(fchmod(fd, mode), 0);
}

SCENARIO(what_cannot_be_run_here_is_not_added) {
        char path[128], folder[128];
        Elf64_Ehdr foreign = {
                        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                        .e_type = ET_EXEC,
                        .e_machine = EM_AARCH64,
                        .e_version = EV_CURRENT,
                        .e_ehsize = sizeof(Elf64_Ehdr)};
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        (void)snprintf(folder, sizeof(folder), "%s/new", s->directory);
        (void)snprintf(path, sizeof(path), "%s/testnode", folder);
        assert_int_equal(mkdir(folder, 0755), 0);
        REFUSED(s, 1, SAYS("testnode", "No such file"), "release", "add", s->node, "3.0.0", path);
        write_file(path, &foreign, sizeof(foreign), 0755);
        REFUSED(s, 1, SAYS("testnode", "arm64", "x86-64"), "release", "add", s->node, "3.0.0", path);
        write_file(path, "#!/bin/sh\n", 10, 0644);
        REFUSED(s, 1, SAYS("testnode", "not executable"), "release", "add", s->node, "3.0.0", path);
        write_file(path, "#!/bin/sh\n", 10, 0755);
        REFUSED(s, 1, SAYS("SHA-256", "nothing was added"), "release", "add", s->node, "3.0.0", path,
                        "--sha256", "0000000000000000000000000000000000000000000000000000000000000000");
        REFUSED(s, 1, SAYS("1.0.0", "already"), "release", "add", s->node, "1.0.0", path);
        REFUSED(s, 2, SAYS("newest", "version"), "release", "add", s->node, "newest", path);
        struct process_result list = scenario_cli(s, "release", "list", s->node, NULL);
        assert_int_equal(list.status, 0);
        assert_non_null(strstr(list.output, "1.0.0"));
        assert_null(strstr(list.output, "3.0.0"));
        process_result_done(&list);
}

SCENARIO(a_node_that_does_not_run_is_named) {
        REFUSED(s, 5, SAYS("nobody-here", "interrex run"), "status", "nobody-here");
        REFUSED(s, 5, SAYS("nobody-here"), "upgrade", "nobody-here", "1.0.0", "--now");
        REFUSED(s, 2, SAYS("upgrad", "interrex upgrade"), "upgrad", "x");
        REFUSED(s, 2, SAYS("--soon"), "upgrade", "x", "1.0.0", "--soon");
}

/* A child that lacks CAP, for good: what it starts lacks it as well. */
static void run_without(struct scenario *s, int capability, const char *name) {
        int status = -1, pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct process_result result;
                if (prctl(PR_CAPBSET_DROP, capability) < 0)
                        _exit(3);
                result = scenario_cli(s, "run", s->config, NULL);
                bool is_told = result.status == 6 && strstr(result.error, name);
                if (!is_told)
                        (void)fprintf(stderr, "status %d: %s%s", result.status, result.output, result.error);
                _exit(is_told ? 0 : 4);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
                fail_msg("a missing %s was not named", name);
}

SCENARIO(a_missing_capability_is_named) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        run_without(s, CAP_BPF, "CAP_BPF");
        run_without(s, CAP_SYS_PTRACE, "CAP_SYS_PTRACE");
        run_without(s, CAP_SETUID, "CAP_SETUID");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(every_mistake_of_a_configuration_is_named_with_its_line),
                        SCENARIO_TEST(a_port_that_somebody_else_has_is_named_with_its_owner),
                        SCENARIO_TEST(a_file_in_the_place_of_a_socket_is_left_alone),
                        SCENARIO_TEST(a_cgroup_that_was_killed_is_named),
                        SCENARIO_TEST(a_node_that_leaves_for_the_background_is_told_to_stay),
                        SCENARIO_TEST(a_node_that_only_ends_is_not_told_to_stay_in_the_foreground),
                        SCENARIO_TEST(a_second_run_of_a_node_is_refused),
                        SCENARIO_TEST(an_upgrade_while_one_is_under_way_is_refused),
                        SCENARIO_TEST(a_height_that_has_passed_is_refused),
                        SCENARIO_TEST(a_schedule_that_contradicts_what_has_run_is_refused),
                        SCENARIO_TEST(a_release_that_is_not_here_is_refused),
                        SCENARIO_TEST(a_version_with_a_v_is_the_one_that_is_listed_without),
                        SCENARIO_TEST(I3_a_release_whose_bytes_were_changed_is_refused),
                        SCENARIO_TEST(a_release_that_has_disappeared_is_refused),
                        SCENARIO_TEST(what_cannot_be_run_here_is_not_added),
                        SCENARIO_TEST(a_node_that_does_not_run_is_named),
                        SCENARIO_TEST(a_missing_capability_is_named),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("bad input", tests, NULL, NULL);
}

static void assert_says(struct process_result *result, int status, const char *const *words) {
        if (result->status != status)
                fail_msg("it ended with status %d, not %d: %s%s", result->status, status, result->output,
                                result->error);
        for (size_t i = 0; words[i]; i++)
                if (!strstr(result->error, words[i]) && !strstr(result->output, words[i]))
                        fail_msg("\"%s\" is not in: %s%s", words[i], result->output, result->error);
        process_result_done(result);
}

static void begin(struct scenario *s) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, HEIGHT_TIMEOUT_US);
}

/* The first release goes on, as one process and without a gap. */
static void assert_untouched(struct scenario *s) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        assert_string_equal(scenario_text(status, "phase"), "running");
        assert_int_equal(scenario_number(status, "generation"), 1);
        json_decref(status);
        scenario_assert_release(s, "1.0.0");
        scenario_wait_height(s, height + 2, HEIGHT_TIMEOUT_US);
}
