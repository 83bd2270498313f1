/* What must outlive every process: one SQLite file, STATE/NODE/journal.db (WAL, synchronous=FULL). A call
 * that returns 0 is on disk. An operator may query the file with sqlite3; the tables are described in
 * docs/journal.md. One connection is for one thread and never crosses a fork. All texts are copied. Errors
 * are -EIO (with the message logged), -EBADMSG (damaged), -ENOENT, -EBUSY (another writer for over two
 * seconds), -EACCES, -ENOMEM. */
#pragma once

#include "base.h"
#include "boundary.h"

struct journal;

/* Opens (and creates, if CREATE) the file and brings its tables up to date (PRAGMA user_version). A damaged
 * file: -EBADMSG, nothing is changed; it is read through only if the last owner did not close it. -EPROTO: a
 * newer interrex wrote it (logged). Readers of a file owned by another process pass create = false: -ENOENT
 * without file or tables. */
int journal_open(const char *path, bool create, struct journal **ret_journal);
void journal_close(struct journal *journal);
void journal_close_at(struct journal **journal);

/* Whether it still lies where it was opened, so that the next owner will find what is written. -ENOENT: it was moved away or
 * removed. -ESTALE: another file lies there. */
int journal_is_in_place(const struct journal *journal);

/* One transaction around several writes: begin, ..., commit; the writes below may also stand alone. */
int journal_begin(struct journal *journal);
int journal_commit(struct journal *journal);
void journal_abort(struct journal *journal);

/* The key under which trust.keys lie, each with a NUL behind it, as they were when the node was started last. */
#define JOURNAL_TRUST "trust"

/* The key of the swap machine's last state and of what is remembered with it. */
#define JOURNAL_MACHINE "machine"
/* The key of `release` of the configuration, as it was when the node was started last; empty: none. */
#define JOURNAL_CONFIGURED "configured"

/* The keys of where the configuration lay then, and of its exec.command. */
#define JOURNAL_CONFIG "config"
#define JOURNAL_COMMAND "command"

/* Key and value: the swap machine's last state lies under "machine", the highest generation under
 * "generation". */
int journal_set(struct journal *journal, const char *key, const void *value, size_t size);
/* *ret_value is malloc'ed with a NUL behind it that SIZE does not count. -ENOENT. */
int journal_get(struct journal *journal, const char *key, void **ret_value, size_t *ret_size);

struct journal_swap {
        uint64_t id;
        char kind[16]; /* "upgrade", "rollback", "restart" */
        char from[128], to[128];
        uint64_t at_height;  /* UINT64_MAX: none */
        char mode[16];       /* "exclusive", "overlap" */
        uint64_t started_at; /* realtime, usec */
        uint64_t ended_at;   /* 0: under way */
        char outcome[16];    /* "", "committed", "rolled-back", "aborted", "held", "cancelled" */
        char reason[512];
        uint64_t prepared_us, gap_us, total_us;
        char snapshot[96]; /* its kind, "" if none */
};

/* gap_us was measured. A swap that took over has a gap, of 0 where two generations overlapped; one that did not has
 * none where the old release was never told to end. */
static inline bool journal_swap_has_gap(const struct journal_swap *swap) {
        return swap->gap_us > 0 || strcmp(swap->outcome, "committed") == 0;
}

/* Inserts with a new id (ids only grow). */
int journal_swap_begin(struct journal *journal, const struct journal_swap *swap, uint64_t *ret_id);
/* Writes every field of the swap with that id. */
int journal_swap_update(struct journal *journal, const struct journal_swap *swap);
int journal_swap_get(struct journal *journal, uint64_t id, struct journal_swap *ret_swap);
/* The newest LIMIT swaps, newest first. The array is malloc'ed. */
int journal_swap_list(struct journal *journal, size_t limit, struct journal_swap **ret_swaps, size_t *ret_n);

struct journal_step {
        uint64_t swap;         /* 0: none under way */
        uint64_t at;           /* realtime, usec */
        uint64_t monotonic_us; /* of that boot; steps of one swap may be subtracted */
        char phase[32], event[32];
        char note[512];
};

/* After a reboot the monotonic clock starts again; the wall clock is then the best there is. */
static inline uint64_t journal_step_between(const struct journal_step *from, const struct journal_step *to) {
        if (to->monotonic_us >= from->monotonic_us)
                return to->monotonic_us - from->monotonic_us;
        return to->at > from->at ? to->at - from->at : 0;
}

int journal_step_add(struct journal *journal, const struct journal_step *step);
/* All steps of a swap, oldest first; swap 0: the newest LIMIT steps of any, newest first. */
int journal_step_list(struct journal *journal, uint64_t swap, size_t limit, struct journal_step **ret_steps,
                size_t *ret_n);

struct journal_generation {
        uint64_t generation;
        char release[128];
        uint64_t started_at, ended_at; /* ended_at 0: running, or not known to have ended */
        char end[256];                 /* how: "exited with status 2", "killed by SIGKILL (asked)" ... */
};

/* May be repeated for one generation. */
int journal_generation_begin(struct journal *journal, const struct journal_generation *generation);
int journal_generation_end(struct journal *journal, uint64_t generation, uint64_t ended_at, const char *end);

struct journal_boundary {
        struct boundary_rule rule;
        uint64_t height; /* where a boundary of another unit than the node counts in came to lie; UINT64_MAX: not known */
        uint64_t set_at;
};

/* The schedule: boundaries ordered by unit and point. -ERANGE: a point over INT64_MAX. Setting what stands already changes
 * nothing, not even the sequence number, which grows with each change. */
int journal_boundary_set(struct journal *journal, const struct boundary_rule *rule);
/* -ENOENT: no boundary at that point. */
int journal_boundary_remove(struct journal *journal, const struct boundary_rule *rule);
/* The boundary of another unit lies at this height from now on. -ENOENT. */
int journal_boundary_place(struct journal *journal, const struct boundary_rule *rule, uint64_t height);
int journal_boundary_list(struct journal *journal, struct journal_boundary **ret_boundaries, size_t *ret_n,
                uint64_t *ret_sequence);

/* The sequence number of the last document that was taken as the whole schedule; UINT64_MAX: none was. */
int journal_document_set(struct journal *journal, uint64_t sequence);
int journal_document_get(struct journal *journal, uint64_t *ret_sequence);
