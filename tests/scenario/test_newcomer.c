/* Mistakes that newcomers make, and how soon they are told what to do. */
#include "support/scenario.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define TIMEOUT_US (20 * USEC_PER_SEC)

/* As it stands now; malloc'ed. */
static char *read_log(const struct scenario *s) {
        char *text = calloc(1, 256 * 1024);
        _cleanup_close_ int fd = open(s->log, O_RDONLY | O_CLOEXEC);
        assert_true(text && fd >= 0 && read(fd, text, 256 * 1024 - 1) >= 0);
        return text;
}

static bool gives_reason(const json_t *status, const void *words) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        return reason && strstr(reason, words);
}

static bool is_running(const json_t *status, const void *userdata) {
        (void)userdata;
        return strcmp(scenario_text(status, "phase"), "running") == 0;
}

#define ELSEWHERE                                                                                         \
        "listens on tcp:127.0.0.1:8545, which is not in `listen`, and so far not on tcp:127.0.0.1:8546, " \
        "which is: correct the "                                                                          \
        "configuration or the node's arguments"

/* Long before deadlines.prove says that it did not start. */
SCENARIO(a_port_that_is_not_the_node_s_is_told_while_it_starts) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .more = "listen: [\"tcp:127.0.0.1:8546\"]\n"
                                                               "probes: [{name: port, kind: tcp, address: "
                                                               "\"127.0.0.1:8546\"}]\n"
                                                               "deadlines: {prove: 4s}\nrestart: {backoff: "
                                                               "[50ms], give_up_after: 0}"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start_supervisor(s);
        json_t *status = scenario_wait_status(s, scenario_is_degraded, ELSEWHERE, 3 * USEC_PER_SEC);
        assert_string_equal(scenario_text(status, "phase"), "starting");
        json_decref(status);
        json_decref(scenario_wait_status(s, gives_reason, ELSEWHERE, TIMEOUT_US));
        char *log = read_log(s), *told = strstr(log, "generation 1 " ELSEWHERE),
             *failed = strstr(log, "did not become healthy");
        assert_true(told && (!failed || told < failed));
        free(log);
        scenario_stop(s);
        /* Once that is corrected there is nothing left of it. */
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_start(s);
        status = scenario_status(s);
        assert_false(scenario_is_degraded(status, "listens on"));
        assert_true(json_is_null(json_object_get(status, "reason")));
        json_decref(status);
        scenario_stop(s);
}

/* One that listens at the other family too: what comes there is not held, and that is said of a node that is well. */
SCENARIO(an_address_that_differs_by_its_host_is_told_while_it_is_so) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .arguments = "--listen, \"127.0.0.2:8545\""});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        json_decref(scenario_wait_status(s, scenario_is_degraded,
                        "listens on tcp:127.0.0.2:8545 too, which is not in `listen` while "
                        "tcp:127.0.0.1:8545 is",
                        TIMEOUT_US));
        scenario_stop(s);
}

/* Nothing then says that it is well but that it runs. */
SCENARIO(a_node_that_is_not_asked_anything_runs_as_soon_as_it_is_started) {
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\ndeadlines: {prove: 5s}\nprobation: 100ms\n"
                        "exec: {command: testnode, args: [--listen, \"127.0.0.1:8545\"]}\n",
                        s->node);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start_supervisor(s);
        json_t *status = scenario_wait_status(s, is_running, NULL, 2 * TIMEOUT_US);
        assert_int_equal(scenario_number(status, "generation"), 1);
        json_decref(status);
        scenario_expect(s, 1, "schedule", "set", s->node, "100", "1.x", NULL); /* which nobody could tell */
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
}

/* It is no refusal: a node may only read there. */
SCENARIO(a_state_that_the_user_cannot_write_is_told_at_the_start) {
        char told[300];
        if (!getpwnam("nobody"))
                skip();
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .exec = "user: nobody",
                                           .more = "restart: {backoff: [50ms], give_up_after: 0}"});
        scenario_add_testnode(s, "1.0.0", "");
        assert_return_code(chown(s->data, 0, 0), errno);
        assert_return_code(chmod(s->data, 0755), errno);
        scenario_start_supervisor(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        (void)snprintf(told, sizeof(told),
                        "state.directory: %s cannot be written by nobody; give it to it with `chown nobody "
                        "%s`",
                        s->data, s->data);
        char *log = read_log(s);
        assert_non_null(strstr(log, told));
        free(log);
        scenario_stop(s);
}

