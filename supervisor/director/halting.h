/* Of a node that stops by itself (gate_node.h): can it have come so far since its height was seen, and does it stand where it was said
 * to stop? Pure. */
#pragma once

#include "plausible.h"

#define HALTING_NO_HEIGHT UINT64_MAX

/* It stands still for so long, and nothing of it is heard: longer than a node needs to write its state down. */
#define HALTING_STANDING_US (30 * USEC_PER_SEC)
/* So often it must have been seen to go on before its word is known to be wrong: a height may have been on its way. */
#define HALTING_GROWN 3

/* What is granted to a node beside three times its own pace. */
enum halting_grant {
        HALTING_PACE,  /* nothing */
        HALTING_BURST, /* as much as nodes make that catch up: slow blocks, then many at once */
        HALTING_ALL,   /* as much as none makes */
};

struct halting_seen {
        uint64_t height, since_us; /* the last one that was seen, HALTING_NO_HEIGHT: none, and how long ago */
        double usec_per_block;     /* mean; 0: not known */
};

/* Can it have committed LAST by now? */
bool halting_may_have_reached(const struct halting_seen *seen, enum halting_grant grant, uint64_t last);

/* What was said of it where it cannot have come by then. It is said once. */
struct halting_word {
        uint64_t before;  /* it stops before this height; HALTING_NO_HEIGHT: nothing was said */
        uint64_t at;      /* monotonic: when it was said */
        bool is_line;     /* in the moment of stopping, by a line of its log; else it was written down, perhaps far ahead */
        uint64_t height;  /* the highest that was seen since; HALTING_NO_HEIGHT: none */
        unsigned n_grown; /* so often it was seen at a higher one */
};

void halting_see(struct halting_word *word, uint64_t height);

/* It goes on making blocks, so it did not stop when that was said: a peer's text, or a plan. */
bool halting_is_refuted(const struct halting_word *word);

/* Does it stand there, whatever its height seems to be? KNOWN: what is known of that; USEC_PER_BLOCK as above. */
bool halting_stands(const struct halting_word *word, const struct plausible *known, double usec_per_block, uint64_t now);
