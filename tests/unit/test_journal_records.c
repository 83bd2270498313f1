/* What the journal keeps: every field, in order, and numbers that only grow. */
#include "support/journal_stage.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_boundary_of_another_unit_is_placed(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(*state, true);
        struct boundary_rule rule = {
                        .unit = UNIT_VIEW, .at = 100, .from = 90, .range = "2.x", .mode = MODE_BEFORE};
        struct journal_boundary *boundaries = NULL;
        uint64_t sequence = 0;
        size_t n = 0;
        assert_int_equal(journal_stage_set_boundary(journal, 100, "1.x"), 0);
        assert_int_equal(journal_boundary_set(journal, &rule), 0);
        assert_int_equal(journal_boundary_place(journal, &rule, 777), 0);
        rule.at = 101;
        assert_int_equal(journal_boundary_place(journal, &rule, 777), -ENOENT);
        rule.at = 100;
        assert_int_equal(journal_boundary_list(journal, &boundaries, &n, &sequence), 0);
        assert_int_equal(sequence, 2);
        assert_int_equal(n, 2);
        assert_true(boundary_is_same(&boundaries[1].rule, &rule));
        assert_int_equal(boundaries[1].height, 777);
        assert_int_equal(boundaries[0].height, UINT64_MAX);
        free(boundaries);
}