/* As it lies in an archive, with a folder too many. */
SCENARIO(a_release_without_the_command_is_not_added) {
        char wrong[100], inside[120], command[160], beside[160];
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        (void)snprintf(wrong, sizeof(wrong), "%s/wrong", s->directory);
        (void)snprintf(inside, sizeof(inside), "%s/testnode-2.0.0", wrong);
        (void)snprintf(command, sizeof(command), "%s/testnode", inside);
        (void)snprintf(beside, sizeof(beside), "%s/LICENSE",
                        inside); /* one file alone would be its own command */
        assert_return_code(mkdir(wrong, 0755), errno);
        assert_return_code(mkdir(inside, 0755), errno);
        _cleanup_close_ int fd = open(command, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
        assert_true(fd >= 0 && write(fd, "#!/bin/sh\n", 10) == 10);
        _cleanup_close_ int license = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(license >= 0);
        struct process_result result = scenario_cli(s, "release", "add", s->node, "2.0.0", wrong, NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(
                        result.error, "holds no testnode, which the configuration names as exec.command"));
        assert_non_null(strstr(result.error, s->config));
        process_result_done(&result);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", inside, NULL);
        scenario_stop(s);
}

/* Nothing of what the rest of the supervisor does meanwhile comes before the reason. */
SCENARIO(a_first_start_without_a_release_is_told_why_it_cannot_be) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_start_supervisor(s);
        int status;
        assert_int_equal(process_wait(&s->supervisor, TIMEOUT_US, &status), 0);
        assert_int_not_equal(status, 0);
        char *log = read_log(s);
        assert_non_null(strstr(log, "release add"));
        assert_null(strstr(log, "cannot watch the releases"));
        assert_null(strstr(log, "the node goes on"));
        free(log);
}

SCENARIO(a_boundary_that_is_not_there_is_told_so_wherever_the_node_is) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
        struct process_result result = scenario_cli(s, "schedule", "remove", s->node, "2", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "there is no boundary at 2"));
        process_result_done(&result);
        scenario_expect(s, 0, "schedule", "set", s->node, "2", ">=1.0.0", NULL);
        result = scenario_cli(s, "schedule", "remove", s->node, "2", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "the boundary at 2 cannot go"));
        process_result_done(&result);
        scenario_stop(s);
}

SCENARIO(a_node_that_somebody_kills_is_told_as_killed_by_others) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .more = "restart: {backoff: [60s]}"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        json_t *status = scenario_status(s);
        assert_return_code(kill((pid_t)json_integer_value(json_object_get(status, "pid")), SIGKILL), errno);
        json_decref(status);
        json_decref(scenario_wait_status(s, gives_reason,
                        "it was ended by signal 9 (Killed), which interrex did not send", TIMEOUT_US));
        /* Whoever has mended it need not wait for the next try. */
        scenario_expect(s, 1, "cancel", s->node, NULL);
        scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        status = scenario_status(s);
        assert_true(is_running(status, NULL));
        json_decref(status);
        scenario_stop(s);
}

/* As left by a node that sets no SO_REUSEADDR and closes first. It takes a minute, so only that it is waited for is looked at. */
SCENARIO(a_port_that_nobody_has_any_more_is_waited_for) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(SCENARIO_PORT)};
        int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        char end;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_return_code(bind(server, (struct sockaddr *)&address, sizeof(address)), errno);
        assert_return_code(listen(server, 1), errno);
        assert_return_code(connect(client, (struct sockaddr *)&address, sizeof(address)), errno);
        int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        assert_return_code(accepted, errno);
        close_fd(accepted);
        close_fd(server);
        assert_int_equal(read(client, &end, 1), 0);
        client = close_fd(client);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start_supervisor(s);
        for (bool is_told = false; !is_told;) {
                assert_true(now_monotonic() < deadline);
                assert_false(process_ends_within(&s->supervisor, 50 * USEC_PER_MSEC));
                char *log = read_log(s);
                is_told = strstr(log, "(TIME_WAIT): it is free again within a minute");
                free(log);
        }
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(a_port_that_is_not_the_node_s_is_told_while_it_starts),
                        SCENARIO_TEST(an_address_that_differs_by_its_host_is_told_while_it_is_so),
                        SCENARIO_TEST(a_node_that_is_not_asked_anything_runs_as_soon_as_it_is_started),
                        SCENARIO_TEST(a_state_that_the_user_cannot_write_is_told_at_the_start),
                        SCENARIO_TEST(a_release_without_the_command_is_not_added),
                        SCENARIO_TEST(a_first_start_without_a_release_is_told_why_it_cannot_be),
                        SCENARIO_TEST(a_boundary_that_is_not_there_is_told_so_wherever_the_node_is),
                        SCENARIO_TEST(a_node_that_somebody_kills_is_told_as_killed_by_others),
                        SCENARIO_TEST(a_port_that_nobody_has_any_more_is_waited_for),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("newcomer", tests, NULL, NULL);
}
