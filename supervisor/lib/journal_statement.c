#include "journal_internal.h"

#include "log.h"

#define SWAP_COLUMNS                                                                               \
        "kind, from_release, to_release, at_height, mode, started_at, ended_at, outcome, reason, " \
        "prepared_us, gap_us,"                                                                     \
        " total_us, snapshot"
#define STEP_COLUMNS "swap, at, monotonic_us, phase, event, note"

static const char *const texts[JOURNAL_STATEMENTS] = {
                [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
                [STATEMENT_COMMIT] = "COMMIT",
                [STATEMENT_ROLLBACK] = "ROLLBACK",
                [STATEMENT_SET] = "INSERT INTO state (key, value) VALUES (?1, ?2)"
                                  " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [STATEMENT_GET] = "SELECT value FROM state WHERE key = ?1",
                [STATEMENT_SWAP_BEGIN] = "INSERT INTO swaps (" SWAP_COLUMNS ")"
                                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                [STATEMENT_SWAP_UPDATE] =
                                "UPDATE swaps SET (" SWAP_COLUMNS ")"
                                " = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) WHERE id = ?14",
                [STATEMENT_SWAP_GET] = "SELECT id, " SWAP_COLUMNS " FROM swaps WHERE id = ?1",
                [STATEMENT_SWAP_LIST] = "SELECT id, " SWAP_COLUMNS " FROM swaps ORDER BY id DESC LIMIT ?1",
                [STATEMENT_STEP_ADD] =
                                "INSERT INTO steps (" STEP_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                [STATEMENT_STEP_LIST] =
                                "SELECT " STEP_COLUMNS " FROM steps WHERE swap = ?1 ORDER BY id LIMIT ?2",
                [STATEMENT_STEP_NEWEST] = "SELECT " STEP_COLUMNS " FROM steps ORDER BY id DESC LIMIT ?1",
                /* Starting a generation is an action that is repeated after a crash. */
                [STATEMENT_GENERATION_BEGIN] =
                                "INSERT INTO generations (generation, release, started_at, ended_at, how)"
                                " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (generation) DO UPDATE SET"
                                " release = excluded.release, started_at = excluded.started_at",
                [STATEMENT_GENERATION_END] =
                                "UPDATE generations SET ended_at = ?2, how = ?3 WHERE generation = ?1",
                [STATEMENT_BOUNDARY_SET] =
                                "INSERT INTO boundaries (unit, at, range, mode, from_at, protocol, set_at)"
                                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                                " ON CONFLICT (unit, at) DO UPDATE SET range = excluded.range, mode = "
                                "excluded.mode,"
                                " from_at = excluded.from_at, protocol = excluded.protocol, set_at = "
                                "excluded.set_at"
                                " WHERE range <> excluded.range OR mode <> excluded.mode OR from_at IS NOT "
                                "excluded.from_at"
                                " OR protocol <> excluded.protocol",
                [STATEMENT_BOUNDARY_PLACE] = "UPDATE boundaries SET height = ?3 WHERE unit = ?1 AND at = ?2",
                [STATEMENT_BOUNDARY_REMOVE] = "DELETE FROM boundaries WHERE unit = ?1 AND at = ?2",
                [STATEMENT_BOUNDARY_LIST] = "SELECT unit, at, range, mode, from_at, protocol, height, set_at"
                                            " FROM boundaries ORDER BY unit, at",
                [STATEMENT_SEQUENCE] = "SELECT sequence, document FROM schedule",
                [STATEMENT_DOCUMENT_SET] = "UPDATE schedule SET document = ?1",
};

int journal_error(sqlite3 *database, int result, const char *what) {
        switch (result & 0xff) {
        case SQLITE_OK:
        case SQLITE_DONE:
        case SQLITE_ROW:
                return 0;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
                return -EBADMSG;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_PERM:
        case SQLITE_READONLY:
                return -EACCES;
        default:
                log_error("the journal failed: %s (%s)",
                                database ? sqlite3_errmsg(database) : sqlite3_errstr(result), what);
                return -EIO;
        }
}

int journal_prepare(struct journal *journal, enum journal_statement which, sqlite3_stmt **ret_statement) {
        INVARIANT(which < JOURNAL_STATEMENTS);
        sqlite3_stmt *statement = journal->statements[which];
        if (!statement) {
                int result = sqlite3_prepare_v3(journal->database, texts[which], -1,
                                SQLITE_PREPARE_PERSISTENT, &statement, NULL);
                if (result != SQLITE_OK)
                        return journal_error(journal->database, result, texts[which]);
                journal->statements[which] = statement;
        }
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
        *ret_statement = statement;
        return 0;
}

int journal_run(struct journal *journal, sqlite3_stmt *statement, const char *what) {
        int result = sqlite3_step(statement);
        int r = journal_error(journal->database, result, what);
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
        return r;
}

int journal_next(struct journal *journal, sqlite3_stmt *statement, const char *what) {
        int result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
                return 1;
        int r = journal_error(journal->database, result, what);
        (void)sqlite3_reset(statement);
        return r;
}

void journal_bind_number(sqlite3_stmt *statement, int index, uint64_t value, uint64_t none) {
        if (value == none)
                (void)sqlite3_bind_null(statement, index);
        else
                (void)sqlite3_bind_int64(statement, index, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void journal_bind_text(sqlite3_stmt *statement, int index, const char *text) {
        (void)sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

uint64_t journal_column_number(sqlite3_stmt *statement, int column, uint64_t none) {
        if (sqlite3_column_type(statement, column) == SQLITE_NULL)
                return none;
        int64_t value = sqlite3_column_int64(statement, column);
        return value < 0 ? 0 : (uint64_t)value;
}

void journal_column_text(sqlite3_stmt *statement, int column, char *text, size_t size) {
        const unsigned char *value = sqlite3_column_text(statement, column);
        text_copy(text, size, value ? (const char *)value : "");
}

int journal_grow(void **items, size_t n, size_t item_size) {
        if (n > 0 && (n & (n - 1)) != 0)
                return 0; /* room for the next power of two is there already */
        void *grown = reallocarray(*items, n == 0 ? 1 : 2 * n, item_size);
        if (!grown)
                return -ENOMEM;
        *items = grown;
        return 0;
}
