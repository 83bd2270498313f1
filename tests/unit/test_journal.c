/* The journal: what was written is there after a crash, a damaged file is refused untouched, a reader is
 * never in the way, numbers only grow. Processes share a file, connections never do: each side of a fork
 * opens its own. */
#include "lib/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* SQLite's own calls end up here, because the program comes before its libraries. */
static unsigned syncs;

int fdatasync(int fd) {
        syncs++;
        return fsync(fd);
}

struct scratch {
        char folder[64];
        char path[128];
};

static int make_scratch(void **state) {
        struct scratch *scratch = calloc(1, sizeof(*scratch));
        assert_non_null(scratch);
        strcpy(scratch->folder, "/tmp/interrex-journal-XXXXXX");
        assert_non_null(mkdtemp(scratch->folder));
        (void)snprintf(scratch->path, sizeof(scratch->path), "%s/journal.db", scratch->folder);
        *state = scratch;
        return 0;
}

static int remove_scratch(void **state) {
        struct scratch *scratch = *state;
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < ELEMENTS(suffixes); i++) {
                char path[160];
                (void)snprintf(path, sizeof(path), "%s%s", scratch->path, suffixes[i]);
                (void)unlink(path);
        }
        int r = rmdir(scratch->folder);
        free(scratch);
        return r;
}

static struct journal *open_or_fail(const struct scratch *scratch, bool create) {
        struct journal *journal = NULL;
        assert_int_equal(journal_open(scratch->path, create, &journal), 0);
        return journal;
}

static struct journal_swap example_swap(void) {
        return (struct journal_swap){
                        .kind = "upgrade",
                        .from = "1.7.0",
                        .to = "1.7.1",
                        .at_height = 1300,
                        .mode = "exclusive",
                        .started_at = 1700000000000000,
                        .outcome = "",
                        .snapshot = "reflink",
        };
}

/* Waits for a child and gives its exit status; a child that was killed is a failure. */
static int wait_for(pid_t pid) {
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int set_boundary(struct journal *journal, uint64_t height, const char *range) {
        struct boundary_rule rule = {.at = height, .from = BOUNDARY_NO_WINDOW};
        text_copy(rule.range, sizeof(rule.range), range);
        return journal_boundary_set(journal, &rule);
}

static int remove_boundary(struct journal *journal, uint64_t height) {
        return journal_boundary_remove(
                        journal, &(const struct boundary_rule){.at = height, .from = BOUNDARY_NO_WINDOW});
}

/* Writes and dies without closing anything. */
static _Noreturn void write_and_die(const struct scratch *scratch) {
        struct journal *journal = NULL;
        struct journal_swap swap = example_swap();
        uint64_t id = 0;
        if (journal_open(scratch->path, true, &journal) < 0 ||
                        journal_set(journal, "machine", "abc\0def", 7) < 0 ||
                        journal_swap_begin(journal, &swap, &id) < 0 || id != 1 ||
                        set_boundary(journal, 1300, ">=1.7.1") < 0)
                _exit(1);
        if (journal_begin(journal) < 0 || journal_set(journal, "machine", "half", 4) < 0)
                _exit(2);
        _exit(0);
}

static void a_crash_loses_nothing_that_was_answered(void **state) {
        const struct scratch *scratch = *state;
        pid_t pid = fork();
        if (pid == 0)
                write_and_die(scratch);
        assert_int_equal(wait_for(pid), 0);

        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(scratch, true);
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
        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(*state, true);
        for (unsigned i = 0; i < 5; i++) {
                unsigned before = syncs;
                assert_int_equal(journal_set(journal, "machine", &i, sizeof(i)), 0);
                assert_true(syncs > before);
        }
}

static void a_transaction_is_all_or_nothing(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(*state, true);
        void *value = NULL;
        size_t size;
        assert_int_equal(journal_begin(journal), 0);
        assert_int_equal(journal_set(journal, "a", "1", 1), 0);
        assert_int_equal(set_boundary(journal, 5, "*"), 0);
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

static void write_file(const char *path, off_t at, const void *bytes, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, bytes, size, at), size);
}

static char *read_file(const char *path, size_t *ret_size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        char *bytes = malloc((size_t)st.st_size + 1);
        assert_non_null(bytes);
        assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
        *ret_size = (size_t)st.st_size;
        return bytes;
}

static void assert_refused_untouched(const struct scratch *scratch) {
        struct journal *journal = NULL;
        size_t size_before, size_after;
        _cleanup_free_ char *before = read_file(scratch->path, &size_before);
        assert_int_equal(journal_open(scratch->path, true, &journal), -EBADMSG);
        assert_int_equal(journal_open(scratch->path, false, &journal), -EBADMSG);
        assert_null(journal);
        _cleanup_free_ char *after = read_file(scratch->path, &size_after);
        assert_int_equal(size_before, size_after);
        assert_memory_equal(before, after, size_before);
}

