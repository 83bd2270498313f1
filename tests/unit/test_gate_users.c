/* Which releases are known to ask their gate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/gate_users.h"
#include "lib/release.h"
#include "lib/release_files.h"
#include <fcntl.h>
#include <unistd.h>

struct stage {
        char top[64], source[96], releases[96];
        struct config config;
        struct director director;
};

static void put_source(const struct stage *stage, const char *text) {
        _cleanup_close_ int fd = open(stage->source, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        char path[96];
        assert_non_null(stage);
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-gate-users-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->source, sizeof(stage->source), "%s/node", stage->top);
        (void)snprintf(stage->releases, sizeof(stage->releases), "%s/releases", stage->top);
        (void)snprintf(path, sizeof(path), "%s/journal.db", stage->top);
        put_source(stage, "#!/bin/sh\n");
        assert_int_equal(journal_open(path, true, &stage->director.journal), 0);
        stage->config.exec.command = (char *)"node";
        stage->director.config = &stage->config;
        stage->director.releases_dir = stage->releases;
        text_copy(stage->director.record.machine.current_release, MACHINE_RELEASE_MAX, "1.0.0");
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

static void add(struct stage *stage, const char *version) {
        _cleanup_free_ char *error = NULL;
        bool existed;
        assert_true(release_add(stage->releases, version, stage->source, NULL, NULL, &existed, &error) >= 0);
}

static struct unit unit_of(const char *release, uint64_t generation) {
        struct unit unit = {.generation = generation,
                        .height = MACHINE_NO_HEIGHT,
                        .unasked_from = MACHINE_NO_HEIGHT};
        text_copy(unit.release, sizeof(unit.release), release);
        return unit;
}

static void learn(struct stage *stage, const char *release) {
        struct unit unit = unit_of(release, 1);
        add(stage, release);
        gate_users_learn(&stage->director, &unit);
}

static bool knows(const struct stage *stage, const char *release) {
        return gate_users_know(&stage->director.record.gate_users, release);
}

static void what_was_learned_is_in_the_journal(void **state) {
        struct stage *stage = *state;
        void *value = NULL;
        size_t size = 0;
        assert_false(knows(stage, "1.0.0"));
        assert_false(knows(stage, ""));
        learn(stage, "1.0.0");
        assert_true(knows(stage, "1.0.0"));
        assert_false(knows(stage, "1.0.1"));
        assert_int_equal(journal_get(stage->director.journal, "machine", &value, &size), 0);
        assert_int_equal(size, sizeof(struct record));
        assert_true(gate_users_know(&((struct record *)value)->gate_users, "1.0.0"));
        free(value);
}

static void a_release_that_is_replaced_is_forgotten(void **state) {
        struct stage *stage = *state;
        learn(stage, "1.0.0");
        learn(stage, "2.0.0");
        gate_users_forget(&stage->director, "2.0.0");
        gate_users_forget(&stage->director, "3.0.0");
        assert_true(knows(stage, "1.0.0"));
        assert_false(knows(stage, "2.0.0"));
}

/* I3: else the old release would not be started again at its boundary. */
static void the_release_in_force_is_not_driven_out(void **state) {
        struct stage *stage = *state;
        char release[16];
        learn(stage, "1.0.0");
        for (unsigned i = 1; i <= 3 * GATE_USERS_MAX; i++) {
                (void)snprintf(release, sizeof(release), "2.0.%u", i);
                learn(stage, release);
                assert_true(knows(stage, release));
                assert_true(knows(stage, "1.0.0"));
        }
        assert_false(knows(stage, "2.0.1"));
}

/* A directory without the release, or a journal that cannot be written: nothing may be relied upon. */
static void what_cannot_be_written_down_is_not_known(void **state) {
        struct stage *stage = *state;
        struct unit unit = unit_of("1.0.0", 1);
        gate_users_learn(&stage->director, &unit);
        assert_false(knows(stage, "1.0.0"));
}

static void other_bytes_or_other_arguments_are_another_release(void **state) {
        struct stage *stage = *state;
        _cleanup_free_ char *error = NULL;
        char *arguments[] = {(char *)"--silent", NULL}, *environment[] = {(char *)"SILENT=1", NULL};
        learn(stage, "1.0.0");
        gate_users_recover(&stage->director);
        assert_true(knows(stage, "1.0.0"));
        stage->config.exec.args = arguments;
        gate_users_recover(&stage->director);
        assert_false(knows(stage, "1.0.0"));
        learn(stage, "1.0.0");
        stage->config.exec.args = NULL;
        stage->config.exec.env = arguments;
        gate_users_recover(&stage->director);
        assert_false(knows(stage, "1.0.0"));
        stage->config.exec.env = environment;
        learn(stage, "1.0.0");
        assert_int_equal(release_remove(stage->releases, "1.0.0", &error), 0);
        put_source(stage, "#!/bin/sh\nexit\n");
        add(stage, "1.0.0");
        gate_users_recover(&stage->director);
        assert_false(knows(stage, "1.0.0"));
}

/* One block may have been asked for before anybody could hear it. */
static void two_blocks_without_a_word_are_enough(void **state) {
        struct stage *stage = *state;
        struct unit heard = unit_of("1.0.0", 2), silent = unit_of("1.0.0", 3);
        learn(stage, "1.0.0");
        gate_users_learn(&stage->director, &heard);
        assert_true(gate_users_heard(&stage->director.record.gate_users, &heard));
        assert_false(gate_users_heard(&stage->director.record.gate_users, &silent));
        assert_false(gate_users_doubt(&stage->director, &heard, 10, 1000));
        assert_false(gate_users_doubt(&stage->director, &heard, 1000, 1000));
        assert_false(gate_users_doubt(&stage->director, &silent, 10, 1));
        assert_false(gate_users_doubt(&stage->director, &silent, 11, 1));
        assert_true(knows(stage, "1.0.0"));
        assert_true(gate_users_doubt(&stage->director, &silent, 12, 1000));
        assert_false(knows(stage, "1.0.0"));
        assert_false(gate_users_doubt(&stage->director, &silent, 13, 1000));
}

static void the_boundary_without_a_word_is_enough(void **state) {
        struct stage *stage = *state;
        struct unit silent = unit_of("1.0.0", 3);
        learn(stage, "1.0.0");
        assert_false(gate_users_doubt(&stage->director, &silent, 19, 20)); /* it may have come up there */
        assert_false(gate_users_doubt(&stage->director, &silent, 19, 20));
        assert_true(gate_users_doubt(&stage->director, &silent, 20, 20));
        assert_false(knows(stage, "1.0.0"));
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(what_was_learned_is_in_the_journal),
                        STAGED(a_release_that_is_replaced_is_forgotten),
                        STAGED(the_release_in_force_is_not_driven_out),
                        STAGED(what_cannot_be_written_down_is_not_known),
                        STAGED(other_bytes_or_other_arguments_are_another_release),
                        STAGED(two_blocks_without_a_word_are_enough),
                        STAGED(the_boundary_without_a_word_is_enough),
        };
        return cmocka_run_group_tests_name("who asks the gate", tests, NULL, NULL);
}
