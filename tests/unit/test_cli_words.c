/* What the operator's command says of releases, nodes and swaps, where leaving it out has misled somebody. */
#include "lib/control_protocol.h"
#include "lib/journal.h"
#include "support/cli_stage.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DEADLINE_MS 20000

/* Form only: nothing here checks it. */
#define SIGNATURE                                                       \
        "untrusted comment: signature from minisign secret key\n"       \
        "RWSWjSgZe2WhWTBJJfo8ZgQ6gRRJXnsnIjGdti+u+"                     \
        "yinhlKWsGhflX6B3VYflWsGMY4wFjk8XFYn3ONrIxj4WPW0JcjGj5FEBQk=\n" \
        "trusted comment: legacy\n"                                     \
        "nwhZr1SJJUl161Nsb6qILJ38/ph4/hZ3RqctGbumtW9fpaKkV/JhL7Qt+ekRsOwRqa2tqb09VLdp0Lit0wvNBw==\n"

static void write_file(const char *path, const char *text) {
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static void assert_silent_about(const char *text, const char *sentence) {
        if (strstr(text, sentence))
                fail_msg("\"%s\" says \"%s\"", text, sentence);
}

static void a_release_is_told_by_the_name_it_is_listed_under(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil v1.7.0 /bin/true"), EXIT_DONE);
        stage_assert_says(s->out, "release 1.7.0 of node anvil is added\n");
}

static void a_signature_that_is_added_is_told(void **state) {
        struct scratch *s = *state;
        char path[128], line[256];
        if (geteuid() != 0)
                skip();
        (void)snprintf(path, sizeof(path), "%s/signature", s->folder);
        write_file(path, SIGNATURE);
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        (void)snprintf(line, sizeof(line), "release add anvil 1.7.0 /bin/true --signature %s", path);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->out, "there already, with the same bytes; its signature was added\n");
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->out, "there already, with the same bytes\n");
}

