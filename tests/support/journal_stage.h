/* A journal in a folder of its own, for tests that open it, one side of a fork each. */
#pragma once

#include "lib/journal.h"

#include <sys/types.h>

struct journal_scratch {
        char folder[64];
        char path[128];
};

/* Setup and teardown of a cmocka test: *state is a struct journal_scratch. */
int journal_stage_make(void **state);
int journal_stage_remove(void **state);

struct journal *journal_stage_open(const struct journal_scratch *scratch, bool create);

struct journal_swap journal_stage_swap(void);

/* Waits for a child and gives its exit status; a child that was killed is a failure. */
int journal_stage_wait_for(pid_t pid);

int journal_stage_set_boundary(struct journal *journal, uint64_t height, const char *range);
int journal_stage_remove_boundary(struct journal *journal, uint64_t height);

/* A process writes, begins to write more, and is killed without having closed anything. */
void journal_stage_crash(const struct journal_scratch *scratch);
