#include "journal_internal.h"

static int read_sequence(struct journal *journal, uint64_t *ret_sequence);
static int read_boundaries(struct journal *journal, struct journal_boundary **ret_boundaries, size_t *ret_n);

int journal_boundary_set(struct journal *journal, uint64_t height, const char *range) {
        sqlite3_stmt *statement;
        if (height > INT64_MAX)
                return -ERANGE;
        int r = journal_prepare(journal, STATEMENT_BOUNDARY_SET, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, height, UINT64_MAX);
        journal_bind_text(statement, 2, range);
        journal_bind_number(statement, 3, now_realtime(), UINT64_MAX);
        return journal_run(journal, statement, "writing a boundary");
}

int journal_boundary_remove(struct journal *journal, uint64_t height) {
        sqlite3_stmt *statement;
        if (height > INT64_MAX)
                return -ENOENT;
        int r = journal_prepare(journal, STATEMENT_BOUNDARY_REMOVE, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, height, UINT64_MAX);
        r = journal_run(journal, statement, "removing a boundary");
        if (r < 0)
                return r;
        return sqlite3_changes(journal->database) > 0 ? 0 : -ENOENT;
}

/* The two reads are not one transaction, so the sequence comes first: a change in between makes the reader
 * hold new boundaries under an old number and look again, never the other way round. */
int journal_boundary_list(struct journal *journal, struct journal_boundary **ret_boundaries, size_t *ret_n,
                uint64_t *ret_sequence) {
        uint64_t sequence = 0;
        int r = read_sequence(journal, &sequence);
        if (r >= 0)
                r = read_boundaries(journal, ret_boundaries, ret_n);
        if (r >= 0 && ret_sequence)
                *ret_sequence = sequence;
        return r;
}

static int read_sequence(struct journal *journal, uint64_t *ret_sequence) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_SEQUENCE, &statement);
        if (r < 0)
                return r;
        r = journal_next(journal, statement, "reading the schedule's sequence");
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        *ret_sequence = journal_column_number(statement, 0, 0);
        (void)sqlite3_reset(statement);
        return 0;
}

static int read_boundaries(
                struct journal *journal, struct journal_boundary **ret_boundaries, size_t *ret_n) {
        _cleanup_free_ struct journal_boundary *boundaries = NULL;
        sqlite3_stmt *statement;
        size_t n = 0;
        int r = journal_prepare(journal, STATEMENT_BOUNDARY_LIST, &statement);
        if (r < 0)
                return r;
        while ((r = journal_next(journal, statement, "reading the schedule")) > 0) {
                r = journal_grow((void **)&boundaries, n, sizeof(*boundaries));
                if (r < 0)
                        break;
                struct journal_boundary *boundary = &boundaries[n++];
                boundary->height = journal_column_number(statement, 0, 0);
                journal_column_text(statement, 1, boundary->range, sizeof(boundary->range));
                boundary->set_at = journal_column_number(statement, 2, 0);
        }
        (void)sqlite3_reset(statement);
        if (r < 0)
                return r;
        *ret_boundaries = TAKE_POINTER(boundaries);
        *ret_n = n;
        return 0;
}