/* No start has noted anything but where it lies. */
static void what_a_first_start_would_need_is_not_removed(void **state) {
        struct scratch *s = *state;
        char config[128], path[128];
        struct journal *journal;
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release add anvil 1.8.0 /bin/true"), EXIT_DONE);
        (void)snprintf(config, sizeof(config), "%s/anvil.yaml", s->folder);
        write_file(config, "node: anvil\nrelease: \"1.7.0\"\nexec: {command: anvil}\n"
                           "listen: [\"tcp:127.0.0.1:8545\"]\n");
        (void)snprintf(path, sizeof(path), "%s/journal.db", s->node_state);
        assert_int_equal(journal_open(path, true, &journal), 0);
        assert_int_equal(journal_set(journal, JOURNAL_CONFIG, config, strlen(config)), 0);
        journal_close(journal);
        assert_int_equal(stage_run_cli(s, "release remove anvil v1.7.0"), EXIT_FAILED);
        stage_assert_says(s->err, "the configuration names it as the one to start with; change `release:` "
                                  "there first");
        assert_int_equal(stage_run_cli(s, "release remove anvil 1.8.0"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list anvil"), EXIT_DONE);
        stage_assert_says(s->out, "1.7.0");
}

static void add_script(struct scratch *s, const char *version, const char *text) {
        char path[128], line[256];
        (void)snprintf(path, sizeof(path), "%s/script", s->folder);
        write_file(path, text);
        assert_int_equal(chmod(path, 0755), 0);
        (void)snprintf(line, sizeof(line), "release add anvil %s %s", version, path);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
}

static void what_runs_a_release_and_is_not_here_is_told(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        add_script(s, "1.0.0", "#!/bin/sh -e\n");
        assert_silent_about(s->err, "run by");
        add_script(s, "1.0.1", "#! /nowhere/python3 -u\n");
        stage_assert_says(s->err, "run by /nowhere/python3, which is not on this machine");
        add_script(s, "1.0.2", "#!/bin/sh\r\n"); /* as some systems end lines */
        stage_assert_says(s->err, "run by /bin/sh?, which is not on this machine");
}

static void a_release_whose_files_are_gone_is_marked(void **state) {
        struct scratch *s = *state;
        char path[160];
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        assert_silent_about(s->out, "gone");
        assert_int_equal(stage_run_cli(s, "release list --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"files_are_gone\": false");
        (void)snprintf(path, sizeof(path), "%s/releases/1.7.0", s->node_state);
        char moved[200];
        (void)snprintf(moved, sizeof(moved), "%s/elsewhere", s->folder);
        assert_return_code(rename(path, moved), errno);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        stage_assert_says(s->out, "its files are gone: add it again\n");
        assert_int_equal(stage_run_cli(s, "release list --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"files_are_gone\": true");
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        assert_silent_about(s->out, "gone");
}

static void a_node_that_is_made_is_told(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        stage_assert_says(s->out, "this makes a new node, anvil: ");
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.1 /bin/true"), EXIT_DONE);
        assert_silent_about(s->out, "new node");
        assert_int_equal(stage_run_cli(s, "schedule set anivl 100 >=1.7.1"), EXIT_DONE);
        stage_assert_says(s->out, "this makes a new node, anivl: ");
}

static void read_until(int fd, char *text, size_t size, const char *sentence) {
        size_t length = 0;
        text[0] = '\0';
        while (!strstr(text, sentence) && length < size - 1) {
                struct pollfd event = {.fd = fd, .events = POLLIN};
                assert_int_equal(poll(&event, 1, DEADLINE_MS), 1);
                ssize_t n = read(fd, text + length, size - 1 - length);
                if (n <= 0)
                        fail_msg("it ended after \"%s\" without \"%s\"", text, sentence);
                length += (size_t)n;
                text[length] = '\0';
        }
}

static pid_t start_to_pipes(const struct scratch *s, const char *const *words, int *ret_out, int *ret_err) {
        int out[2], err[2];
        assert_return_code(pipe2(out, O_CLOEXEC), errno);
        assert_return_code(pipe2(err, O_CLOEXEC), errno);
        pid_t pid = fork();
        if (pid == 0) {
                (void)signal(SIGINT, SIG_DFL);
                if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(err[1], STDERR_FILENO) < 0)
                        _exit(98);
                (void)setenv("INTERREX_STATE_DIR", s->state, 1);
                (void)setenv("INTERREX_RUN_DIR", s->run, 1);
                (void)execv(stage_executable(), (char *const *)words);
                _exit(99);
        }
        close_fd(out[1]);
        close_fd(err[1]);
        *ret_out = out[0];
        *ret_err = err[0];
        return pid;
}

static void who_waits_is_told_first_and_who_leaves_what_goes_on(void **state) {
        struct scratch *s = *state;
        static const char *const words[] = {
                        "interrex", "upgrade", "anvil", "1.7.1", "--at", "1300", "--wait", NULL};
        _cleanup_close_ int out = -1, err = -1;
        char text[4096];
        int status;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){.never_ends_wait = true});
        pid_t pid = start_to_pipes(s, words, &out, &err);
        read_until(out, text, sizeof(text), "was not rehearsed");
        stage_assert_says(text, "upgrade to 1.7.1 is armed for height 1300: swap 7 of node anvil");
        assert_return_code(kill(pid, SIGINT), errno);
        read_until(err, text, sizeof(text), "disarms it");
        stage_assert_says(text, "swap 7 goes on without this command");
        stage_assert_says(text, "`interrex watch anvil`");
        stage_assert_says(text, "`interrex cancel anvil`");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

static void what_does_not_run_is_told_with_its_configuration(void **state) {
        struct scratch *s = *state;
        char path[160], config[128], sentence[256];
        struct journal *journal;
        stage_make_folder(s->node_state);
        (void)snprintf(path, sizeof(path), "%s/journal.db", s->node_state);
        (void)snprintf(config, sizeof(config), "%s/anvil.yaml", s->folder);
        assert_int_equal(journal_open(path, true, &journal), 0);
        assert_int_equal(journal_set(journal, JOURNAL_CONFIG, config, strlen(config)), 0);
        journal_close(journal);
        assert_int_equal(stage_run_cli(s, "status"), EXIT_NO_NODE);
        stage_assert_says(s->err, "start it with `interrex run CONFIG`"); /* it was moved away */
        write_file(config, "node: anvil\n");
        (void)snprintf(sentence, sizeof(sentence),
                        "node anvil is not running; start it with `interrex run %s`", config);
        assert_int_equal(stage_run_cli(s, "status"), EXIT_NO_NODE);
        stage_assert_says(s->err, sentence);
}

static void the_status_of_several_nodes_is_a_line_each(void **state) {
        struct scratch *s = *state;
        char other[128];
        (void)snprintf(other, sizeof(other), "%s/geth", s->state);
        stage_supervise(s);
        stage_make_folder(other);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "status"), EXIT_DONE);
        assert_string_equal(s->out, "anvil running 1.7.0 g3 height 1234\ngeth stopped -\n");
        assert_int_equal(stage_run_cli(s, "status --json"), EXIT_DONE);
        json_t *all = json_loads(s->out, 0, NULL);
        assert_int_equal(json_array_size(all), 2);
        json_decref(all);
        stage_end_director(s);
        stage_start_director(s, &(const struct script){.error = "org.freedesktop.DBus.Error.Failed"});
        assert_int_equal(stage_run_cli(s, "status"), EXIT_FAILED);
        assert_string_equal(s->out, "geth stopped -\n");
}

