/* The boundaries that lie ahead, in the order in which they are expected to come: a view, an epoch or a moment has no height before
 * it is near, but may come before a height that is far. */
#pragma once

#include "context.h"

struct ahead_item {
        const struct boundary *boundary;
        uint64_t comes_in; /* microseconds, if blocks come as they did; USEC_INFINITY: nothing tells */
        bool is_armed;     /* an upgrade waits for it, or is on its way there, and has not failed yet */
        bool is_overtaken; /* when it comes, what asks for higher versions will be in force: it will count as one before that */
};

/* Must stay where it is: an item may point into it. */
struct ahead {
        struct boundary armed; /* what is armed stays so when its boundary is taken out of the schedule */
        size_t n;
        struct ahead_item *items;
};

/* -ENOMEM */
int ahead_list(struct director *director, struct ahead *ret_ahead);
void ahead_done(struct ahead *ahead);
