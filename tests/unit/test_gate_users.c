/* Which releases are known to ask their gate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/gate_users.h"
#include <unistd.h>

#define JOURNAL "/tmp/interrex-gate-users"

static int set_up(void **state) {
        struct director *director = calloc(1, sizeof(*director));
        char path[64];
        (void)snprintf(path, sizeof(path), JOURNAL ".%d", getpid());
        if (!director || journal_open(path, true, &director->journal) < 0)
                return -1;
        text_copy(director->record.machine.current_release, MACHINE_RELEASE_MAX, "1.0.0");
        *state = director;
        return 0;
}

static int tear_down(void **state) {
        static const char *const ends[] = {"", "-wal", "-shm"};
        struct director *director = *state;
        char path[64];
        journal_close(director->journal);
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                (void)snprintf(path, sizeof(path), JOURNAL ".%d%s", getpid(), ends[i]);
                (void)unlink(path);
        }
        free(director);
        return 0;
}

static void learn(struct director *director, const char *release) {
        struct unit unit = {.generation = 1};
        text_copy(unit.release, sizeof(unit.release), release);
        gate_users_learn(director, &unit);
}

static bool knows(const struct director *director, const char *release) {
        return gate_users_know(&director->record.gate_users, release);
}

static void what_was_learned_is_in_the_journal(void **state) {
        struct director *director = *state;
        void *value = NULL;
        size_t size = 0;
        assert_false(knows(director, "1.0.0"));
        assert_false(knows(director, ""));
        learn(director, "1.0.0");
        assert_true(knows(director, "1.0.0"));
        assert_false(knows(director, "1.0.1"));
        assert_int_equal(journal_get(director->journal, "machine", &value, &size), 0);
        assert_int_equal(size, sizeof(struct record));
        assert_true(gate_users_know(&((struct record *)value)->gate_users, "1.0.0"));
        free(value);
}

static void a_release_that_is_replaced_is_forgotten(void **state) {
        struct director *director = *state;
        learn(director, "1.0.0");
        learn(director, "2.0.0");
        gate_users_forget(director, "2.0.0");
        gate_users_forget(director, "3.0.0");
        assert_true(knows(director, "1.0.0"));
        assert_false(knows(director, "2.0.0"));
}

/* I3: else the old release would not be started again at its boundary. */
static void the_release_in_force_is_not_driven_out(void **state) {
        struct director *director = *state;
        char release[16];
        learn(director, "1.0.0");
        for (unsigned i = 1; i <= 3 * GATE_USERS_MAX; i++) {
                (void)snprintf(release, sizeof(release), "2.0.%u", i);
                learn(director, release);
                assert_true(knows(director, release));
                assert_true(knows(director, "1.0.0"));
        }
        assert_false(knows(director, "2.0.1"));
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(what_was_learned_is_in_the_journal),
                        STAGED(a_release_that_is_replaced_is_forgotten),
                        STAGED(the_release_in_force_is_not_driven_out),
        };
        return cmocka_run_group_tests_name("who asks the gate", tests, NULL, NULL);
}
