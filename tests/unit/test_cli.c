/* The operator's command as a process: what it prints, its exit status, and what it does while the director
 * comes and goes. */
#include "lib/control_protocol.h"
#include "lib/journal.h"
#include "support/cli_stage.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* How long something that must not happen is given to happen. */
#define MUST_NOT_END_MS 500

static void mistakes_are_2_and_say_what_to_do(void **state) {
        struct scratch *s = *state;
        assert_int_equal(stage_run_cli(s, "frobnicate"), EXIT_USAGE);
        stage_assert_says(s->err, "there is no command frobnicate");
        assert_int_equal(stage_run_cli(s, "stauts"), EXIT_USAGE);
        stage_assert_says(s->err, "did you mean `interrex status`?");
        assert_int_equal(stage_run_cli(s, "hibernate anvil 1.7.1"), EXIT_USAGE);
        assert_int_equal(stage_run_cli(s, "upgrade anvil one --now"), EXIT_USAGE);
        stage_assert_says(s->err, "one is not a version");
        assert_int_equal(stage_run_cli(s, "status ../etc"), EXIT_USAGE);
        assert_int_equal(stage_run_cli(s, "--help"), EXIT_DONE);
        stage_assert_says(s->out, "schedule import");
        assert_int_equal(stage_run_cli(s, "upgrade --help"), EXIT_DONE);
        stage_assert_says(s->out, "--at HEIGHT");
        static const char *const asking[] = {"version", "--version", "status --version"};
        for (size_t i = 0; i < ELEMENTS(asking); i++) {
                assert_int_equal(stage_run_cli(s, asking[i]), EXIT_DONE);
                assert_string_equal(s->out, "interrex " INTERREX_VERSION "\n");
        }
}

/* As when the supervisor is an older interrex. */
static void what_a_director_does_not_know_is_told(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "plan"), EXIT_FAILED);
        stage_assert_says(s->err, "does not know this command: it is of another version");
}

static void an_upgrade_without_a_moment_is_not_begun(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "upgrade anvil 1.7.1 --wait"), EXIT_USAGE);
        stage_assert_says(s->err, "say --now, or --at HEIGHT");
        stage_assert_calls(s, "");
}

static void a_node_that_does_not_run_is_5(void **state) {
        struct scratch *s = *state;
        assert_int_equal(stage_run_cli(s, "status"), EXIT_NO_NODE);
        stage_assert_says(s->err, "there is no node under");
        assert_int_equal(stage_run_cli(s, "status anvil"), EXIT_NO_NODE);
        stage_make_folder(s->node_state);
        static const char *const lines[] = {"status", "upgrade 1.7.1 --now", "rollback --wait", "restart",
                        "cancel", "stop", "watch --once", "plan", "rehearse 1.7.1"};
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                assert_int_equal(stage_run_cli(s, lines[i]), EXIT_NO_NODE);
                stage_assert_says(s->err, "node anvil is not running; start it with `interrex run CONFIG`");
        }
        assert_int_equal(stage_run_cli(s, "history"), EXIT_DONE);
        stage_assert_says(s->out, "no swap yet");
}

static void of_several_nodes_one_must_be_named(void **state) {
        struct scratch *s = *state;
        char other[128];
        (void)snprintf(other, sizeof(other), "%s/geth", s->state);
        stage_supervise(s);
        stage_make_folder(other);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "restart"), EXIT_USAGE);
        stage_assert_says(s->err, "anvil, geth");
        assert_int_equal(stage_run_cli(s, "status anvil"), EXIT_DONE);
}

static void status_is_for_people_and_programs(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "status"), EXIT_DONE);
        assert_string_equal(s->out, "anvil  RUNNING  1.7.0  height 1234  (g3, pid 812, up 5.0 s)\n");
        assert_int_equal(stage_run_cli(s, "status --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"phase\": \"running\"");
        assert_int_equal(stage_run_cli(s, "watch --once"), EXIT_DONE);
        assert_string_equal(s->out, "anvil  RUNNING  1.7.0  height 1234  (g3, pid 812, up 5.0 s)\n");
}