/* A swap that rehearses at its gate needs no advice to rehearse, and a node that stands at none cannot be rehearsed there. */
static void a_rehearsal_that_is_to_come_is_not_advised(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "upgrade anvil 1.7.1 --at 1300"), EXIT_DONE);
        stage_assert_says(s->out, "was not rehearsed");
        assert_int_equal(stage_run_cli(s, "rehearse anvil 1.7.1 --at-gate"), EXIT_FAILED);
        stage_assert_says(s->err, "node anvil does not stand at its gate (it is running)");
        stage_end_director(s);
        stage_start_director(s, &(const struct script){.status = "{\"node\":\"anvil\",\"phase\":\"armed\","
                                                                 "\"rehearses_at_gate\":true}"});
        assert_int_equal(stage_run_cli(s, "upgrade anvil 1.7.1 --at 1300"), EXIT_DONE);
        assert_null(strstr(s->out, "rehearse"));
}

/* Who watches by the exit status must hear of it, whatever lies ahead. */
static void the_plan_of_a_held_node_is_red(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){.plan = "{\"node\":\"anvil\",\"phase\":\"held\","
                                                               "\"reason\":\"2.0.0 failed\","
                                                               "\"way_out\":\"add one\",\"next_try_s\":4.2,"
                                                               "\"release\":\"1.7.1\",\"boundaries\":[]}"});
        assert_int_equal(stage_run_cli(s, "plan"), EXIT_FAILED);
        stage_assert_says(s->out, "HELD  2.0.0 failed\n"
                                  "! to go on: add one\n"
                                  "! what failed is tried again by itself in 4.0 s\n");
        stage_end_director(s);
        stage_start_director(s, &(const struct script){.plan = "{\"node\":\"anvil\",\"phase\":\"running\","
                                                               "\"release\":\"1.7.1\",\"boundaries\":[]}"});
        assert_int_equal(stage_run_cli(s, "plan"), EXIT_DONE);
}

#define PLANNED(height, point)                                                          \
        "{\"node\":\"anvil\",\"release\":\"1.7.1\",\"boundaries\":[{\"height\":" height \
        ",\"point\":\"" point "\",\"range\":\"1.x\",\"is_swap\":false,\"release\":\"1.7.1\",\"ok\":true}]}"

static void assert_planned(struct scratch *s, const char *plan, const char *expected) {
        stage_start_director(s, &(const struct script){.plan = plan});
        assert_int_equal(stage_run_cli(s, "plan"), EXIT_DONE);
        stage_assert_says(s->out, expected);
        stage_end_director(s);
}

