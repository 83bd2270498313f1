#include "halting.h"

/* A height on its way to us may be some blocks old. */
#define BLOCKS_ON_THE_WAY 2
#define TIMES_THE_PACE 3.0
/* What an answer may have taken on a machine that is busy. */
#define ANSWER_US (250 * USEC_PER_MSEC)
#define USEC_PER_BLOCK_BURST 1000
#define USEC_PER_BLOCK_LEAST 100
/* A node that makes no block for so many times its pace stands still; but not sooner than this. */
#define BLOCKS_MISSED 5.0
#define STILL_US (3 * USEC_PER_SEC)

bool halting_may_have_reached(const struct halting_seen *seen, enum halting_grant grant, uint64_t last) {
        if (seen->height == HALTING_NO_HEIGHT || last <= seen->height)
                return true;
        double made = seen->usec_per_block > 0 ? TIMES_THE_PACE * (double) seen->since_us / seen->usec_per_block : 0;
        uint64_t at_most = grant == HALTING_BURST ? (seen->since_us + ANSWER_US) / USEC_PER_BLOCK_BURST
                           : grant == HALTING_ALL ? (seen->since_us + ANSWER_US) / USEC_PER_BLOCK_LEAST
                                                  : 0;
        uint64_t blocks = last - seen->height;
        return blocks <= BLOCKS_ON_THE_WAY + at_most || (double) blocks <= BLOCKS_ON_THE_WAY + made;
}

void halting_see(struct halting_word *word, uint64_t height) {
        if (word->height != HALTING_NO_HEIGHT && height <= word->height)
                return;
        word->n_grown += word->height != HALTING_NO_HEIGHT;
        word->height = height;
}

bool halting_is_refuted(const struct halting_word *word) {
        return word->n_grown >= HALTING_GROWN;
}

static uint64_t patience(double usec_per_block) {
        double wanted = BLOCKS_MISSED * usec_per_block;
        if (usec_per_block <= 0 || wanted >= (double) HALTING_STANDING_US)
                return HALTING_STANDING_US;
        return wanted > (double) STILL_US ? (uint64_t) wanted : STILL_US;
}

static uint64_t later_of(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

bool halting_stands(const struct halting_word *word, const struct plausible *known, double usec_per_block, uint64_t now) {
        bool is_doubted = known->doubt.n > 0, agrees = is_doubted && known->doubt.last + 1 == word->before;
        uint64_t moved_at = later_of(known->moved_at, word->at), heard_at = later_of(known->at, is_doubted ? known->doubt.at : 0);
        if (word->before == HALTING_NO_HEIGHT)
                return false;
        if (known->at == 0)
                return (word->is_line && agrees) || now - word->at >= HALTING_STANDING_US;
        /* It tells the same height again and again, or nothing any more. */
        bool is_still = known->at > moved_at && known->at - moved_at >= patience(usec_per_block);
        bool is_silent = now - later_of(heard_at, word->at) >= HALTING_STANDING_US;
        if (!word->is_line || halting_is_refuted(word))
                return word->is_line && known->height + 1 == word->before && (is_still || is_silent);
        return agrees || is_still || is_silent;
}
