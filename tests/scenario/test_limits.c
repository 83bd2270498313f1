/* A node's limits may be higher than the supervisor's own: that takes CAP_SYS_RESOURCE, which not every
 * machine gives to root. `make check-kernel` does. */
#include "support/scenario.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Soft and hard, as /proc/PID/limits tells them. */
static void assert_limit(int pid, const char *name, const char *wanted_soft, const char *wanted_hard) {
        char path[64], line[256], soft[32] = "", hard[32] = "";
        (void)snprintf(path, sizeof(path), "/proc/%d/limits", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                if (strncmp(line, name, strlen(name)) == 0)
                        assert_int_equal(sscanf(line + strlen(name), "%31s %31s", soft, hard), 2);
        assert_string_equal(soft, wanted_soft);
        assert_string_equal(hard, wanted_hard);
}

SCENARIO(raises_limits_above_its_own) {
        static const struct rlimit low = {512, 1024};
        if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) != 1)
                skip();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        scenario_configure(s,
                        "node: %s\n"
                        "release: \"1.0.0\"\n"
                        "exec:\n"
                        "  command: testnode\n"
                        "  args: [--listen, \"127.0.0.1:%d\", --state, \"{state}\"]\n"
                        "  user: nobody\n"
                        "  limits: {nofile: [2048, 8192], memlock: infinity}\n"
                        "state: {directory: %s, fence: exec}\n"
                        "listen: [\"tcp:127.0.0.1:%d\"]\n",
                        s->node, SCENARIO_PORT, s->data, SCENARIO_PORT);
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        json_t *status = scenario_status(s);
        assert_non_null(status);
        int pid = (int)scenario_number(status, "pid");
        json_decref(status);
        assert_limit(pid, "Max open files", "2048", "8192");
        assert_limit(pid, "Max locked memory", "unlimited", "unlimited");
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {SCENARIO_TEST(raises_limits_above_its_own)};
        return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
