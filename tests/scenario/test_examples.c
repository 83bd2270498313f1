/* The demos as a newcomer runs them: real nodes, whole swaps under load. Each checks what its clients saw and ends with 0 only if
 * nobody was refused. */
#include "support/network.h"
#include "support/process.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#define DEMO_TIMEOUT_US (240 * USEC_PER_SEC)

static bool runs(const char *const *arguments) {
        struct process_result result;
        bool worked = process_run(&(struct process_start){.arguments = arguments,
                                                  .output_fd = -1,
                                                  .error_fd = -1,
                                                  .cgroup_fd = -1},
                                      DEMO_TIMEOUT_US, &result) == 0;
        if (!worked)
                return false;
        worked = result.status == 0;
        process_result_done(&result);
        return worked;
}

static void run_demo(const char *path) {
        struct process_result result;
        const char *interrex = getenv("INTERREX");
        char load[4096];
        assert_non_null(interrex);
        (void)snprintf(load, sizeof(load), "%.*s/tests/nodes/load", (int)(strrchr(interrex, '/') - interrex),
                        interrex);
        assert_int_equal(network_isolate(), 0);
        int r = process_run(&(struct process_start){.arguments = (const char *const[]){path, NULL},
                                            .environment = (const char *const[]){"LOAD", load, NULL},
                                            .output_fd = -1,
                                            .error_fd = -1,
                                            .cgroup_fd = -1},
                        DEMO_TIMEOUT_US, &result);
        assert_int_equal(r, 0);
        if (result.status != 0)
                fail_msg("%s ended with status %d:\n%s%s", path, result.status, result.output, result.error);
        process_result_done(&result);
}

static void anvil_is_upgraded_and_rolled_back(void **state) {
        (void)state;
        if (!runs((const char *const[]){"examples/fetch-anvil", "1.5.1", "1.7.0", "1.7.1", NULL})) {
                print_message("anvil cannot be fetched from npm here\n");
                skip();
        }
        run_demo("examples/anvil/demo");
}

static void litecoind_is_restarted_and_upgraded(void **state) {
        (void)state;
        if (access("/usr/lib/litecoin/litecoind", X_OK) < 0) {
                print_message("litecoin is not installed\n");
                skip();
        }
        run_demo("examples/litecoind/demo");
}

static void a_cooperating_node_waits_before_its_heights(void **state) {
        (void)state;
        run_demo("examples/cooperating/demo");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(anvil_is_upgraded_and_rolled_back),
                        cmocka_unit_test(litecoind_is_restarted_and_upgraded),
                        cmocka_unit_test(a_cooperating_node_waits_before_its_heights),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("examples", tests, NULL, NULL);
}
