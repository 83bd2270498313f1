/* What the test node has written down for each block: the proof of which version processed which height. */
#pragma once

#include "lib/base.h"

struct ledger_entry {
        uint64_t height;
        char version[32];
        int pid;
};

struct ledger {
        struct ledger_entry *entries;
        size_t n;
};

/* -EBADMSG: a broken line. The last line may still be under way and is left out then. */
int ledger_read(const char *path, struct ledger *ret_ledger);
void ledger_done(struct ledger *ledger);

/* Heights FROM to TO (UINT64_MAX: to the end) were processed by VERSION. */
struct ledger_range {
        uint64_t from, to;
        const char *version;
};

/* Every height once, in order, without a gap, each by the version that the ranges say (no ranges: by any).
 * Returns 0, or -EBADMSG with *ret_why (malloc'ed): the first height that is wrong, and how. */
int ledger_check(const struct ledger *ledger, const struct ledger_range *ranges, size_t n_ranges,
                char **ret_why);

/* The same where the heights of the changes are not known: VERSIONS (NULL-terminated) one after another,
 * each with at least one block. */
int ledger_check_order(const struct ledger *ledger, const char *const *versions, char **ret_why);

/* The highest height; 0 if there is none. */
uint64_t ledger_last(const struct ledger *ledger);
