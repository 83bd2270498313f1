/* What swaps left beside the state directory. Needs root, for a mount namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/archivist/archive.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct stage {
        char parent[64], directory[80];
        char *error;
        struct state_config state;
};

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        text_copy(stage->parent, sizeof(stage->parent), "/tmp/interrex-sweep-XXXXXX");
        assert_non_null(mkdtemp(stage->parent));
        (void)snprintf(stage->directory, sizeof(stage->directory), "%s/node", stage->parent);
        assert_int_equal(mkdir(stage->directory, 0755), 0);
        stage->state = (struct state_config){
                        .directory = stage->directory, .snapshot = SNAPSHOT_COPY, .copy_limit = 1 << 20};
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;
        assert_int_equal(tree_remove(AT_FDCWD, stage->parent), 0);
        free(stage->error);
        free(stage);
        return 0;
}

static void make_folder(const struct stage *stage, const char *name) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/%s", stage->parent, name);
        assert_int_equal(mkdir(path, 0755), 0);
}

static bool is_there(const struct stage *stage, const char *name) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/%s", stage->parent, name);
        return access(path, F_OK) == 0;
}

static void take_number(struct stage *stage, const char *name) {
        assert_int_equal(snapshot_take(&stage->state, name, SNAPSHOT_COPY, &stage->error), 0);
}

static void test_sweep(void **state) {
        struct stage *stage = *state;
        char text[256] = "";
        take_number(stage, "swap-3");
        take_number(stage, "swap-7");
        take_number(stage, "rehearsal");
        make_folder(stage, ".node.interrex-swap-5.part");
        make_folder(stage, ".node.interrex-swap-x");
        make_folder(stage, ".other.interrex-swap-1");
        assert_int_equal(
                        snapshot_sweep(&stage->state, "swap-7", true, text, sizeof(text), &stage->error), 0);
        assert_string_equal(text, "");
        assert_false(is_there(stage, ".node.interrex-swap-3"));
        assert_false(is_there(stage, ".node.interrex-swap-5.part"));
        assert_true(is_there(stage, ".node.interrex-swap-7"));
        assert_int_equal(snapshot_sweep(&stage->state, "swap-7", false, text, sizeof(text), &stage->error),
                        0);
        assert_false(is_there(stage, ".node.interrex-swap-7"));
        assert_true(is_there(stage, ".node.interrex-rehearsal"));
        assert_true(is_there(stage, ".node.interrex-swap-x"));
        assert_true(is_there(stage, ".other.interrex-swap-1"));
}

static void test_sweep_sets_aside(void **state) {
        struct stage *stage = *state;
        static const char *const kept[] = {".node.interrex-left-swap-2-0", ".node.interrex-left-swap-2-1"};
        for (size_t i = 0; i < ELEMENTS(kept); i++) {
                char text[256] = "";
                take_number(stage, "swap-2");
                assert_int_equal(snapshot_sweep(&stage->state, "swap-0", false, text, sizeof(text),
                                                 &stage->error),
                                0);
                assert_non_null(strstr(text, kept[i]));
                assert_true(is_there(stage, kept[i]));
                assert_false(is_there(stage, ".node.interrex-swap-2"));
        }
}

/* As in a rehearsal, which must not touch what belongs to the node that runs. */
static void test_sweep_under_a_mount(void **state) {
        struct stage *stage = *state;
        char text[256] = "";
        take_number(stage, "swap-2");
        assert_int_equal(mount("none", stage->directory, "tmpfs", 0, NULL), 0);
        assert_int_equal(snapshot_sweep(&stage->state, "swap-0", false, text, sizeof(text), &stage->error),
                        0);
        assert_int_equal(umount(stage->directory), 0);
        assert_true(is_there(stage, ".node.interrex-swap-2"));
}

static int mounts_are_private(void **state) {
        (void)state;
        if (unshare(CLONE_NEWNS) < 0)
                return -1;
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
                        cmocka_unit_test_setup_teardown(test_sweep_sets_aside, setup, teardown),
                        cmocka_unit_test_setup_teardown(test_sweep_under_a_mount, setup, teardown),
        };
        if (geteuid() != 0) {
                print_message("snapshots that were left: skipped, mounting filesystems needs root\n");
                return 0;
        }
        return cmocka_run_group_tests_name("snapshots that were left", tests, mounts_are_private, NULL);
}
