#include "journal_internal.h"

#include "log.h"
#include <sys/fsuid.h>
#include <sys/stat.h>

/* Only a second writer can make us wait, and that is an operator's `schedule set`: short. */
#define BUSY_TIMEOUT_MS 2000

struct file_user {
        uid_t uid;
        gid_t gid;
};

static bool has_unfinished_log(const char *path);
static struct file_user act_as_owner(const char *path);
static char *folder_of(const char *path);
static void act_as_oneself(const struct file_user *oneself);
static int open_database(const char *path, int flags, bool create, bool check, sqlite3 **ret_database);
static int open_for_reading(const char *path, sqlite3 **ret_database);
static void close_database(sqlite3 *database);

int journal_open(const char *path, bool create, struct journal **ret_journal) {
        sqlite3 *database = NULL;
        struct stat st;
        if (!create && stat(path, &st) < 0)
                return -errno;
        struct file_user oneself = act_as_owner(path);
        int r = create ? open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, true,
                                         has_unfinished_log(path), &database)
                       : open_for_reading(path, &database);
        act_as_oneself(&oneself);
        if (r < 0)
                return r;
        struct journal *journal = calloc(1, sizeof(*journal));
        if (!journal) {
                close_database(database);
                return -ENOMEM;
        }
        journal->database = database;
        journal->path = strdup(path);
        r = journal->path ? stat(path, &st) < 0 ? -errno : 0 : -ENOMEM;
        if (r < 0) {
                journal_close(journal);
                return r;
        }
        journal->device = st.st_dev;
        journal->inode = st.st_ino;
        *ret_journal = journal;
        return 0;
}

int journal_is_in_place(const struct journal *journal) {
        struct stat st;
        if (stat(journal->path, &st) < 0)
                return -errno;
        return st.st_dev == journal->device && st.st_ino == journal->inode ? 0 : -ESTALE;
}

void journal_close(struct journal *journal) {
        if (!journal)
                return;
        for (size_t i = 0; i < JOURNAL_STATEMENTS; i++)
                (void)sqlite3_finalize(journal->statements[i]);
        close_database(journal->database);
        free(journal->path);
        free(journal);
}

void journal_close_at(struct journal **journal) {
        journal_close(*journal);
}

int journal_begin(struct journal *journal) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_BEGIN, &statement);
        return r < 0 ? r : journal_run(journal, statement, "beginning a transaction");
}

int journal_commit(struct journal *journal) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_COMMIT, &statement);
        if (r >= 0)
                r = journal_run(journal, statement, "committing");
        if (r < 0)
                journal_abort(journal);
        return r;
}

void journal_abort(struct journal *journal) {
        sqlite3_stmt *statement;
        if (sqlite3_get_autocommit(journal->database))
                return; /* SQLite has ended the transaction by itself already, as it does when the disk is
                           full */
        if (journal_prepare(journal, STATEMENT_ROLLBACK, &statement) >= 0)
                (void)journal_run(journal, statement, "taking a transaction back");
}

int journal_set(struct journal *journal, const char *key, const void *value, size_t size) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_SET, &statement);
        if (r < 0)
                return r;
        journal_bind_text(statement, 1, key);
        (void)sqlite3_bind_blob64(statement, 2, size > 0 ? value : "", size, SQLITE_STATIC);
        return journal_run(journal, statement, "writing a value");
}

int journal_get(struct journal *journal, const char *key, void **ret_value, size_t *ret_size) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_GET, &statement);
        if (r < 0)
                return r;
        journal_bind_text(statement, 1, key);
        r = journal_next(journal, statement, "reading a value");
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        const void *blob = sqlite3_column_blob(statement, 0);
        size_t size = (size_t)sqlite3_column_bytes(statement, 0);
        char *value = malloc(size + 1);
        if (value) {
                if (size > 0)
                        memcpy(value, blob, size);
                value[size] = '\0';
                *ret_value = value;
                *ret_size = size;
        }
        (void)sqlite3_reset(statement);
        return value ? 0 : -ENOMEM;
}

/* SQLite makes two more files beside it. Root's command would own them for a moment, until SQLite has given them to the journal's
 * owner, and a director that opens its journal just then would find them closed to it and could write nothing for as long as it
 * lives. As long as the folder is not its owner's too, no director has been there. */
static struct file_user act_as_owner(const char *path) {
        struct file_user oneself = {.uid = geteuid(), .gid = getegid()};
        _cleanup_free_ char *folder = folder_of(path);
        struct stat st, st_folder;
        if (oneself.uid == 0 && folder && stat(path, &st) == 0 && stat(folder, &st_folder) == 0 &&
                        st.st_uid == st_folder.st_uid) {
                (void)setfsgid(st.st_gid);
                (void)setfsuid(st.st_uid);
        }
        return oneself;
}

static void act_as_oneself(const struct file_user *oneself) {
        (void)setfsuid(oneself->uid);
        (void)setfsgid(oneself->gid);
}

/* A process that closed its journal in good order has left no log behind, and its file needs no reading
 * through. */
static bool has_unfinished_log(const char *path) {
        _cleanup_free_ char *log_path = NULL;
        struct stat st;
        if (asprintf(&log_path, "%s-wal", path) < 0)
                return true;
        return stat(log_path, &st) == 0 && st.st_size > 0;
}

static int open_database(const char *path, int flags, bool create, bool check, sqlite3 **ret_database) {
        sqlite3 *database = NULL;
        int result = sqlite3_open_v2(
                        path, &database, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
        int r = result == SQLITE_OK ? 0 : journal_error(database, result, path);
        if (r >= 0) {
                (void)sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS);
                (void)sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
                /* Closing a file that turns out to be damaged must not write the log into it. */
                (void)sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
                r = journal_schema_open(database, create, check);
        }
        if (r < 0) {
                close_database(database);
                return r;
        }
        (void)sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        *ret_database = database;
        return 0;
}

/* A file in WAL mode needs its -shm even for reading. Who may not make that file, and finds nobody who has
 * it open, can read the file as it stands. */
static int open_for_reading(const char *path, sqlite3 **ret_database) {
        _cleanup_free_ char *folder = folder_of(path), *uri = NULL;
        if (!folder)
                return -ENOMEM;
        if (has_unfinished_log(path) || access(folder, W_OK) == 0)
                return open_database(path, SQLITE_OPEN_READONLY, false, false, ret_database);
        if (asprintf(&uri, "file:%s?immutable=1", path) < 0)
                return -ENOMEM;
        if (strpbrk(path, "?#%"))
                return -EINVAL; /* would end the path in a URI */
        return open_database(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, false, false, ret_database);
}

static char *folder_of(const char *path) {
        const char *slash = strrchr(path, '/');
        return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

static void close_database(sqlite3 *database) {
        INVARIANT(sqlite3_close(database) == SQLITE_OK);
}
