#include "journal_internal.h"

#include "log.h"

/* What all versions have in common. Times are microseconds since 1970, UTC. */
static const char *const schema =
                "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
                "CREATE TABLE swaps ("
                "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                "  kind TEXT NOT NULL,"
                "  from_release TEXT NOT NULL,"
                "  to_release TEXT NOT NULL,"
                "  at_height INTEGER,"
                "  mode TEXT NOT NULL,"
                "  started_at INTEGER NOT NULL,"
                "  ended_at INTEGER,"
                "  outcome TEXT NOT NULL,"
                "  reason TEXT NOT NULL,"
                "  prepared_us INTEGER NOT NULL,"
                "  gap_us INTEGER NOT NULL,"
                "  total_us INTEGER NOT NULL,"
                "  snapshot TEXT NOT NULL);"
                "CREATE TABLE steps ("
                "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                "  swap INTEGER,"
                "  at INTEGER NOT NULL,"
                "  monotonic_us INTEGER NOT NULL,"
                "  phase TEXT NOT NULL,"
                "  event TEXT NOT NULL,"
                "  note TEXT NOT NULL);"
                "CREATE INDEX steps_by_swap ON steps (swap, id);"
                "CREATE TABLE generations ("
                "  generation INTEGER PRIMARY KEY,"
                "  release TEXT NOT NULL,"
                "  started_at INTEGER NOT NULL,"
                "  ended_at INTEGER,"
                "  how TEXT NOT NULL);"
                "CREATE TABLE schedule (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT "
                "NULL);"
                "INSERT INTO schedule VALUES (1, 0);";

/* Version 2: boundaries of any unit. An older table's are of heights. The triggers go with the table that they are of; by
 * triggers, so that a change made with sqlite3 by hand counts too. Where a boundary came to lie is no change of the schedule. */
static const char *const schema_2_boundaries = "CREATE TABLE boundaries_2 ("
                                               "  unit TEXT NOT NULL,"
                                               "  at INTEGER NOT NULL,"
                                               "  range TEXT NOT NULL,"
                                               "  mode TEXT NOT NULL,"
                                               "  from_at INTEGER,"
                                               "  protocol TEXT NOT NULL,"
                                               "  height INTEGER,"
                                               "  set_at INTEGER NOT NULL,"
                                               "  PRIMARY KEY (unit, at)) WITHOUT ROWID;";
static const char *const schema_2_move =
                "INSERT INTO boundaries_2"
                "  SELECT 'height', height, range, 'at', NULL, '', NULL, set_at FROM boundaries;"
                "DROP TABLE boundaries;";
static const char *const schema_2_rest = "ALTER TABLE boundaries_2 RENAME TO boundaries;"
                                         "ALTER TABLE schedule ADD COLUMN document INTEGER;"
                                         "CREATE TRIGGER boundary_added AFTER INSERT ON boundaries BEGIN"
                                         "  UPDATE schedule SET sequence = sequence + 1; END;"
                                         "CREATE TRIGGER boundary_changed AFTER UPDATE OF range, mode, "
                                         "from_at, protocol ON boundaries BEGIN"
                                         "  UPDATE schedule SET sequence = sequence + 1; END;"
                                         "CREATE TRIGGER boundary_removed AFTER DELETE ON boundaries BEGIN"
                                         "  UPDATE schedule SET sequence = sequence + 1; END;";

static int query(sqlite3 *database, const char *text, int64_t *ret_number, char *ret_text, size_t size);
static int execute(sqlite3 *database, const char *text);
static int check_all(sqlite3 *database);
static int make_tables(sqlite3 *database);
static int renew_tables(sqlite3 *database);
static int refuse_version(int64_t version);

