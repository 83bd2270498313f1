/* A rehearsal tells whether a release does on the live state, and neither the live node nor anybody outside notices. */
#include "support/scenario.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define OUTSIDE_PORT 9999

static void begin(struct scenario *s);
static void assert_left_nothing(struct scenario *s);
static void assert_plan_knows(struct scenario *s, const char *range, const char *problem);
static void assert_says(struct scenario *s, int status, const char *version, const char *word);

SCENARIO(a_release_is_tried_while_the_node_runs_on) {
        begin(s);
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start_load(s, 200, 10);
        assert_says(s, 0, "2.0.0", "starts on this state");
        scenario_end_load_unharmed(s);
        assert_left_nothing(s);
}

/* What a rehearsal that was killed has left is of an older state. */
SCENARIO(a_snapshot_that_was_left_is_not_rehearsed_on) {
        char path[200];
        begin(s);
        scenario_add_testnode(s, "2.0.0", "");
        (void)snprintf(path, sizeof(path), "%s/.data.interrex-rehearsal", s->directory);
        assert_int_equal(mkdir(path, 0755), 0);
        (void)snprintf(path, sizeof(path), "%s/.data.interrex-rehearsal/height", s->directory);
        FILE *file = fopen(path, "wex");
        assert_non_null(file);
        assert_true(fputs("spoiled", file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_says(s, 0, "2.0.0", "starts on this state");
        assert_left_nothing(s);
}

SCENARIO(a_release_that_spoils_its_state_leaves_the_live_one_untouched) {
        begin(s);
        scenario_add_testnode(s, "2.0.0", "--spoil-state");
        scenario_add_testnode(s, "3.0.0", "--accept-never-answer");
        scenario_start_load(s, 200, 10);
        assert_says(s, 1, "2.0.0", "spoiled the state");
        assert_says(s, 1, "3.0.0", "healthy within deadlines.prove: ");
        assert_plan_knows(s, "3.0.0", "release 3.0.0 failed its rehearsal on ");
        scenario_end_load_unharmed(s);
        assert_left_nothing(s);
}

SCENARIO(a_release_that_begins_anew_is_warned_of) {
        char elsewhere[160], faults[200];
        begin(s);
        (void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", s->data);
        (void)snprintf(faults, sizeof(faults), "--state %s", elsewhere);
        assert_int_equal(mkdir(elsewhere, 0700), 0);
        assert_int_equal(chmod(elsewhere, 0777), 0);
        scenario_wait_height(s, 60, TIMEOUT_US);
        scenario_add_testnode(s, "2.0.0", faults);
        assert_says(s, 0, "2.0.0", "warning: the live node stood at height ");
        assert_left_nothing(s);
}

SCENARIO(a_release_that_is_not_here_cannot_be_rehearsed) {
        begin(s);
        struct process_result result = scenario_cli(s, "rehearse", s->node, "9.9.9", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "release 9.9.9 is not here (here is 1.0.0)"));
        process_result_done(&result);
        scenario_expect(s, 2, "rehearse", s->node, "newest", NULL);
        assert_left_nothing(s);
}

SCENARIO(a_rehearsal_reaches_nobody) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(OUTSIDE_PORT)};
        char folder[160], path[200];
        _cleanup_close_ int outside = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        begin(s);
        assert_int_equal(bind(outside, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(outside, 1), 0);
        (void)snprintf(folder, sizeof(folder), "%s/calling", s->directory);
        (void)snprintf(path, sizeof(path), "%s/testnode", folder);
        assert_int_equal(mkdir(folder, 0755), 0);
        FILE *file = fopen(path, "wex");
        assert_non_null(file);
        assert_true(fprintf(file, "#!/bin/bash\n: < /dev/tcp/127.0.0.1/%d && echo reached it\nexit 3\n",
                                    OUTSIDE_PORT) > 0);
        assert_int_equal(fchmod(fileno(file), 0755), 0);
        assert_int_equal(fclose(file), 0);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", folder, NULL);
        assert_says(s, 1, "2.0.0", "refused");
        assert_int_equal(accept(outside, NULL, NULL), -1);
        assert_int_equal(errno, EAGAIN);
        assert_left_nothing(s);
}

/* The version that answers at a unix socket; -1: nobody does. */
static int ask_unix(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char answer[512] = "";
        int version = -1;
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        text_copy(address.sun_path, sizeof(address.sun_path), path);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                        send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) != 18 ||
                        recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL) <= 0)
                return -1;
        const char *body = strstr(answer, "\r\n\r\n");
        return body && sscanf(body, " %d.", &version) == 1 ? version : -1;
}

static void assert_both_answer(const char *held, const char *own) {
        assert_int_equal(ask_unix(held), 1);
        assert_int_equal(ask_unix(own), 1);
}