static void waiting_ends_with_the_outcome(void **state) {
        struct scratch *s = *state;
        static const struct {
                const char *line;
                struct script script;
                int status;
        } cases[] = {
                        {"upgrade 1.7.1 --at 1300 --wait", {.outcome = "committed", .reason = ""},
                                        EXIT_DONE},
                        {"upgrade 1.7.1 --wait --at 1300", {.outcome = "aborted", .reason = "port in use"},
                                        EXIT_FAILED},
                        {"upgrade 1.7.1 --wait --at 1300",
                                        {.outcome = "rolled-back", .reason = "port in use"},
                                        EXIT_ROLLED_BACK},
                        {"upgrade 1.7.1 --wait --at 1300", {.outcome = "held", .reason = "port in use"},
                                        EXIT_HELD},
                        {"rollback --wait", {.outcome = "committed", .reason = ""}, EXIT_DONE},
                        {"restart --wait", {.outcome = "cancelled", .reason = "port in use"}, EXIT_FAILED},
        };
        stage_supervise(s);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                stage_start_director(s, &cases[i].script);
                assert_int_equal(stage_run_cli(s, cases[i].line), cases[i].status);
                stage_assert_says(s->err, cases[i].script.reason);
                stage_end_director(s);
        }
        stage_assert_calls(s,
                        "Upgrade 1.7.1 1300 0\nUpgrade 1.7.1 1300 0\nUpgrade 1.7.1 1300 0\nUpgrade 1.7.1 "
                        "1300 0\n"
                        "Rollback\nRestart\n");
}

static void now_and_no_height_are_told_as_such(void **state) {
        struct scratch *s = *state;
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "upgrade anvil 1.7.1 --now"), EXIT_DONE);
        stage_assert_says(s->out, "swap 7");
        assert_int_equal(stage_run_cli(s, "cancel"), EXIT_DONE);
        stage_assert_calls(s, "Upgrade 1.7.1 -1 1\nCancel\n");
}

static void a_refusal_keeps_its_sentence(void **state) {
        struct scratch *s = *state;
        static const struct {
                struct script script;
                int status;
        } cases[] = {
                        {{.error = CONTROL_ERROR_REFUSED}, EXIT_FAILED},
                        {{.error = CONTROL_ERROR_BUSY}, EXIT_FAILED},
                        {{.error = CONTROL_ERROR_USAGE}, EXIT_USAGE},
                        {{.error = CONTROL_ERROR_PERMISSION}, EXIT_NOT_PERMITTED},
        };
        stage_supervise(s);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                stage_start_director(s, &cases[i].script);
                assert_int_equal(stage_run_cli(s, "upgrade 1.7.1 --now"), cases[i].status);
                stage_assert_says(s->err, "that cannot be done now: try later");
                stage_end_director(s);
        }
}

/* It comes back with a new socket, as after an update of interrex itself. */
static void a_director_that_is_away_is_waited_for(void **state) {
        struct scratch *s = *state;
        const struct script dying = {.dies_at = "Status", .unlinks_socket = true}, healthy = {0};
        stage_supervise(s);
        stage_start_director(s, &dying);
        pid_t pid = stage_start_cli(s, "status", 0);
        assert_int_equal(waitpid(s->director, NULL, 0), s->director);
        stage_bind_control(s);
        stage_start_director(s, &healthy);
        assert_int_equal(stage_finish_cli(s, pid), EXIT_DONE);
        stage_assert_says(s->out, "anvil  RUNNING");
        stage_assert_calls(s, "died\n");
}

static void wait_is_asked_again_when_the_director_dies(void **state) {
        struct scratch *s = *state;
        const struct script dying = {.dies_at = "Wait"},
                            healthy = {.outcome = "rolled-back", .reason = "no progress"};
        stage_supervise(s);
        stage_start_director(s, &dying);
        pid_t pid = stage_start_cli(s, "upgrade 1.7.1 --at 1300 --wait", 0);
        assert_int_equal(waitpid(s->director, NULL, 0), s->director);
        stage_start_director(s, &healthy);
        assert_int_equal(stage_finish_cli(s, pid), EXIT_ROLLED_BACK);
        stage_assert_says(s->err, "no progress");
        stage_assert_calls(s, "Upgrade 1.7.1 1300 0\ndied\n");
}

/* The director wrote the swap down and died before it answered. */
static void an_upgrade_is_not_asked_for_twice(void **state) {
        struct scratch *s = *state;
        const struct script dying = {.dies_at = "Upgrade", .writes_swap = true};
        const struct script healthy = {.outcome = "rolled-back", .reason = "no progress"};
        stage_supervise(s);
        stage_start_director(s, &dying);
        pid_t pid = stage_start_cli(s, "upgrade 1.7.1 --now --wait", 0);
        assert_int_equal(waitpid(s->director, NULL, 0), s->director);
        stage_start_director(s, &healthy);
        assert_int_equal(stage_finish_cli(s, pid), EXIT_ROLLED_BACK);
        stage_assert_says(s->err, "swap 7 is rolled-back");
        stage_assert_calls(s, "died\n");
}