static void numbers_only_grow(void **state) {
        const struct journal_scratch *scratch = *state;
        struct journal *journal = journal_stage_open(scratch, true);
        struct journal_swap swap = journal_stage_swap();
        uint64_t first = 0, second = 0;
        assert_int_equal(journal_swap_begin(journal, &swap, &first), 0);
        assert_int_equal(journal_swap_begin(journal, &swap, &second), 0);
        assert_true(second > first);
        journal_close(journal);
        sqlite3 *database = NULL;
        assert_int_equal(sqlite3_open(scratch->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, "DELETE FROM swaps", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        journal = journal_stage_open(scratch, true);
        uint64_t third = 0;
        assert_int_equal(journal_swap_begin(journal, &swap, &third), 0);
        assert_true(third > second);
        journal_close(journal);
}

static void a_swap_is_kept_in_every_field(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(*state, true);
        struct journal_swap swap = journal_stage_swap(), read;
        memset(&read, 0, sizeof(read));
        assert_int_equal(journal_swap_begin(journal, &swap, &swap.id), 0);
        swap.at_height = UINT64_MAX;
        swap.ended_at = 1700000009000000;
        strcpy(swap.outcome, "rolled-back");
        strcpy(swap.reason, "probe rpc: it's \"loading\"");
        swap.prepared_us = 1;
        swap.gap_us = 2;
        swap.total_us = 3;
        assert_int_equal(journal_swap_update(journal, &swap), 0);
        assert_int_equal(journal_swap_get(journal, swap.id, &read), 0);
        assert_int_equal(read.at_height, UINT64_MAX);
        assert_int_equal(read.started_at, swap.started_at);
        assert_int_equal(read.ended_at, swap.ended_at);
        assert_string_equal(read.kind, "upgrade");
        assert_string_equal(read.from, "1.7.0");
        assert_string_equal(read.mode, "exclusive");
        assert_string_equal(read.outcome, "rolled-back");
        assert_string_equal(read.reason, swap.reason);
        assert_string_equal(read.snapshot, "reflink");
        assert_int_equal(read.prepared_us, 1);
        assert_int_equal(read.gap_us, 2);
        assert_int_equal(read.total_us, 3);
        swap.id = 77;
        assert_int_equal(journal_swap_update(journal, &swap), -ENOENT);
        assert_int_equal(journal_swap_get(journal, 77, &read), -ENOENT);
}

static void lists_are_in_order_and_as_long_as_asked(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(*state, true);
        struct journal_swap swap = journal_stage_swap(), *swaps = NULL;
        struct journal_step step = {.phase = "proving", .event = "proved"}, *steps = NULL;
        size_t n = 0;
        for (uint64_t i = 1; i <= 5; i++) {
                uint64_t id;
                assert_int_equal(journal_swap_begin(journal, &swap, &id), 0);
                step.swap = i % 2;
                step.monotonic_us = i;
                assert_int_equal(journal_step_add(journal, &step), 0);
        }
        assert_int_equal(journal_swap_list(journal, 3, &swaps, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(swaps[0].id, 5);
        assert_int_equal(swaps[2].id, 3);
        free(swaps);
        assert_int_equal(journal_step_list(journal, 1, 100, &steps, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(steps[0].monotonic_us, 1);
        assert_int_equal(steps[2].monotonic_us, 5);
        assert_string_equal(steps[2].event, "proved");
        free(steps);
        assert_int_equal(journal_step_list(journal, 0, 2, &steps, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(steps[0].monotonic_us, 5);
        assert_int_equal(steps[1].monotonic_us, 4);
        assert_int_equal(steps[1].swap, 0);
        free(steps);
}

static void the_schedule_counts_its_changes(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(*state, true);
        struct journal_boundary *boundaries = NULL;
        uint64_t sequence = 0;
        size_t n = 0;
        assert_int_equal(journal_stage_set_boundary(journal, 200, ">=2.0.0"), 0);
        assert_int_equal(journal_stage_set_boundary(journal, 100, ">=1.0.0"), 0);
        assert_int_equal(journal_stage_set_boundary(journal, 100, ">=1.0.0"), 0); /* no change */
        assert_int_equal(journal_stage_set_boundary(journal, 100, ">=1.1.0"), 0);
        assert_int_equal(journal_boundary_list(journal, &boundaries, &n, &sequence), 0);
        assert_int_equal(sequence, 3);
        assert_int_equal(n, 2);
        assert_int_equal(boundaries[0].rule.at, 100);
        assert_string_equal(boundaries[0].rule.range, ">=1.1.0");
        assert_true(boundaries[0].set_at > 0);
        assert_int_equal(boundaries[1].rule.at, 200);
        free(boundaries);
        assert_int_equal(journal_stage_remove_boundary(journal, 200), 0);
        assert_int_equal(journal_stage_remove_boundary(journal, 200), -ENOENT);
        assert_int_equal(journal_stage_set_boundary(journal, UINT64_MAX, "*"), -ERANGE);
        assert_int_equal(journal_boundary_list(journal, &boundaries, &n, &sequence), 0);
        assert_int_equal(sequence, 4);
        assert_int_equal(n, 1);
        free(boundaries);
}

static void generations_can_be_queried(void **state) {
        const struct journal_scratch *scratch = *state;
        struct journal *journal = journal_stage_open(scratch, true);
        struct journal_generation generation = {.generation = 3, .release = "1.7.0", .started_at = 10};
        assert_int_equal(journal_generation_begin(journal, &generation), 0);
        generation.started_at = 11; /* the director died in between and does it again */
        assert_int_equal(journal_generation_begin(journal, &generation), 0);
        assert_int_equal(journal_generation_end(journal, 3, 20, "exited with status 2"), 0);
        assert_int_equal(journal_generation_end(journal, 4, 20, "?"), -ENOENT);
        journal_close(journal);
        sqlite3 *database = NULL;
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_open(scratch->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(database,
                                         "SELECT started_at, ended_at, how FROM generations WHERE "
                                         "generation = 3",
                                         -1, &statement, NULL),
                        SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(statement, 0), 11);
        assert_int_equal(sqlite3_column_int(statement, 1), 20);
        assert_string_equal((const char *)sqlite3_column_text(statement, 2), "exited with status 2");
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, journal_stage_make, journal_stage_remove)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(a_boundary_of_another_unit_is_placed),
                        TEST(numbers_only_grow),
                        TEST(a_swap_is_kept_in_every_field),
                        TEST(lists_are_in_order_and_as_long_as_asked),
                        TEST(the_schedule_counts_its_changes),
                        TEST(generations_can_be_queried),
        };
        return cmocka_run_group_tests_name("journal records", tests, NULL, NULL);
}
