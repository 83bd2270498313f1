/* The schedule: which versions are allowed from which height on. Pure; a table, not an event, so a node that
 * joins late reads the same as one that was always there. */
#pragma once

#include "../lib/version.h"

struct boundary {
        uint64_t height; /* the first one that the range is for */
        struct range range;
};

struct schedule {
        size_t n;
        struct boundary *boundaries; /* by height, each height once */
};

/* -EEXIST: the height has another range; *ret_conflict (may be NULL, malloc'ed) shows both. The same range
 * again is 0. */
int schedule_add(struct schedule *schedule, uint64_t height, const struct range *range, char **ret_conflict);
void schedule_remove(struct schedule *schedule, uint64_t height);
void schedule_done(struct schedule *schedule);

/* The range in force at a height; NULL: no boundary lies at or below it, anything is allowed. */
const struct range *schedule_range_at(const struct schedule *schedule, uint64_t height);

/* The first boundary above a height; NULL: none. */
const struct boundary *schedule_next(const struct schedule *schedule, uint64_t height);

/* The first height at or above FROM at which the version is denied; UINT64_MAX: it never is. */
uint64_t schedule_first_denied(const struct schedule *schedule, const struct version *version, uint64_t from);

bool schedule_allows(const struct schedule *schedule, const struct version *version, uint64_t height);

/* The highest of N versions that is allowed at the height: its index, or -1. */
int schedule_select(const struct schedule *schedule, const struct version *versions, size_t n, uint64_t height);

/* One sentence: why VERSION may not run at the height and which of N versions would do. */
void schedule_refusal(const struct schedule *schedule, const struct version *version, uint64_t height,
                const struct version *versions, size_t n, char *text, size_t size);