/* And one that died before it wrote anything is. */
static void an_upgrade_that_got_lost_is_asked_for_again(void **state) {
        struct scratch *s = *state;
        const struct script dying = {.dies_at = "Upgrade"}, healthy = {0};
        stage_supervise(s);
        stage_write_swap(s, "committed", "");
        stage_start_director(s, &dying);
        pid_t pid = stage_start_cli(s, "upgrade 1.7.1 --now", 0);
        assert_int_equal(waitpid(s->director, NULL, 0), s->director);
        stage_start_director(s, &healthy);
        assert_int_equal(stage_finish_cli(s, pid), EXIT_DONE);
        stage_assert_calls(s, "died\nUpgrade 1.7.1 -1 1\n");
}

static void stop_comes_back_when_the_supervisor_is_gone(void **state) {
        struct scratch *s = *state;
        int ready[2];
        char byte;
        stage_supervise(s);
        stage_let_go_of_lock(s);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        s->keeper = fork();
        if (s->keeper == 0) {
                if (stage_take_lock(s) < 0 || write(ready[1], "r", 1) != 1)
                        _exit(1);
                (void)pause();
                _exit(2);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        stage_start_director(s, &(const struct script){0});
        pid_t pid = stage_start_cli(s, "stop", 0);
        _cleanup_close_ int process = pidfd_open(pid, 0);
        struct pollfd end = {.fd = process, .events = POLLIN};
        assert_int_equal(poll(&end, 1, MUST_NOT_END_MS), 0);
        assert_int_equal(kill(s->keeper, SIGTERM), 0);
        assert_int_equal(stage_finish_cli(s, pid), EXIT_DONE);
        stage_assert_says(s->out, "node anvil has stopped");
        stage_assert_says(s->err, "1.7.0 was killed");
        stage_assert_calls(s, "Stop\n");
        close_fd(ready[0]);
        close_fd(ready[1]);
}

static void a_node_that_stops_meanwhile_leaves_its_outcome(void **state) {
        struct scratch *s = *state;
        const struct script dying = {.dies_at = "Wait"};
        stage_supervise(s);
        stage_write_swap(s, "held", "both releases failed");
        stage_start_director(s, &dying);
        pid_t pid = stage_start_cli(s, "rollback --wait", 0);
        assert_int_equal(waitpid(s->director, NULL, 0), s->director);
        s->director = 0;
        s->listener = close_fd(s->listener);
        stage_let_go_of_lock(s);
        assert_int_equal(stage_finish_cli(s, pid), EXIT_HELD);
        stage_assert_says(s->err, "both releases failed");
}

static void who_may_not_is_told_who_may(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_finish_cli(s, stage_start_cli(s, "status", 65534)), EXIT_NOT_PERMITTED);
        stage_assert_says(s->err, "group interrex");
}

static void a_schedule_is_set_through_a_running_director(void **state) {
        struct scratch *s = *state;
        char path[128], line[192];
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        assert_int_equal(stage_run_cli(s, "schedule set anvil 1300"), EXIT_USAGE);
        stage_assert_says(s->err, "a range is missing behind 1300");
        assert_int_equal(stage_run_cli(s, "schedule set anvil >=1.7.1"), EXIT_USAGE);
        stage_assert_says(s->err, "a height is missing before >=1.7.1: give a height and a range, such as "
                                  "`interrex schedule set anvil 1300 '>=1.7.1'`");
        assert_int_equal(stage_run_cli(s, "schedule set anvil view:5000\t4.x"), EXIT_USAGE);
        stage_assert_says(s->err, "height and range are two arguments");
        stage_assert_says(s->err, "`interrex schedule set anvil view:5000 '4.x'`");
        assert_int_equal(stage_run_cli(s, "schedule set anvli >=1.7.1"), EXIT_USAGE);
        stage_assert_says(s->err, "anvli is not a height");
        assert_int_equal(stage_run_cli(s, "schedule set 1300 >=1.7.1"), EXIT_DONE);
        (void)snprintf(path, sizeof(path), "%s/table", s->folder);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(dprintf(fd, "# two\n100 >=1.0.0 <2.0.0\n\n 200\t^2.0.0 # breaking\n") > 0);
        (void)snprintf(line, sizeof(line), "schedule import %s", path);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->out, "2 boundaries");
        stage_assert_calls(s, "Schedule 1300:>=1.7.1\nScheduleDocument # two\n");
}

