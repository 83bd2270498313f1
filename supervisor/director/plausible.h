/* Is a height, a view or an epoch that a node tells to be believed? A source that lies, flaps, or goes backwards moves nothing by what it says
 * once. What contradicts the last good height is believed only when it is said again and again, so that a state that was put
 * back, a fast synchronisation and a node that jumps to the end of its chain still get on. Pure. */
#pragma once

#include "../lib/base.h"

/* What contradicts is believed after so many observations in a row that agree with each other, over so long ... */
#define PLAUSIBLE_TIMES 3
#define PLAUSIBLE_TIME_US (2 * USEC_PER_SEC)
/* ... and a height far ahead only if blocks go on from there, or if it is said for so long. */
#define PLAUSIBLE_LONG_US (60 * USEC_PER_SEC)

/* Of one generation. All zero: nothing is known yet. */
struct plausible {
        uint64_t height, at;        /* the last good one, and when it was last said; at 0: none */
        uint64_t moved_at;          /* when it last became another */
        double usec_per_block;      /* as measured; 0: not known */
        uint64_t before, before_at; /* the same before it went backwards last; at 0: it never did */
        struct {
                unsigned n; /* observations in a row that contradict it and agree with each other; 0: none */
                unsigned advances;
                uint64_t first, last, since, at;
        } doubt;
};

struct plausible_view {
        const struct plausible *node; /* the last good height of the node as a whole, of earlier generations too */
        bool is_fresh;                /* the generation was started just now: it may come up to where the node was */
        bool is_decisive;             /* it would have consequences: with nothing to compare it with, it is doubted */
        bool is_told;                 /* the node tells every block by itself, as fast as it makes them */
        bool is_rare;                 /* it moves seldom, and by one: an epoch */
};

enum plausible_verdict {
        PLAUSIBLE_ACCEPTED, /* it is the last good one now */
        PLAUSIBLE_DOUBTED,  /* the last good one stays */
        PLAUSIBLE_REFUSED,  /* the same, and it is no height at all */
};

enum plausible_verdict plausible_judge(struct plausible *known, const struct plausible_view *view, uint64_t height, uint64_t now);

/* A height that is certain: the node stands there. */
void plausible_set(struct plausible *known, uint64_t height, uint64_t now);

/* What is doubted and why; "" if nothing is. WHAT is being told: "height". */
void plausible_describe(const struct plausible *known, const char *what, char *text, size_t size);
