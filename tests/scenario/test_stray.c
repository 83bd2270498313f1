/* A daemon of the node's that runs as root moves itself out of its cgroup, where nothing ends it, and keeps the state open. */
#include "support/scenario.h"

#include "lib/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define TIMEOUT_US (40 * USEC_PER_SEC)

struct elsewhere {
        char cgroup[512];
};

static void begin(struct scenario *s, struct elsewhere *ret_elsewhere) {
        char arguments[600];
        _cleanup_free_ char *own = NULL;
        _cleanup_close_ int fd = -1;
        assert_true(cgroup_open_own(&own, &fd) >= 0);
        (void)snprintf(ret_elsewhere->cgroup, sizeof(ret_elsewhere->cgroup), "%s/interrex-%s", own,
                        strrchr(s->directory, '.') + 1);
        assert_int_equal(mkdir(ret_elsewhere->cgroup, 0755), 0);
        (void)snprintf(arguments, sizeof(arguments), "--stray %s/cgroup.procs", ret_elsewhere->cgroup);
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .exec = "user: root",
                                           .more = "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n"
                                                   "deadlines: {prove: 10s}\n"});
        scenario_add_testnode(s, "1.0.0", arguments);
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
}

static int find(const struct elsewhere *elsewhere) {
        char path[600], text[64] = "";
        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", elsewhere->cgroup);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(read(fd, text, sizeof(text) - 1) > 0);
        return atoi(text);
}

static void end(const struct elsewhere *elsewhere) {
        char path[600];
        (void)snprintf(path, sizeof(path), "%s/cgroup.kill", elsewhere->cgroup);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fd, "1", 1), 1);
        while (rmdir(elsewhere->cgroup) < 0)
                assert_int_equal(errno, EBUSY); /* they are ending */
}

static bool is_gone(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_array_size(json_object_get(status, "generations")) == 0;
}

SCENARIO(I2_nothing_runs_beside_a_process_that_left_the_cgroup_and_it_is_named) {
        struct elsewhere elsewhere;
        char who[64];
        begin(s, &elsewhere);
        (void)snprintf(who, sizeof(who), "process %d (stray)", find(&elsewhere));
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        print_message("%s%s", result.output, result.error);
        assert_int_equal(result.status, 4);
        assert_non_null(strstr(result.error, who));
        assert_non_null(strstr(result.error, "LOCK"));
        process_result_done(&result);
        scenario_kill(find(&elsewhere));
        json_decref(scenario_wait_status(s, is_gone, NULL, TIMEOUT_US));
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_stop(s);
        end(&elsewhere);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

static bool names_it(const json_t *status, const void *userdata) {
        const json_t *array = json_object_get(status, "degraded");
        for (size_t i = 0; i < json_array_size(array); i++)
                if (strstr(json_string_value(json_array_get(array, i)), userdata))
                        return true;
        return false;
}

SCENARIO(I2_a_node_that_crashed_is_not_started_beside_it_and_is_after_its_end) {
        struct elsewhere elsewhere;
        begin(s, &elsewhere);
        json_t *status = scenario_status(s);
        int64_t generation = scenario_number(status, "generation");
        scenario_kill((int)scenario_number(status, "pid"));
        json_decref(status);
        json_decref(scenario_wait_status(s, names_it, "(stray) left the cgroup", TIMEOUT_US));
        assert_false(process_ends_within(&s->supervisor, process_patience(2500 * USEC_PER_MSEC)));
        status = scenario_status(s);
        assert_int_equal(scenario_number(status, "generation"), generation);
        json_decref(status);
        scenario_kill(find(&elsewhere));
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_stop(s);
        end(&elsewhere);
}

SCENARIO(I6_a_process_that_left_the_cgroup_does_not_keep_the_node_from_being_stopped) {
        struct elsewhere elsewhere;
        begin(s, &elsewhere);
        scenario_stop(s);
        end(&elsewhere);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I2_nothing_runs_beside_a_process_that_left_the_cgroup_and_it_is_named),
                        SCENARIO_TEST(I2_a_node_that_crashed_is_not_started_beside_it_and_is_after_its_end),
                        SCENARIO_TEST(I6_a_process_that_left_the_cgroup_does_not_keep_the_node_from_being_stopped),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("strays", tests, NULL, NULL);
}
