/* The journal: what was written is there after a crash, and a reader is never in the way. Processes share a file,
 * connections never do: each side of a fork opens its own. */
#include "support/journal_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

/* SQLite's own calls end up here, because the program comes before its libraries. */
static unsigned syncs;

int fdatasync(int fd) {
        syncs++;
        return fsync(fd);
}

static void a_crash_loses_nothing_that_was_answered(void **state) {
        const struct journal_scratch *scratch = *state;
        journal_stage_crash(scratch);

        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(scratch, true);
        _cleanup_free_ void *value = NULL;
        size_t size = 0;
        assert_int_equal(journal_get(journal, "machine", &value, &size), 0);
        assert_int_equal(size, 7);
        assert_memory_equal(value, "abc\0def", 8); /* not "half": that transaction was never committed */
        struct journal_swap swap;
        assert_int_equal(journal_swap_get(journal, 1, &swap), 0);
        assert_string_equal(swap.to, "1.7.1");
        assert_int_equal(swap.at_height, 1300);
}

/* A process that dies loses nothing that the kernel has; a power cut does. */
static void an_answer_means_that_it_is_on_disk(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(*state, true);
        for (unsigned i = 0; i < 5; i++) {
                unsigned before = syncs;
                assert_int_equal(journal_set(journal, "machine", &i, sizeof(i)), 0);
                assert_true(syncs > before);
        }
}

static void a_transaction_is_all_or_nothing(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = journal_stage_open(*state, true);
        void *value = NULL;
        size_t size;
        assert_int_equal(journal_begin(journal), 0);
        assert_int_equal(journal_set(journal, "a", "1", 1), 0);
        assert_int_equal(journal_stage_set_boundary(journal, 5, "*"), 0);
        journal_abort(journal);
        assert_int_equal(journal_get(journal, "a", &value, &size), -ENOENT);

        assert_int_equal(journal_begin(journal), 0);
        assert_int_equal(journal_set(journal, "a", "", 0), 0);
        assert_int_equal(journal_commit(journal), 0);
        assert_int_equal(journal_get(journal, "a", &value, &size), 0);
        assert_int_equal(size, 0);
        free(value);
        struct journal_boundary *boundaries = NULL;
        uint64_t sequence = 99;
        assert_int_equal(journal_boundary_list(journal, &boundaries, &size, &sequence), 0);
        assert_int_equal(size, 0);
        assert_int_equal(sequence, 0);
}

/* The child writes in an open transaction while the parent reads; the pipes tell each when the other is
 * there. */
static void a_reader_is_not_in_the_writers_way(void **state) {
        const struct journal_scratch *scratch = *state;
        int to_child[2], to_parent[2];
        char byte = 0;
        journal_close(journal_stage_open(scratch, true));
        assert_int_equal(pipe(to_child), 0);
        assert_int_equal(pipe(to_parent), 0);
        pid_t pid = fork();
        if (pid == 0) {
                struct journal *writer = NULL;
                bool right = journal_open(scratch->path, true, &writer) == 0 && journal_begin(writer) == 0 &&
                             journal_set(writer, "k", "new", 3) == 0 && write(to_parent[1], "w", 1) == 1 &&
                             read(to_child[0], &byte, 1) == 1 && journal_commit(writer) == 0 &&
                             write(to_parent[1], "c", 1) == 1 && read(to_child[0], &byte, 1) == 1;
                journal_close(writer);
                _exit(right ? 0 : 1);
        }
        assert_int_equal(read(to_parent[0], &byte, 1), 1);
        struct journal *reader = journal_stage_open(scratch, false);
        void *value = NULL;
        size_t size;
        assert_int_equal(journal_get(reader, "k", &value, &size), -ENOENT);
        assert_int_equal(write(to_child[1], "g", 1), 1);
        assert_int_equal(read(to_parent[0], &byte, 1), 1);
        assert_int_equal(journal_get(reader, "k", &value, &size), 0);
        assert_string_equal(value, "new");
        free(value);
        assert_int_equal(journal_set(reader, "k", "x", 1), -EACCES);
        assert_int_equal(write(to_child[1], "g", 1), 1);
        assert_int_equal(journal_stage_wait_for(pid), 0);
        journal_close(reader);
        for (int i = 0; i < 2; i++) {
                close_fd(to_child[i]);
                close_fd(to_parent[i]);
        }
}

/* An operator without write permission reads the file of a node that stopped in good order. */
static void somebody_who_may_only_read_can_read(void **state) {
        const struct journal_scratch *scratch = *state;
        if (geteuid() != 0)
                skip();
        journal_close(journal_stage_open(scratch, true));
        assert_int_equal(chmod(scratch->folder, 0755), 0);
        pid_t pid = fork();
        if (pid == 0) {
                struct journal *journal = NULL;
                struct journal_swap *swaps = NULL;
                size_t n = 9;
                if (setgid(65534) < 0 || setuid(65534) < 0 ||
                                journal_open(scratch->path, false, &journal) < 0)
                        _exit(1);
                bool right = journal_swap_list(journal, 1, &swaps, &n) == 0 && n == 0;
                free(swaps);
                journal_close(journal);
                _exit(right ? 0 : 2);
        }
        assert_int_equal(journal_stage_wait_for(pid), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, journal_stage_make, journal_stage_remove)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(a_crash_loses_nothing_that_was_answered),
                        TEST(an_answer_means_that_it_is_on_disk),
                        TEST(a_transaction_is_all_or_nothing),
                        TEST(a_reader_is_not_in_the_writers_way),
                        TEST(somebody_who_may_only_read_can_read),
        };
        return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
