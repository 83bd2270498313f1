/* By which files a node is taken for one that signs, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/release_files.h"
#include "lib/signer.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage {
        char top[64];
        int fd;
};

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-signer-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        stage->fd = open(stage->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(stage->fd >= 0);
        *state = stage;
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        close_fd(stage->fd);
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage);
        return 0;
}

static void put(const struct stage *stage, const char *path) {
        assert_int_equal(close_fd(openat(stage->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), -1);
        assert_int_equal(faccessat(stage->fd, path, F_OK, 0), 0);
}

static void a_node_that_keeps_accounts_is_none(void **state) {
        const struct stage *stage = *state;
        assert_int_equal(mkdirat(stage->fd, "keystore", 0700), 0);
        assert_int_equal(mkdirat(stage->fd, "data", 0700), 0);
        put(stage, "keystore/UTC--key");
        put(stage, "data/state.db");
        assert_null(signer_find_mark(stage->fd));
}

static void a_validator_is_found_by_its_files(void **state) {
        const struct stage *stage = *state;
        assert_int_equal(mkdirat(stage->fd, "validators", 0700), 0);
        put(stage, "validators/slashing_protection.sqlite");
        assert_string_equal(signer_find_mark(stage->fd), "validators/slashing_protection.sqlite");
        assert_int_equal(unlinkat(stage->fd, "validators/slashing_protection.sqlite", 0), 0);
        assert_null(signer_find_mark(stage->fd));
        /* Kept elsewhere, and not to be had just now. */
        assert_int_equal(mkdirat(stage->fd, "data", 0700), 0);
        assert_int_equal(symlinkat("/nowhere/state.json", stage->fd, "data/priv_validator_state.json"), 0);
        assert_string_equal(signer_find_mark(stage->fd), "data/priv_validator_state.json");
}

static void what_is_configured_is_not_doubted(void **state) {
        static const enum signer_kind said[] = {SIGNER_NONE, SIGNER_FILES, SIGNER_INSIDE};
        struct config config = {0};
        char text[700];
        (void)state;
        config.height.role = FLOW_CONSENSUS;
        for (size_t i = 0; i < ELEMENTS(said); i++) {
                config.state.signer = said[i];
                assert_int_equal(signer_assume(&config, "validator.db"), said[i]);
                assert_false(signer_describe(&config, "validator.db", text, sizeof(text)));
        }
}

static void what_is_not_is_taken_from_what_is_seen(void **state) {
        struct config config = {0};
        char text[700];
        (void)state;
        assert_int_equal(signer_assume(&config, NULL), SIGNER_NONE);
        assert_int_equal(signer_assume(&config, ""), SIGNER_NONE);
        assert_false(signer_describe(&config, "", text, sizeof(text)));
        assert_int_equal(signer_assume(&config, "validator.db"), SIGNER_INSIDE);
        assert_true(signer_describe(&config, "validator.db", text, sizeof(text)));
        assert_non_null(strstr(text, "validator.db in state.directory"));
        assert_non_null(strstr(text, "`signer: files` and `keep: [validator.db]`"));
        assert_null(strstr(text, "overlap"));
        config.height.role = FLOW_EXECUTION;
        assert_int_equal(signer_assume(&config, NULL), SIGNER_NONE);
        config.height.role = FLOW_COLLECTION;
        config.state.overlap = true;
        config.n_hold_serve = 1;
        assert_int_equal(signer_assume(&config, NULL), SIGNER_INSIDE);
        assert_true(signer_describe(&config, NULL, text, sizeof(text)));
        assert_non_null(strstr(text, "height.role: collection tells"));
        assert_non_null(strstr(text, "write `signer: inside`"));
        assert_non_null(strstr(text, "overlap"));
        assert_non_null(strstr(text, "hold.serve is not done"));
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(a_node_that_keeps_accounts_is_none),
                        STAGED(a_validator_is_found_by_its_files),
                        cmocka_unit_test(what_is_configured_is_not_doubted),
                        cmocka_unit_test(what_is_not_is_taken_from_what_is_seen),
        };
        return cmocka_run_group_tests_name("who may be a signer", tests, NULL, NULL);
}
