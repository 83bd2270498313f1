/* What the keeper makes of a request to spawn: the numbers of descriptors must fit before anything is placed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper/spawn.h"
#include <fcntl.h>

static int plan(uint32_t n_listen, uint32_t has_gate, size_t n_fds) {
        static const char strings[] = "/node\0/\0node";
        _cleanup_free_ struct keeper_spawn *request = calloc(1, sizeof(*request));
        _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int fds[WIRE_FDS_MAX];
        struct spawn_plan plan = {0};
        assert_non_null(request);
        for (size_t i = 0; i < ELEMENTS(fds); i++)
                fds[i] = null;
        request->kind = SPAWN_GENERATION;
        request->n_arguments = 1;
        request->n_listen = n_listen;
        request->has_gate = has_gate;
        request->strings_size = sizeof(strings);
        memcpy(request->strings, strings, sizeof(strings));
        int r = spawn_plan_make(request, fds, n_fds, &plan);
        if (r >= 0)
                spawn_plan_done(&plan);
        return r;
}

static void as_many_descriptors_as_are_told(void **state) {
        (void)state;
        assert_int_equal(plan(0, 0, 2), 0);
        assert_int_equal(plan(0, 1, 3), 0);
        assert_int_equal(plan(3, 0, 5), 0);
        assert_int_equal(plan(3, 1, 6), 0);
        assert_int_equal(plan(0, 0, 3), -EBADMSG);
        assert_int_equal(plan(0, 1, 2), -EBADMSG);
        assert_int_equal(plan(3, 1, 5), -EBADMSG);
        assert_int_equal(plan(3, 0, 6), -EBADMSG);
}

static void numbers_that_run_over_are_refused(void **state) {
        (void)state;
        assert_int_equal(plan(0, 2, 4), -EBADMSG);
        assert_int_equal(plan(UINT32_MAX, 1, 2), -EBADMSG);
        assert_int_equal(plan(UINT32_MAX - 1, 1, 1), -EBADMSG);
        assert_int_equal(plan(1, UINT32_MAX, 2), -EBADMSG);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                        cmocka_unit_test(as_many_descriptors_as_are_told),
                        cmocka_unit_test(numbers_that_run_over_are_refused),
        };
        return cmocka_run_group_tests_name("spawn plans", tests, NULL, NULL);
}