/* A path can have one socket only: one that the rehearsal makes there must not be the live node's. */
SCENARIO(I1_whoever_asks_at_a_unix_socket_never_meets_what_is_rehearsed) {
        char folder[160], held[200], own[200], arguments[300], more[300];
        struct process rehearsal = {0};
        int status = -1;
        (void)snprintf(folder, sizeof(folder), "%s/sockets", s->directory);
        (void)snprintf(held, sizeof(held), "%s/held", folder);
        (void)snprintf(own, sizeof(own), "%s/own", folder);
        (void)snprintf(arguments, sizeof(arguments), "--listen-fds, --unix, \"%s\"", own);
        (void)snprintf(more, sizeof(more),
                        "listen: [\"tcp:127.0.0.1:8545\", \"unix:%s\"]\nprobation: 200ms\n", held);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(chmod(folder, 0777), 0);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .exec = "listen_fds: true",
                                                       .arguments = arguments,
                                                       .more = more});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "--start-ms 300");
        scenario_start(s);
        scenario_wait_height(s, 5, TIMEOUT_US);
        const char *const words[] = {s->interrex, "rehearse", s->node, "2.0.0", "--state-dir", s->state_dir,
                        "--run-dir", s->run_dir, NULL};
        assert_int_equal(process_start(&(struct process_start){.arguments = words,
                                                       .output_fd = -1,
                                                       .error_fd = -1,
                                                       .cgroup_fd = -1},
                                         &rehearsal),
                        0);
        while (!process_ends_within(&rehearsal, 10 * USEC_PER_MSEC))
                assert_both_answer(held, own);
        assert_int_equal(process_wait(&rehearsal, TIMEOUT_US, &status), 0);
        assert_int_equal(status, 0);
        assert_both_answer(held, own);
        assert_left_nothing(s);
}

static int listen_at(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        text_copy(address.sun_path, sizeof(address.sun_path), path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(chmod(path, 0666), 0);
        return fd;
}

/* I8: a remote signer may be behind it. */
SCENARIO(a_rehearsal_speaks_to_no_socket_of_this_machine) {
        char folder[160], path[200], script[900];
        (void)snprintf(folder, sizeof(folder), "%s/signer", s->directory);
        (void)snprintf(path, sizeof(path), "%s/socket", folder);
        assert_int_equal(mkdir(folder, 0755), 0);
        begin(s);
        _cleanup_close_ int signer = listen_at(path);
        (void)snprintf(script, sizeof(script),
                        "#!/usr/bin/python3\nimport socket, sys\n"
                        "def is_deaf(path):\n"
                        "    try: return socket.socket(socket.AF_UNIX).connect(path) is not None\n"
                        "    except OSError: return True\n"
                        "print('deaf' if is_deaf('%s') else 'heard', flush=True)\nsys.exit(3)\n",
                        path);
        scenario_add_script(s, "2.0.0", script);
        assert_says(s, 1, "2.0.0", "| deaf");
        assert_int_equal(accept(signer, NULL, NULL), -1);
        assert_int_equal(errno, EAGAIN);
        assert_left_nothing(s);
}

SCENARIO(a_rehearsal_writes_nothing_beside_its_state) {
        char path[160], faults[200];
        struct stat st;
        begin(s);
        (void)snprintf(path, sizeof(path), "%s/signatures", s->directory);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_int_equal(fchmod(fd, 0666), 0);
        (void)snprintf(faults, sizeof(faults), "--signatures %s", path);
        scenario_add_testnode(s, "2.0.0", faults);
        assert_says(s, 1, "2.0.0", "signatures: Read-only file system");
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 0);
        assert_left_nothing(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(a_release_is_tried_while_the_node_runs_on),
                        SCENARIO_TEST(a_snapshot_that_was_left_is_not_rehearsed_on),
                        SCENARIO_TEST(a_release_that_spoils_its_state_leaves_the_live_one_untouched),
                        SCENARIO_TEST(a_release_that_begins_anew_is_warned_of),
                        SCENARIO_TEST(a_release_that_is_not_here_cannot_be_rehearsed),
                        SCENARIO_TEST(a_rehearsal_reaches_nobody),
                        SCENARIO_TEST(I1_whoever_asks_at_a_unix_socket_never_meets_what_is_rehearsed),
                        SCENARIO_TEST(a_rehearsal_speaks_to_no_socket_of_this_machine),
                        SCENARIO_TEST(a_rehearsal_writes_nothing_beside_its_state),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("rehearsals", tests, NULL, NULL);
}

static void begin(struct scenario *s) {
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .more = "deadlines: {prove: 2s}\nprobation: 200ms\n"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 5, TIMEOUT_US);
}

static void assert_says(struct scenario *s, int status, const char *version, const char *word) {
        struct process_result result = scenario_cli(s, "rehearse", s->node, version, NULL);
        if (result.status != status || !strstr(result.output, word))
                fail_msg("status %d: %s%s", result.status, result.output, result.error);
        process_result_done(&result);
}

/* Far ahead, and taken away again. */
static void assert_plan_knows(struct scenario *s, const char *range, const char *problem) {
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", range, NULL);
        struct process_result result = scenario_cli(s, "plan", s->node, NULL);
        if (result.status != 1 || !strstr(result.output, "NOT READY") || !strstr(result.output, problem))
                fail_msg("status %d: %s%s", result.status, result.output, result.error);
        process_result_done(&result);
        scenario_expect(s, 0, "schedule", "remove", s->node, "1000000", NULL);
}

/* The live node has gone on by itself, and no snapshot is left beside its state. */
static void assert_left_nothing(struct scenario *s) {
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "generation"), 1);
        scenario_wait_height(s, (uint64_t)scenario_number(status, "height") + 3, TIMEOUT_US);
        json_decref(status);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
        DIR *directory = opendir(s->directory);
        assert_non_null(directory);
        for (const struct dirent *entry; (entry = readdir(directory));)
                if (strstr(entry->d_name, "interrex-rehearsal"))
                        fail_msg("%s is left", entry->d_name);
        (void)closedir(directory);
}