static void write_file(const char *path, const char *text) {
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static void a_signature_beside_a_schedule_is_handed_over_with_it(void **state) {
        struct scratch *s = *state;
        char path[128], beside[160], line[300];
        stage_supervise(s);
        stage_start_director(s, &(const struct script){0});
        (void)snprintf(path, sizeof(path), "%s/table", s->folder);
        (void)snprintf(beside, sizeof(beside), "%s.minisig", path);
        write_file(path, "wrong\n");
        write_file(beside, "by somebody\n");
        (void)snprintf(line, sizeof(line), "schedule import %s", path);
        assert_int_equal(stage_run_cli(s, line), EXIT_USAGE);
        stage_assert_says(s->err, "table:5: so it is");
        (void)snprintf(line, sizeof(line), "schedule import %s --signature %s", path, path);
        assert_int_equal(stage_run_cli(s, line), EXIT_USAGE);
        (void)snprintf(line, sizeof(line), "schedule import %s --signature %s.none", path, path);
        assert_int_equal(stage_run_cli(s, line), EXIT_USAGE);
        stage_assert_calls(s,
                        "ScheduleDocument wrong signed by somebody\nScheduleDocument wrong signed wrong\n");
}

static void a_schedule_of_a_stopped_node_is_all_or_nothing(void **state) {
        struct scratch *s = *state;
        char path[128], line[192];
        if (geteuid() != 0)
                skip();
        stage_make_folder(s->node_state);
        (void)snprintf(path, sizeof(path), "%s/table", s->folder);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(dprintf(fd, "100 >=1.0.0\nsoon >=1.1.0\n300 ???\n") > 0);
        (void)snprintf(line, sizeof(line), "schedule import anvil %s", path);
        assert_int_equal(stage_run_cli(s, line), EXIT_USAGE);
        stage_assert_says(s->err, "table:2: soon is not a height");
        stage_assert_says(s->err, "table:3: ??? is not a version range");
        assert_int_equal(stage_run_cli(s, "schedule show"), EXIT_DONE);
        stage_assert_says(s->out, "no boundary");
        write_file(path, "1300 >=1.7.1\n");
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        assert_string_equal(s->out, "1 boundary of node anvil is set\n");
        assert_int_equal(stage_run_cli(s, "schedule show --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"height\": 1300");
        assert_int_equal(stage_finish_cli(s, stage_start_cli(s, "schedule set 5 *", 65534)),
                        EXIT_NOT_PERMITTED);
        assert_int_equal(stage_finish_cli(s, stage_start_cli(s, "schedule show", 65534)), EXIT_DONE);
        stage_assert_says(s->out, ">=1.7.1");
}

static void history_and_report_read_the_journal(void **state) {
        struct scratch *s = *state;
        stage_make_folder(s->node_state);
        stage_write_swap(s, "rolled-back", "probe rpc failed");
        assert_int_equal(stage_run_cli(s, "history"), EXIT_DONE);
        stage_assert_says(s->out, "1.7.0 -> 1.7.1");
        assert_int_equal(stage_run_cli(s, "report 7"), EXIT_DONE);
        stage_assert_says(s->out, "upgrade #7");
        stage_assert_says(s->out, "preparing");
        assert_int_equal(stage_run_cli(s, "report"), EXIT_DONE);
        stage_assert_says(s->out, "upgrade #7");
        assert_int_equal(stage_run_cli(s, "report 8"), EXIT_FAILED);
        assert_int_equal(stage_run_cli(s, "history --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"reason\": \"probe rpc failed\"");
}

static void releases_are_added_listed_and_removed(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        stage_assert_says(s->out, "1.7.0");
        assert_int_equal(stage_run_cli(s, "release add 1.7.1 /bin/true --sha256 00"), EXIT_USAGE);
        assert_int_equal(stage_run_cli(s, "release remove 1.7.0"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list --json"), EXIT_DONE);
        assert_string_equal(s->out, "[]\n");
        assert_int_equal(stage_run_cli(s, "release remove 1.7.0"), EXIT_FAILED);
}

static void note(const struct scratch *s, const char *key, const char *text) {
        char path[128];
        struct journal *journal;
        (void)snprintf(path, sizeof(path), "%s/journal.db", s->node_state);
        assert_int_equal(journal_open(path, true, &journal), 0);
        assert_int_equal(journal_set(journal, key, text, strlen(text)), 0);
        journal_close(journal);
}

static void write_config(const char *path, const char *command) {
        char text[200];
        (void)snprintf(text, sizeof(text),
                        "node: anvil\nexec: {command: %s}\nlisten: [\"tcp:127.0.0.1:1\"]\n", command);
        write_file(path, text);
        assert_return_code(chmod(path, 0644), errno);
}

/* A folder with a program bin/node, a script run and some data. */
static void make_source(const struct scratch *s, char *source, size_t size) {
        char path[200];
        (void)snprintf(source, size, "%s/source", s->folder);
        stage_make_folder(source);
        (void)snprintf(path, sizeof(path), "%s/bin", source);
        stage_make_folder(path);
        (void)snprintf(path, sizeof(path), "%s/bin/node", source);
        write_file(path, "#!/bin/sh\n");
        assert_return_code(chmod(path, 0755), errno);
        (void)snprintf(path, sizeof(path), "%s/data", source);
        write_file(path, "data\n");
}

static void what_a_release_must_hold_is_asked_when_it_is_added(void **state) {
        struct scratch *s = *state;
        char source[128], config[128], line[300];
        if (geteuid() != 0)
                skip();
        make_source(s, source, sizeof(source));
        (void)snprintf(config, sizeof(config), "%s/anvil.yaml", s->folder);
        (void)snprintf(line, sizeof(line), "release add anvil 1.0.0 %s", source);
        /* Nothing is known of the node. */
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(
                        s->out, "no configuration of node anvil can be read yet (/etc/interrex/anvil.yaml)");
        stage_assert_says(s->out, "from: bin/node\n");
        /* It ran with another command, and its configuration cannot be read. */
        note(s, JOURNAL_CONFIG, config);
        note(s, JOURNAL_COMMAND, "anvil");
        (void)snprintf(line, sizeof(line), "release add anvil 1.0.1 %s", source);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->err, "it cannot be started with exec.command anvil");
        /* Its configuration names that still. */
        write_config(config, "anvil");
        (void)snprintf(line, sizeof(line), "release add anvil 1.0.2 %s", source);
        assert_int_equal(stage_run_cli(s, line), EXIT_FAILED);
        stage_assert_says(s->err, "holds no anvil, which the configuration names as exec.command");
        stage_assert_says(s->err, config);
        /* It has been changed for this release; and the ones of before are still good for the node that runs. */
        write_config(config, "bin/node");
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        assert_string_equal(s->err, "");
        note(s, JOURNAL_COMMAND, "bin/node");
        write_config(config, "anvil");
        (void)snprintf(line, sizeof(line), "release add anvil 1.0.3 %s", source);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        assert_string_equal(s->err, "");
        /* Somebody else's file is not read by root, whatever the journal says. */
        note(s, JOURNAL_COMMAND, "anvil");
        assert_return_code(chown(config, 1, 1), errno);
        (void)snprintf(line, sizeof(line), "release add anvil 1.0.4 %s", source);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->err, "it cannot be started with exec.command anvil");
}

static void the_doctor_answers_in_json(void **state) {
        struct scratch *s = *state;
        int status = stage_run_cli(s, "doctor --json");
        assert_true(status == EXIT_DONE || status == EXIT_FAILED);
        stage_assert_says(s->out, "\"name\": \"bpf steering\"");
        stage_assert_says(s->out, "\"remedy\"");
        assert_int_equal(strstr(s->out, "\"missing\"") != NULL, status == EXIT_FAILED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_make_scratch, stage_remove_scratch)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(mistakes_are_2_and_say_what_to_do),
                        TEST(what_a_director_does_not_know_is_told),
                        TEST(an_upgrade_without_a_moment_is_not_begun),
                        TEST(a_node_that_does_not_run_is_5),
                        TEST(of_several_nodes_one_must_be_named),
                        TEST(status_is_for_people_and_programs),
                        TEST(waiting_ends_with_the_outcome),
                        TEST(now_and_no_height_are_told_as_such),
                        TEST(a_refusal_keeps_its_sentence),
                        TEST(a_director_that_is_away_is_waited_for),
                        TEST(wait_is_asked_again_when_the_director_dies),
                        TEST(an_upgrade_is_not_asked_for_twice),
                        TEST(an_upgrade_that_got_lost_is_asked_for_again),
                        TEST(stop_comes_back_when_the_supervisor_is_gone),
                        TEST(a_node_that_stops_meanwhile_leaves_its_outcome),
                        TEST(who_may_not_is_told_who_may),
                        TEST(a_schedule_is_set_through_a_running_director),
                        TEST(a_signature_beside_a_schedule_is_handed_over_with_it),
                        TEST(a_schedule_of_a_stopped_node_is_all_or_nothing),
                        TEST(history_and_report_read_the_journal),
                        TEST(releases_are_added_listed_and_removed),
                        TEST(what_a_release_must_hold_is_asked_when_it_is_added),
                        TEST(the_doctor_answers_in_json),
        };
        if (access(stage_executable(), X_OK) < 0) {
                (void)fprintf(stderr, "there is no %s to test: run make first, or set INTERREX\n",
                                stage_executable());
                return 77;
        }
        return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
