/* What a director makes of looks at the state directory that answer one after the other, or out of turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/signing.h"
#include "lib/release_files.h"
#include <fcntl.h>
#include <unistd.h>

#define MARK "data/priv_validator_state.json"

struct stage {
        char top[64];
        struct config config;
        struct director director;
};

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        char path[96];
        assert_non_null(stage);
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-signing-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(path, sizeof(path), "%s/journal.db", stage->top);
        assert_int_equal(journal_open(path, true, &stage->director.journal), 0);
        stage->config.state.overlap = true;
        stage->director.config = &stage->config;
        signing_apply(&stage->director);
        *state = stage;
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        journal_close(stage->director.journal);
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage);
        return 0;
}

static void who_was_seen_to_sign_does_not_overlap(void **state) {
        struct stage *stage = *state;
        assert_true(stage->director.settings.overlap);
        signing_note(&stage->director, 1, MARK);
        assert_false(stage->director.settings.overlap);
        signing_note(&stage->director, 2, NULL);
        assert_true(stage->director.settings.overlap);
}

/* I8: else the file that a newer look has seen would be forgotten, and two would sign. */
static void a_look_that_was_overtaken_does_not_count(void **state) {
        struct stage *stage = *state;
        signing_note(&stage->director, 2, MARK);
        signing_note(&stage->director, 1, NULL);
        assert_false(stage->director.settings.overlap);
        assert_string_equal(stage->director.record.signer_mark, MARK);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(
                                        who_was_seen_to_sign_does_not_overlap, set_up, tear_down),
                        cmocka_unit_test_setup_teardown(
                                        a_look_that_was_overtaken_does_not_count, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("who may sign", tests, NULL, NULL);
}