int journal_schema_open(sqlite3 *database, bool create, bool check) {
        int64_t version = 0, application = 0, tables = 0;
        int r = query(database, "PRAGMA user_version", &version, NULL, 0);
        if (r >= 0)
                r = query(database, "PRAGMA application_id", &application, NULL, 0);
        if (r >= 0)
                r = query(database, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0);
        if (r < 0)
                return r;
        if (tables > 0 && application != JOURNAL_APPLICATION_ID)
                return -EBADMSG;
        if (tables > 0 && (version < 1 || version > JOURNAL_VERSION))
                return refuse_version(version);
        if (tables > 0 && version < JOURNAL_VERSION && !create) {
                log_error("the journal is an older interrex's (tables of version %" PRId64
                          "): it is brought up to date when the node's supervisor is started anew",
                                version);
                return -EPROTO;
        }
        if (tables == 0 && !create)
                return -ENOENT;
        if (tables > 0 && check)
                r = check_all(database);
        if (r >= 0 && create)
                r = execute(database, "PRAGMA journal_mode = WAL");
        if (r >= 0)
                r = execute(database, "PRAGMA synchronous = FULL");
        if (r >= 0 && tables == 0)
                r = make_tables(database);
        else if (r >= 0 && version < JOURNAL_VERSION)
                r = renew_tables(database);
        return r;
}

/* What was begun is kept if R is no error. */
static int end_transaction(sqlite3 *database, int r) {
        if (r >= 0)
                r = execute(database, "COMMIT");
        if (r < 0 && !sqlite3_get_autocommit(database))
                (void)execute(database, "ROLLBACK");
        return r;
}

static int renew_tables(sqlite3 *database) {
        const char *const steps[] = {schema_2_boundaries, schema_2_move, schema_2_rest};
        char setting[64];
        int64_t version = 0;
        int r = execute(database, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = query(database, "PRAGMA user_version", &version, NULL, 0);
        for (size_t i = 0; r >= 0 && version < JOURNAL_VERSION && i < ELEMENTS(steps); i++)
                r = execute(database, steps[i]);
        (void)snprintf(setting, sizeof(setting), "PRAGMA user_version = %d", JOURNAL_VERSION);
        if (r >= 0)
                r = execute(database, setting);
        return end_transaction(database, r);
}

/* The transaction is taken before looking again, because two processes may have found the file empty. */
static int make_tables(sqlite3 *database) {
        char setting[128];
        int64_t tables = 0;
        int r = execute(database, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = query(database, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0);
        if (r >= 0 && tables == 0) {
                (void)snprintf(setting, sizeof(setting),
                                "PRAGMA application_id = %d; PRAGMA user_version = %d",
                                JOURNAL_APPLICATION_ID, JOURNAL_VERSION);
                r = execute(database, setting);
                const char *const parts[] = {schema, schema_2_boundaries, schema_2_rest};
                for (size_t i = 0; r >= 0 && i < ELEMENTS(parts); i++)
                        r = execute(database, parts[i]);
        }
        return end_transaction(database, r);
}

static int check_all(sqlite3 *database) {
        char answer[128] = "";
        int r = query(database, "PRAGMA quick_check(1)", NULL, answer, sizeof(answer));
        if (r < 0)
                return r;
        return strcmp(answer, "ok") == 0 ? 0 : -EBADMSG;
}

static int refuse_version(int64_t version) {
        if (version < JOURNAL_VERSION)
                return -EBADMSG;
        log_error("the journal was written by a newer interrex (tables of version %" PRId64
                  ", this one knows %d): "
                  "install that interrex again",
                        version, JOURNAL_VERSION);
        return -EPROTO;
}

static int query(sqlite3 *database, const char *text, int64_t *ret_number, char *ret_text, size_t size) {
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(database, text, -1, &statement, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        if (result == SQLITE_ROW && ret_number)
                *ret_number = sqlite3_column_int64(statement, 0);
        if (result == SQLITE_ROW && ret_text)
                journal_column_text(statement, 0, ret_text, size);
        int r = result == SQLITE_ROW ? 0 : journal_error(database, result, text);
        (void)sqlite3_finalize(statement);
        return r;
}

static int execute(sqlite3 *database, const char *text) {
        return journal_error(
                        database, sqlite3_exec(database, text, NULL, NULL, NULL), "preparing the tables");
}
