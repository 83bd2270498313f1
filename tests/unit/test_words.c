/* How sentences that are too long are cut. */
#include "director/unit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_text_is_cut_behind_a_word(void **state) {
        char text[16];
        (void)state;
        text_copy_words(text, sizeof(text), "it all fits in.");
        assert_string_equal(text, "it all fits in.");
        text_copy_words(text, sizeof(text), "it does not fit in");
        assert_string_equal(text, "it does not...");
        text_copy_words(text, sizeof(text), "it doesnotfitintothis");
        assert_string_equal(text, "it doesnotfi...");
        text_copy_words(text, 4, "it does");
        assert_string_equal(text, "it ");
        text_copy_words(text, 1, "it");
        assert_string_equal(text, "");
}

/* The oldest of its last words goes first: the newest says why it ended. */
static void of_last_words_the_newest_are_told(void **state) {
        struct unit *unit = calloc(1, sizeof(*unit));
        char text[512], line[161];
        (void)state;
        assert_non_null(unit);
        unit->cgroup_fd = -1;
        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 1] = '\0';
        text_copy(unit->ending, sizeof(unit->ending), "it exited with status 3");
        (void)snprintf(unit->last_words, sizeof(unit->last_words), "%s | opened | cannot read the state",
                        line);
        unit_describe_ending(unit, text, sizeof(text));
        assert_non_null(strstr(text, "x | opened | cannot read the state"));
        (void)snprintf(unit->last_words, sizeof(unit->last_words), "%s | %s | cannot read the state", line,
                        line);
        unit_describe_ending(unit, text, sizeof(text));
        assert_null(strstr(text, "x | x"));
        assert_non_null(strstr(text, "x | cannot read the state"));
        free(unit);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(a_text_is_cut_behind_a_word),
                        cmocka_unit_test(of_last_words_the_newest_are_told),
        };
        return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