static void a_file_that_is_none_is_refused(void **state) {
        const struct scratch *scratch = *state;
        char garbage[5000];
        memset(garbage, 'x', sizeof(garbage));
        write_file(scratch->path, 0, "short", 5);
        assert_refused_untouched(scratch);
        write_file(scratch->path, 0, garbage, sizeof(garbage));
        assert_refused_untouched(scratch);
}

static void a_strange_database_is_refused(void **state) {
        const struct scratch *scratch = *state;
        sqlite3 *database = NULL;
        assert_int_equal(sqlite3_open(scratch->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, "CREATE TABLE photos (x)", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        assert_refused_untouched(scratch);
}

static off_t find_page(const char *path, const char *table) {
        sqlite3 *database = NULL;
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(database, "SELECT rootpage FROM sqlite_schema WHERE name = ?1",
                                         -1, &statement, NULL),
                        SQLITE_OK);
        assert_int_equal(sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        off_t at = (sqlite3_column_int(statement, 0) - 1) * 4096;
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        return at;
}

/* The schema stays readable, so that only reading the whole file through can find it. */
static void a_page_that_was_damaged_is_found_after_a_crash(void **state) {
        const struct scratch *scratch = *state;
        char garbage[4096];
        memset(garbage, 0xa5, sizeof(garbage));
        journal_close(open_or_fail(scratch, true));
        off_t at = find_page(scratch->path, "generations");
        pid_t pid = fork();
        if (pid == 0)
                write_and_die(scratch);
        assert_int_equal(wait_for(pid), 0);
        write_file(scratch->path, at, garbage, sizeof(garbage));
        size_t size_before, size_after;
        _cleanup_free_ char *before = read_file(scratch->path, &size_before);
        struct journal *journal = NULL;
        assert_int_equal(journal_open(scratch->path, true, &journal), -EBADMSG);
        _cleanup_free_ char *after = read_file(scratch->path, &size_after);
        assert_int_equal(size_before, size_after);
        assert_memory_equal(before, after, size_before);
}

static void a_newer_journal_is_left_alone(void **state) {
        const struct scratch *scratch = *state;
        struct journal *journal = NULL;
        sqlite3 *database = NULL;
        journal_close(open_or_fail(scratch, true));
        assert_int_equal(sqlite3_open(scratch->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 1000", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        assert_int_equal(journal_open(scratch->path, true, &journal), -EPROTO);
}

/* As version 1 made it, with two boundaries. */
static void an_older_journal_is_brought_up_to_date(void **state) {
        static const char *const old =
                        "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
                        "INSERT INTO state VALUES ('machine', 'abc');"
                        "CREATE TABLE boundaries (height INTEGER PRIMARY KEY, range TEXT NOT NULL,"
                        " set_at INTEGER NOT NULL);"
                        "CREATE TABLE schedule (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER "
                        "NOT NULL);"
                        "INSERT INTO schedule VALUES (1, 0);"
                        "CREATE TRIGGER boundary_added AFTER INSERT ON boundaries BEGIN"
                        "  UPDATE schedule SET sequence = sequence + 1; END;"
                        "INSERT INTO boundaries VALUES (100, '1.x', 7); INSERT INTO boundaries VALUES (200, "
                        "'2.x', 8);"
                        "PRAGMA application_id = 1230262872; PRAGMA user_version = 1";
        const struct scratch *scratch = *state;
        struct journal_boundary *boundaries = NULL;
        struct journal *journal = NULL;
        sqlite3 *database = NULL;
        uint64_t sequence = 0, document = 0;
        size_t n = 0;
        assert_int_equal(sqlite3_open(scratch->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, old, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        assert_int_equal(journal_open(scratch->path, false, &journal), -EPROTO);
        for (int i = 0; i < 2; i++) {
                journal = open_or_fail(scratch, true);
                assert_int_equal(journal_boundary_list(journal, &boundaries, &n, &sequence), 0);
                assert_int_equal(n, 2);
                assert_int_equal(sequence, 2);
                assert_string_equal(boundaries[1].rule.range, "2.x");
                assert_int_equal(boundaries[1].rule.at, 200);
                assert_int_equal(boundaries[1].rule.from, BOUNDARY_NO_WINDOW);
                assert_int_equal(boundaries[1].set_at, 8);
                assert_int_equal(boundary_check(&boundaries[1].rule), 0);
                free(boundaries);
                assert_int_equal(journal_document_get(journal, &document), 0);
                assert_int_equal(document, UINT64_MAX);
                journal_close(journal);
        }
}

static void a_boundary_of_another_unit_is_placed(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(*state, true);
        struct boundary_rule rule = {
                        .unit = UNIT_VIEW, .at = 100, .from = 90, .range = "2.x", .mode = MODE_BEFORE};
        struct journal_boundary *boundaries = NULL;
        uint64_t sequence = 0;
        size_t n = 0;
        assert_int_equal(set_boundary(journal, 100, "1.x"), 0);
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

static void what_is_not_there_is_not_made_by_reading(void **state) {
        const struct scratch *scratch = *state;
        struct journal *journal = NULL;
        assert_int_equal(journal_open(scratch->path, false, &journal), -ENOENT);
        assert_int_equal(access(scratch->path, F_OK), -1);
        write_file(scratch->path, 0, "", 0);
        assert_int_equal(journal_open(scratch->path, false, &journal), -ENOENT);
}

/* The child writes in an open transaction while the parent reads; the pipes tell each when the other is
 * there. */
static void a_reader_is_not_in_the_writers_way(void **state) {
        const struct scratch *scratch = *state;
        int to_child[2], to_parent[2];
        char byte = 0;
        journal_close(open_or_fail(scratch, true));
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
        struct journal *reader = open_or_fail(scratch, false);
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
        assert_int_equal(wait_for(pid), 0);
        journal_close(reader);
        for (int i = 0; i < 2; i++) {
                close_fd(to_child[i]);
                close_fd(to_parent[i]);
        }
}

static void numbers_only_grow(void **state) {
        const struct scratch *scratch = *state;
        struct journal *journal = open_or_fail(scratch, true);
        struct journal_swap swap = example_swap();
        uint64_t first = 0, second = 0;
        assert_int_equal(journal_swap_begin(journal, &swap, &first), 0);
        assert_int_equal(journal_swap_begin(journal, &swap, &second), 0);
        assert_true(second > first);
        journal_close(journal);
        sqlite3 *database = NULL;
        assert_int_equal(sqlite3_open(scratch->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, "DELETE FROM swaps", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        journal = open_or_fail(scratch, true);
        uint64_t third = 0;
        assert_int_equal(journal_swap_begin(journal, &swap, &third), 0);
        assert_true(third > second);
        journal_close(journal);
}

static void a_swap_is_kept_in_every_field(void **state) {
        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(*state, true);
        struct journal_swap swap = example_swap(), read;
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
        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(*state, true);
        struct journal_swap swap = example_swap(), *swaps = NULL;
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
        _cleanup_(journal_close_at) struct journal *journal = open_or_fail(*state, true);
        struct journal_boundary *boundaries = NULL;
        uint64_t sequence = 0;
        size_t n = 0;
        assert_int_equal(set_boundary(journal, 200, ">=2.0.0"), 0);
        assert_int_equal(set_boundary(journal, 100, ">=1.0.0"), 0);
        assert_int_equal(set_boundary(journal, 100, ">=1.0.0"), 0); /* no change */
        assert_int_equal(set_boundary(journal, 100, ">=1.1.0"), 0);
        assert_int_equal(journal_boundary_list(journal, &boundaries, &n, &sequence), 0);
        assert_int_equal(sequence, 3);
        assert_int_equal(n, 2);
        assert_int_equal(boundaries[0].rule.at, 100);
        assert_string_equal(boundaries[0].rule.range, ">=1.1.0");
        assert_true(boundaries[0].set_at > 0);
        assert_int_equal(boundaries[1].rule.at, 200);
        free(boundaries);
        assert_int_equal(remove_boundary(journal, 200), 0);
        assert_int_equal(remove_boundary(journal, 200), -ENOENT);
        assert_int_equal(set_boundary(journal, UINT64_MAX, "*"), -ERANGE);
        assert_int_equal(journal_boundary_list(journal, &boundaries, &n, &sequence), 0);
        assert_int_equal(sequence, 4);
        assert_int_equal(n, 1);
        free(boundaries);
}

static void generations_can_be_queried(void **state) {
        const struct scratch *scratch = *state;
        struct journal *journal = open_or_fail(scratch, true);
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

/* An operator without write permission reads the file of a node that stopped in good order. */
static void somebody_who_may_only_read_can_read(void **state) {
        const struct scratch *scratch = *state;
        if (geteuid() != 0)
                skip();
        journal_close(open_or_fail(scratch, true));
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
        assert_int_equal(wait_for(pid), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_scratch, remove_scratch)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(a_crash_loses_nothing_that_was_answered),
                        TEST(an_answer_means_that_it_is_on_disk),
                        TEST(a_transaction_is_all_or_nothing),
                        TEST(a_file_that_is_none_is_refused),
                        TEST(a_strange_database_is_refused),
                        TEST(a_page_that_was_damaged_is_found_after_a_crash),
                        TEST(a_newer_journal_is_left_alone),
                        TEST(an_older_journal_is_brought_up_to_date),
                        TEST(a_boundary_of_another_unit_is_placed),
                        TEST(what_is_not_there_is_not_made_by_reading),
                        TEST(a_reader_is_not_in_the_writers_way),
                        TEST(numbers_only_grow),
                        TEST(a_swap_is_kept_in_every_field),
                        TEST(lists_are_in_order_and_as_long_as_asked),
                        TEST(the_schedule_counts_its_changes),
                        TEST(generations_can_be_queried),
                        TEST(somebody_who_may_only_read_can_read),
        };
        return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
