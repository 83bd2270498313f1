/* Somebody does not let go, or does not answer. */
#include "support/scenario.h"
#include <fcntl.h>
#include <signal.h>

#define GENERATIONS 10 /* more than the director keeps count of */

static void begin(struct scenario *s, const char *more) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = more});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, SCENARIO_START_TIMEOUT_US);
}

static int open_output_of_node(struct scenario *s) {
        char path[64];
        json_t *status = scenario_status(s);
        assert_non_null(status);
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/1", (int)scenario_number(status, "pid"));
        json_decref(status);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static bool has_one_generation(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_array_size(json_object_get(status, "generations")) == 1;
}

/* As a daemon does that the node started and that left its cgroup. */
SCENARIO(I6_a_generation_is_forgotten_though_its_output_is_held_elsewhere) {
        int held[GENERATIONS];
        begin(s, "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n");
        int director = scenario_role(s, "interrex-director");
        for (size_t i = 0; i < GENERATIONS; i++) {
                held[i] = open_output_of_node(s);
                scenario_expect(s, 0, "restart", s->node, "--wait", NULL);
        }
        json_decref(scenario_wait_status(s, has_one_generation, NULL, SCENARIO_START_TIMEOUT_US));
        assert_int_equal(scenario_role(s, "interrex-director"), director);
        scenario_stop(s);
        for (size_t i = 0; i < GENERATIONS; i++)
                close_fd(held[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I6_a_generation_is_forgotten_though_its_output_is_held_elsewhere),
        };
        return cmocka_run_group_tests_name("hangs", tests, NULL, NULL);
}
