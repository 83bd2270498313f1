#include "journal_internal.h"

static void bind_swap(sqlite3_stmt *statement, const struct journal_swap *swap);
static void read_swap(sqlite3_stmt *statement, struct journal_swap *ret_swap);
static void read_step(sqlite3_stmt *statement, struct journal_step *ret_step);

int journal_swap_begin(struct journal *journal, const struct journal_swap *swap, uint64_t *ret_id) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_SWAP_BEGIN, &statement);
        if (r < 0)
                return r;
        bind_swap(statement, swap);
        r = journal_run(journal, statement, "beginning a swap");
        if (r < 0)
                return r;
        *ret_id = (uint64_t)sqlite3_last_insert_rowid(journal->database);
        return 0;
}

int journal_swap_update(struct journal *journal, const struct journal_swap *swap) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_SWAP_UPDATE, &statement);
        if (r < 0)
                return r;
        bind_swap(statement, swap);
        journal_bind_number(statement, 14, swap->id, 0);
        r = journal_run(journal, statement, "writing a swap");
        if (r < 0)
                return r;
        return sqlite3_changes(journal->database) > 0 ? 0 : -ENOENT;
}

int journal_swap_get(struct journal *journal, uint64_t id, struct journal_swap *ret_swap) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_SWAP_GET, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, id, 0);
        r = journal_next(journal, statement, "reading a swap");
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        read_swap(statement, ret_swap);
        (void)sqlite3_reset(statement);
        return 0;
}

int journal_swap_list(
                struct journal *journal, size_t limit, struct journal_swap **ret_swaps, size_t *ret_n) {
        _cleanup_free_ struct journal_swap *swaps = NULL;
        sqlite3_stmt *statement;
        size_t n = 0;
        int r = journal_prepare(journal, STATEMENT_SWAP_LIST, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, limit, UINT64_MAX);
        while ((r = journal_next(journal, statement, "listing swaps")) > 0) {
                r = journal_grow((void **)&swaps, n, sizeof(*swaps));
                if (r < 0)
                        break;
                read_swap(statement, &swaps[n++]);
        }
        (void)sqlite3_reset(statement);
        if (r < 0)
                return r;
        *ret_swaps = TAKE_POINTER(swaps);
        *ret_n = n;
        return 0;
}

int journal_step_add(struct journal *journal, const struct journal_step *step) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_STEP_ADD, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, step->swap, 0);
        journal_bind_number(statement, 2, step->at, UINT64_MAX);
        journal_bind_number(statement, 3, step->monotonic_us, UINT64_MAX);
        journal_bind_text(statement, 4, step->phase);
        journal_bind_text(statement, 5, step->event);
        journal_bind_text(statement, 6, step->note);
        return journal_run(journal, statement, "writing a step");
}

int journal_step_list(struct journal *journal, uint64_t swap, size_t limit, struct journal_step **ret_steps,
                size_t *ret_n) {
        _cleanup_free_ struct journal_step *steps = NULL;
        sqlite3_stmt *statement;
        size_t n = 0;
        int r = journal_prepare(journal, swap ? STATEMENT_STEP_LIST : STATEMENT_STEP_NEWEST, &statement);
        if (r < 0)
                return r;
        if (swap)
                journal_bind_number(statement, 1, swap, 0);
        journal_bind_number(statement, swap ? 2 : 1, limit, UINT64_MAX);
        while ((r = journal_next(journal, statement, "listing steps")) > 0) {
                r = journal_grow((void **)&steps, n, sizeof(*steps));
                if (r < 0)
                        break;
                read_step(statement, &steps[n++]);
        }
        (void)sqlite3_reset(statement);
        if (r < 0)
                return r;
        *ret_steps = TAKE_POINTER(steps);
        *ret_n = n;
        return 0;
}

int journal_generation_begin(struct journal *journal, const struct journal_generation *generation) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_GENERATION_BEGIN, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, generation->generation, 0);
        journal_bind_text(statement, 2, generation->release);
        journal_bind_number(statement, 3, generation->started_at, UINT64_MAX);
        journal_bind_number(statement, 4, generation->ended_at, 0);
        journal_bind_text(statement, 5, generation->end);
        return journal_run(journal, statement, "writing a generation");
}

int journal_generation_end(
                struct journal *journal, uint64_t generation, uint64_t ended_at, const char *end) {
        sqlite3_stmt *statement;
        int r = journal_prepare(journal, STATEMENT_GENERATION_END, &statement);
        if (r < 0)
                return r;
        journal_bind_number(statement, 1, generation, 0);
        journal_bind_number(statement, 2, ended_at, 0);
        journal_bind_text(statement, 3, end);
        r = journal_run(journal, statement, "writing a generation's end");
        if (r < 0)
                return r;
        return sqlite3_changes(journal->database) > 0 ? 0 : -ENOENT;
}

static void bind_swap(sqlite3_stmt *statement, const struct journal_swap *swap) {
        journal_bind_text(statement, 1, swap->kind);
        journal_bind_text(statement, 2, swap->from);
        journal_bind_text(statement, 3, swap->to);
        journal_bind_number(statement, 4, swap->at_height, UINT64_MAX);
        journal_bind_text(statement, 5, swap->mode);
        journal_bind_number(statement, 6, swap->started_at, UINT64_MAX);
        journal_bind_number(statement, 7, swap->ended_at, 0);
        journal_bind_text(statement, 8, swap->outcome);
        journal_bind_text(statement, 9, swap->reason);
        journal_bind_number(statement, 10, swap->prepared_us, UINT64_MAX);
        journal_bind_number(statement, 11, swap->gap_us, UINT64_MAX);
        journal_bind_number(statement, 12, swap->total_us, UINT64_MAX);
        journal_bind_text(statement, 13, swap->snapshot);
}

static void read_swap(sqlite3_stmt *statement, struct journal_swap *ret_swap) {
        struct journal_swap swap = {
                        .id = journal_column_number(statement, 0, 0),
                        .at_height = journal_column_number(statement, 4, UINT64_MAX),
                        .started_at = journal_column_number(statement, 6, 0),
                        .ended_at = journal_column_number(statement, 7, 0),
                        .prepared_us = journal_column_number(statement, 10, 0),
                        .gap_us = journal_column_number(statement, 11, 0),
                        .total_us = journal_column_number(statement, 12, 0),
        };
        journal_column_text(statement, 1, swap.kind, sizeof(swap.kind));
        journal_column_text(statement, 2, swap.from, sizeof(swap.from));
        journal_column_text(statement, 3, swap.to, sizeof(swap.to));
        journal_column_text(statement, 5, swap.mode, sizeof(swap.mode));
        journal_column_text(statement, 8, swap.outcome, sizeof(swap.outcome));
        journal_column_text(statement, 9, swap.reason, sizeof(swap.reason));
        journal_column_text(statement, 13, swap.snapshot, sizeof(swap.snapshot));
        *ret_swap = swap;
}

static void read_step(sqlite3_stmt *statement, struct journal_step *ret_step) {
        struct journal_step step = {
                        .swap = journal_column_number(statement, 0, 0),
                        .at = journal_column_number(statement, 1, 0),
                        .monotonic_us = journal_column_number(statement, 2, 0),
        };
        journal_column_text(statement, 3, step.phase, sizeof(step.phase));
        journal_column_text(statement, 4, step.event, sizeof(step.event));
        journal_column_text(statement, 5, step.note, sizeof(step.note));
        *ret_step = step;
}
