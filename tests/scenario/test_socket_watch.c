/* Swaps where the cgroup cannot have kernel programs, because one above it allows no other: sockets are then found by
 * seccomp notifications, and clients notice no difference. */
#include "support/scenario.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

/* What a container manager of old does: a program attached without BPF_F_ALLOW_MULTI. */
static void forbid_other_programs(struct scenario *s) {
        const struct bpf_insn code[] = {
                        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
                        {.code = BPF_JMP | BPF_EXIT},
        };
        LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_BIND);
        _cleanup_close_ int program = bpf_prog_load(
                        BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "alone", "GPL", code, ELEMENTS(code), &options);
        assert_true(program >= 0);
        assert_int_equal(bpf_prog_attach(program, s->cgroup_fd, BPF_CGROUP_INET4_BIND, 0), 0);
}

static void assert_degraded(struct scenario *s, const char *words) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_true(scenario_is_degraded(status, words));
        json_decref(status);
}

static void swap_under_load(struct scenario *s) {
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", "1.0.0", NULL});
}

static void start_without_hooks(struct scenario *s, const char *command, const char *arguments) {
        forbid_other_programs(s);
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){
                                           .command = command, .arguments = arguments, .release = "1.0.0"});
        if (command) {
                scenario_add_testnode_go(s, "1.0.0");
                scenario_add_testnode_go(s, "2.0.0");
        } else {
                scenario_add_testnode(s, "1.0.0", "");
                scenario_add_testnode(s, "2.0.0", "");
        }
        scenario_start(s);
        assert_degraded(s, "seccomp notifications");
        scenario_wait_height(s, 3,
                        SCENARIO_START_TIMEOUT_US); /* else the first release may have committed nothing */
}

SCENARIO(swaps_without_kernel_programs_at_the_cgroup) {
        start_without_hooks(s, NULL, "--start-ms, '200'");
        swap_under_load(s);
}

SCENARIO(swaps_a_go_node_without_kernel_programs_at_the_cgroup) {
        start_without_hooks(s, "testnode-go", NULL);
        swap_under_load(s);
}

/* What binds while there is no director waits for the next one. */
SCENARIO(swaps_without_kernel_programs_although_the_director_dies) {
        start_without_hooks(s, NULL, "--start-ms, '200'");
        scenario_start_load(s, 300, 20);
        int director = scenario_role(s, "interrex-director");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        scenario_kill(director);
        scenario_wait_phase(s, "running", SCENARIO_START_TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(swaps_without_kernel_programs_at_the_cgroup),
                        SCENARIO_TEST(swaps_a_go_node_without_kernel_programs_at_the_cgroup),
                        SCENARIO_TEST(swaps_without_kernel_programs_although_the_director_dies),
        };
        return cmocka_run_group_tests_name("socket_watch", tests, NULL, NULL);
}