/* What the node cannot be seen to be at is told by its height as soon as it has one. */
static void the_plan_tells_where_a_boundary_of_another_unit_lies(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        assert_planned(s, PLANNED("320", "view:3044"), "  height 320 (view:3044)  1.x");
        assert_planned(s, PLANNED("null", "view:3044"), "ready      view:3044  1.x");
        assert_planned(s, PLANNED("3044", "view:3044"),
                        "ready      view:3044  1.x"); /* of a node that counts in views */
        assert_planned(s, PLANNED("320", "320"), "  height 320  1.x");
}

static void the_plan_says_nothing_of_who_never_ran(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        assert_planned(s,
                        "{\"node\":\"anvil\",\"release\":\"\",\"boundaries\":[{\"height\":1,\"point\":\"1\","
                        "\"range\":\"1.x\",\"is_swap\":true,\"release\":\"1.7.1\",\"ok\":true}]}",
                        "ready      height 1  1.x  -> 1.7.1\n"
                        "    sha256 unknown, not signed, not rehearsed, snapshot not possible\n");
        stage_assert_says(s->out, "anvil  no release\n");
}

static void the_plan_says_where_in_its_window_a_node_goes_over(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s,
                        &(const struct script){.plan = "{\"node\":\"anvil\",\"release\":\"1.7.1\","
                                                       "\"boundaries\":[{\"height\":90,\"point\":\"90\","
                                                       "\"is_swap\":true,\"release\":null,\"from\":20,"
                                                       "\"rolls_at\":64},{\"height\":99,\"point\":\"99\","
                                                       "\"is_swap\":true,\"release\":\"2.0.0\",\"from\":91,"
                                                       "\"rolls_at\":94}]}"});
        assert_int_equal(stage_run_cli(s, "plan"), EXIT_FAILED);
        stage_assert_says(s->out, "it may run from height 20 on; this node would go over at 64\n");
        stage_assert_says(s->out, "it may run from height 91 on; this node goes over at 94\n");
}

static void a_report_can_be_kept_as_a_page(void **state) {
        struct scratch *s = *state;
        char command[300], page[256], missing[300];
        struct stat kept;
        stage_make_folder(s->node_state);
        stage_write_swap(s, "rolled-back", "probe rpc failed");
        assert_int_equal(stage_run_cli(s, "report 7 --html -"), EXIT_DONE);
        stage_assert_says(s->out, "probe rpc failed");
        stage_assert_says(s->out, "</html>");
        (void)snprintf(page, sizeof(page), "%s/report.html", s->node_state);
        (void)snprintf(command, sizeof(command), "report --html %s", page);
        assert_int_equal(stage_run_cli(s, command), EXIT_DONE);
        assert_int_equal(stat(page, &kept), 0);
        assert_true(kept.st_size > 500);
        (void)snprintf(missing, sizeof(missing), "report --html %s/none/report.html", s->node_state);
        assert_int_equal(stage_run_cli(s, missing), EXIT_FAILED);
        stage_assert_says(s->err, "cannot write");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_make_scratch, stage_remove_scratch)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(a_release_is_told_by_the_name_it_is_listed_under),
                        TEST(a_signature_that_is_added_is_told),
                        TEST(what_runs_a_release_and_is_not_here_is_told),
                        TEST(what_a_first_start_would_need_is_not_removed),
                        TEST(a_release_whose_files_are_gone_is_marked),
                        TEST(a_node_that_is_made_is_told),
                        TEST(who_waits_is_told_first_and_who_leaves_what_goes_on),
                        TEST(what_does_not_run_is_told_with_its_configuration),
                        TEST(the_status_of_several_nodes_is_a_line_each),
                        TEST(a_rehearsal_that_is_to_come_is_not_advised),
                        TEST(the_plan_of_a_held_node_is_red),
                        TEST(the_plan_says_where_in_its_window_a_node_goes_over),
                        TEST(the_plan_says_nothing_of_who_never_ran),
                        TEST(the_plan_tells_where_a_boundary_of_another_unit_lies),
                        TEST(a_report_can_be_kept_as_a_page),
        };
        if (access(stage_executable(), X_OK) < 0) {
                (void)fprintf(stderr, "there is no %s to test: run make first, or set INTERREX\n",
                                stage_executable());
                return 77;
        }
        return cmocka_run_group_tests_name("cli words", tests, NULL, NULL);
}
