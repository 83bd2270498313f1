/* What the journal's files share: the connection and its prepared statements. For journal*.c only. */
#pragma once

#include "journal.h"
#include <inttypes.h>
#include <sqlite3.h>

/* PRAGMA application_id: "ITRX". Tells a journal from any other SQLite file. */
#define JOURNAL_APPLICATION_ID 0x49545258
/* PRAGMA user_version of the tables as this build writes them. */
#define JOURNAL_VERSION 2

enum journal_statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_SET,
        STATEMENT_GET,
        STATEMENT_SWAP_BEGIN,
        STATEMENT_SWAP_UPDATE,
        STATEMENT_SWAP_GET,
        STATEMENT_SWAP_LIST,
        STATEMENT_STEP_ADD,
        STATEMENT_STEP_LIST,
        STATEMENT_STEP_NEWEST,
        STATEMENT_GENERATION_BEGIN,
        STATEMENT_GENERATION_END,
        STATEMENT_BOUNDARY_SET,
        STATEMENT_BOUNDARY_PLACE,
        STATEMENT_BOUNDARY_REMOVE,
        STATEMENT_BOUNDARY_LIST,
        STATEMENT_SEQUENCE,
        STATEMENT_DOCUMENT_SET,
        JOURNAL_STATEMENTS,
};

struct journal {
        char *path;
        uint64_t device, inode; /* as opened */
        sqlite3 *database;
        sqlite3_stmt *statements[JOURNAL_STATEMENTS]; /* prepared at first use */
};

/* Turns an SQLite result into 0 or an errno; logs what the caller cannot be told by a number. */
int journal_error(sqlite3 *database, int result, const char *what);

/* The statement, reset and without bindings; prepared once. -EIO, -EBADMSG, -EBUSY. */
int journal_prepare(struct journal *journal, enum journal_statement which, sqlite3_stmt **ret_statement);

/* Runs a statement that returns no row, and resets it. */
int journal_run(struct journal *journal, sqlite3_stmt *statement, const char *what);

/* 1: a row; 0: no more (the statement is reset); negative errno (reset too). */
int journal_next(struct journal *journal, sqlite3_stmt *statement, const char *what);

/* NONE is written as NULL and read back as NONE, so that an operator's query sees no magic number. */
void journal_bind_number(sqlite3_stmt *statement, int index, uint64_t value, uint64_t none);
void journal_bind_text(sqlite3_stmt *statement, int index, const char *text);
uint64_t journal_column_number(sqlite3_stmt *statement, int column, uint64_t none);
void journal_column_text(sqlite3_stmt *statement, int column, char *text, size_t size);

/* Makes room for one more item of a list that grows. -ENOMEM. */
int journal_grow(void **items, size_t n, size_t item_size);

/* Looks at a file that was just opened: is it ours, is it whole, are its tables ours; makes them if CREATE.
 * CHECK: read all of it. -EBADMSG, -ENOENT (no tables and CREATE is false), -EPROTO (a newer interrex wrote
 * it), -EIO. */
int journal_schema_open(sqlite3 *database, bool create, bool check);
