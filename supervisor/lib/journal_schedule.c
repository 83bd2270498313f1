#include "journal_internal.h"

static int read_sequence(struct journal *journal, uint64_t *ret_sequence, uint64_t *ret_document);
static int read_boundaries(struct journal *journal, struct journal_boundary **ret_boundaries, size_t *ret_n);

static int prepare_for(struct journal *journal, enum journal_statement which,
                const struct boundary_rule *rule, sqlite3_stmt **ret_statement) {
        if (rule->at > INT64_MAX || (rule->from != BOUNDARY_NO_WINDOW && rule->from > INT64_MAX))
                return -ERANGE;
        int r = journal_prepare(journal, which, ret_statement);
        if (r < 0)
                return r;
        journal_bind_text(*ret_statement, 1, boundary_unit_name(rule->unit));
        journal_bind_number(*ret_statement, 2, rule->at, UINT64_MAX);
        return 0;
}

int journal_boundary_set(struct journal *journal, const struct boundary_rule *rule) {
        sqlite3_stmt *statement;
        int r = prepare_for(journal, STATEMENT_BOUNDARY_SET, rule, &statement);
        if (r < 0)
                return r;
        journal_bind_text(statement, 3, rule->range);
        journal_bind_text(statement, 4, boundary_mode_name(rule->mode));
        journal_bind_number(statement, 5, rule->from, BOUNDARY_NO_WINDOW);
        journal_bind_text(statement, 6, rule->protocol);
        journal_bind_number(statement, 7, now_realtime(), UINT64_MAX);
        return journal_run(journal, statement, "writing a boundary");
}

static int run_on_one(struct journal *journal, sqlite3_stmt *statement, const char *what) {
        int r = journal_run(journal, statement, what);
        if (r < 0)
                return r;
        return sqlite3_changes(journal->database) > 0 ? 0 : -ENOENT;
}

int journal_boundary_remove(struct journal *journal, const struct boundary_rule *rule) {
        sqlite3_stmt *statement;
        int r = prepare_for(journal, STATEMENT_BOUNDARY_REMOVE, rule, &statement);
        return r == -ERANGE ? -ENOENT : r < 0 ? r : run_on_one(journal, statement, "removing a boundary");
}

int journal_boundary_place(struct journal *journal, const struct boundary_rule *rule, uint64_t height) {
        sqlite3_stmt *statement;
        if (height > INT64_MAX)
                return -ERANGE;
        int r = prepare_for(journal, STATEMENT_BOUNDARY_PLACE, rule, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 3, height, UINT64_MAX);
        return run_on_one(journal, statement, "placing a boundary");
}

/* The two reads are not one transaction, so the sequence comes first: a change in between makes the reader
 * hold new boundaries under an old number and look again, never the other way round. */
int journal_boundary_list(struct journal *journal, struct journal_boundary **ret_boundaries, size_t *ret_n,
                uint64_t *ret_sequence) {
        uint64_t sequence = 0, document;
        int r = read_sequence(journal, &sequence, &document);
        if (r >= 0)
                r = read_boundaries(journal, ret_boundaries, ret_n);
        if (r >= 0 && ret_sequence)
                *ret_sequence = sequence;
        return r;
}

int journal_document_set(struct journal *journal, uint64_t sequence) {
        sqlite3_stmt *statement;
        if (sequence > INT64_MAX)
                return -ERANGE;
        int r = journal_prepare(journal, STATEMENT_DOCUMENT_SET, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, sequence, UINT64_MAX);
        return journal_run(journal, statement, "writing the schedule's sequence");
}

int journal_document_get(struct journal *journal, uint64_t *ret_sequence) {
        uint64_t sequence;
        return read_sequence(journal, &sequence, ret_sequence);
}

static int read_sequence(struct journal *journal, uint64_t *ret_sequence, uint64_t *ret_document) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_SEQUENCE, &statement);
        if (r < 0)
                return r;
        r = journal_next(journal, statement, "reading the schedule's sequence");
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        *ret_sequence = journal_column_number(statement, 0, 0);
        *ret_document = journal_column_number(statement, 1, UINT64_MAX);
        (void)sqlite3_reset(statement);
        return 0;
}

/* A row that somebody wrote by hand may say anything: it is given as it is, and boundary_check() refuses it. */
static void read_rule(sqlite3_stmt *statement, struct journal_boundary *boundary) {
        struct boundary_rule *rule = &boundary->rule;
        char name[16];
        journal_column_text(statement, 0, name, sizeof(name));
        rule->unit = (uint32_t)boundary_unit_find(name);
        rule->at = journal_column_number(statement, 1, UINT64_MAX);
        journal_column_text(statement, 2, rule->range, sizeof(rule->range));
        journal_column_text(statement, 3, name, sizeof(name));
        rule->mode = (uint32_t)boundary_mode_find(name);
        rule->from = journal_column_number(statement, 4, BOUNDARY_NO_WINDOW);
        journal_column_text(statement, 5, rule->protocol, sizeof(rule->protocol));
        boundary->height = journal_column_number(statement, 6, UINT64_MAX);
        boundary->set_at = journal_column_number(statement, 7, 0);
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
                boundaries[n] = (struct journal_boundary){0};
                read_rule(statement, &boundaries[n++]);
        }
        (void)sqlite3_reset(statement);
        if (r < 0)
                return r;
        *ret_boundaries = TAKE_POINTER(boundaries);
        *ret_n = n;
        return 0;
}
