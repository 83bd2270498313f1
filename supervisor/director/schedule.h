/* The schedule: which versions are allowed from which height on. Pure; a table, not an event, so a node that
 * joins late reads the same as one that was always there. */
#pragma once

#include "../lib/boundary.h"

#define SCHEDULE_NO_HEIGHT UINT64_MAX

struct boundary {
        uint64_t height; /* the first one that the range is for; SCHEDULE_NO_HEIGHT: it is not known yet where it lies */
        struct range range;
        struct boundary_rule rule;
        bool is_open; /* without a height: a release of the range may run already */
};

struct schedule {
        size_t n;
        struct boundary *boundaries; /* by height, each height once */
        size_t n_pending;
        struct boundary *pending; /* whose height is not known yet: they deny nothing */
};

/* HEIGHT: where the rule's point lies; SCHEDULE_NO_HEIGHT: not known yet. -EEXIST: another boundary has the point or the
 * height; *ret_conflict (may be NULL, malloc'ed) shows both. The same again is 0. -EINVAL: not a range. Of two points of one unit that
 * came to lie at one height the later counts: the node was past the other already. */
int schedule_add(struct schedule *schedule, const struct boundary_rule *rule, uint64_t height, char **ret_conflict);
void schedule_done(struct schedule *schedule);

/* The boundary with the rule's point whose height is known; NULL: there is none. */
const struct boundary *schedule_find(const struct schedule *schedule, const struct boundary_rule *rule);

/* The pending boundary of a unit that comes first; NULL: none is pending. */
const struct boundary *schedule_first_pending(const struct schedule *schedule, uint32_t unit);

/* Where a pending boundary lies whose point has come, when the node is just before HEIGHT: there, or at the first height from there on
 * where none of another unit is. Where a boundary there or before asks for higher versions only, the point had come before that one,
 * as versions do not fall along a chain: then it lies just before it, if a height is left there. */
uint64_t schedule_place(const struct schedule *schedule, const struct boundary *pending, uint64_t height);

/* The range in force at a height; NULL: no boundary lies at or below it, anything is allowed. */
const struct range *schedule_range_at(const struct schedule *schedule, uint64_t height);

/* The first boundary above a height; NULL: none. */
const struct boundary *schedule_next(const struct schedule *schedule, uint64_t height);

/* The first height at or above FROM at which the version is denied; UINT64_MAX: it never is. */
uint64_t schedule_first_denied(const struct schedule *schedule, const struct version *version, uint64_t from);

/* The first height at which the version is denied after it was allowed; UINT64_MAX: there is none. */
uint64_t schedule_end_of(const struct schedule *schedule, const struct version *version);

/* By the range in force, or by a window of a boundary ahead. */
bool schedule_allows(const struct schedule *schedule, const struct version *version, uint64_t height);

/* The first height of the window in which releases of the boundary may run before it; its height if it has none. */
uint64_t schedule_window_start(const struct schedule *schedule, const struct boundary *boundary);

/* The boundary at which the version, which may run at HEIGHT, will be denied next, if it has a window, open yet or not; where none
 * is known to lie ahead, one without a height whose window is open. NULL: there is none. */
const struct boundary *schedule_window_ahead(const struct schedule *schedule, const struct version *version, uint64_t height);

/* Where in its window a node goes over: nodes with different seeds do so at different heights, in the first three quarters,
 * so that those of one role are not all away at once. Without a window of its own (mode before): at once. */
uint64_t schedule_rolling_point(const struct schedule *schedule, const struct boundary *boundary, uint64_t seed);

/* The highest of N versions that is allowed at the height, and by ALSO if that is not NULL: its index, or -1. */
int schedule_select(const struct schedule *schedule, const struct version *versions, size_t n, uint64_t height,
                const struct range *also);

/* One sentence: why VERSION may not run at the height and which of N versions would do. */
void schedule_refusal(const struct schedule *schedule, const struct version *version, uint64_t height,
                const struct version *versions, size_t n, char *text, size_t size);
