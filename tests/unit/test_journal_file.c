/* The journal's file: a damaged or strange one is refused untouched, an older one is brought up to date. */
#include "support/journal_stage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

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

static void assert_refused_untouched(const struct journal_scratch *scratch) {
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
        const struct journal_scratch *scratch = *state;
        char garbage[5000];
        memset(garbage, 'x', sizeof(garbage));
        write_file(scratch->path, 0, "short", 5);
        assert_refused_untouched(scratch);
        write_file(scratch->path, 0, garbage, sizeof(garbage));
        assert_refused_untouched(scratch);
}

static void a_strange_database_is_refused(void **state) {
        const struct journal_scratch *scratch = *state;
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
        const struct journal_scratch *scratch = *state;
        char garbage[4096];
        memset(garbage, 0xa5, sizeof(garbage));
        journal_close(journal_stage_open(scratch, true));
        off_t at = find_page(scratch->path, "generations");
        journal_stage_crash(scratch);
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
        const struct journal_scratch *scratch = *state;
        struct journal *journal = NULL;
        sqlite3 *database = NULL;
        journal_close(journal_stage_open(scratch, true));
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
        const struct journal_scratch *scratch = *state;
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
                journal = journal_stage_open(scratch, true);
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

static void what_is_not_there_is_not_made_by_reading(void **state) {
        const struct journal_scratch *scratch = *state;
        struct journal *journal = NULL;
        assert_int_equal(journal_open(scratch->path, false, &journal), -ENOENT);
        assert_int_equal(access(scratch->path, F_OK), -1);
        write_file(scratch->path, 0, "", 0);
        assert_int_equal(journal_open(scratch->path, false, &journal), -ENOENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, journal_stage_make, journal_stage_remove)

static unsigned made_files;

/* In the place of SQLite's fchown(): what it gives away must have been its owner's already. */
static int fchown_of_owners(int fd, uid_t uid, gid_t gid) {
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_uid, uid);
        assert_int_equal(st.st_gid, gid);
        made_files++;
        return fchown(fd, uid, gid);
}

/* A director that opens its journal while root's command looks into it must be able to write. */
static void root_makes_no_file_that_is_closed_to_the_owner_of_the_journal(void **state) {
        const struct journal_scratch *scratch = *state;
        struct journal *journal;
        if (geteuid() != 0)
                skip();
        journal_close(journal_stage_open(scratch, true));
        assert_int_equal(chmod(scratch->folder, 0755), 0);
        assert_int_equal(chown(scratch->folder, 61380, 61380), 0);
        assert_int_equal(chown(scratch->path, 61380, 61380), 0);
        sqlite3_vfs *files = sqlite3_vfs_find(NULL);
        assert_int_equal(files->xSetSystemCall(files, "fchown", (sqlite3_syscall_ptr)fchown_of_owners),
                        SQLITE_OK);
        for (int create = 0; create < 2; create++) {
                made_files = 0;
                assert_int_equal(journal_open(scratch->path, create, &journal), 0);
                assert_true(made_files > 0);
                assert_int_equal(journal_set(journal, "key", "value", 5), create ? 0 : -EACCES);
                journal_close(journal);
        }
        assert_int_equal(files->xSetSystemCall(files, "fchown", NULL), SQLITE_OK);
        assert_int_equal(geteuid(), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(a_file_that_is_none_is_refused),
                        TEST(a_strange_database_is_refused),
                        TEST(a_page_that_was_damaged_is_found_after_a_crash),
                        TEST(a_newer_journal_is_left_alone),
                        TEST(an_older_journal_is_brought_up_to_date),
                        TEST(what_is_not_there_is_not_made_by_reading),
                        TEST(root_makes_no_file_that_is_closed_to_the_owner_of_the_journal),
        };
        return cmocka_run_group_tests_name("journal file", tests, NULL, NULL);
}
