#include "plausible.h"

/* Above it, sums of heights and of times could overflow. */
#define HEIGHT_LIMIT (UINT64_C(1) << 62)
/* What may come at once, whatever the rate: blocks come in batches, and observations late. */
#define SLACK 16
#define SLACK_TOLD 1000
#define TIMES_THE_RATE 4.0
/* Before a rate is known. */
#define USEC_PER_BLOCK_UNKNOWN 10000.0
/* No node makes blocks faster; telling one of each takes longer. */
#define USEC_PER_BLOCK_LEAST 10.0
#define USEC_PER_BLOCK_TOLD 100.0

static bool is_within(const struct plausible *from, const struct plausible_view *view, uint64_t height, uint64_t now);
static bool is_plausible(const struct plausible *known, const struct plausible_view *view, uint64_t height, uint64_t now);
static void accept(struct plausible *known, uint64_t height, uint64_t now);
static bool doubt(struct plausible *known, uint64_t height, uint64_t now);

enum plausible_verdict plausible_judge(struct plausible *known, const struct plausible_view *view, uint64_t height, uint64_t now) {
        if (height > HEIGHT_LIMIT)
                return PLAUSIBLE_REFUSED;
        if (!is_plausible(known, view, height, now) && !doubt(known, height, now))
                return PLAUSIBLE_DOUBTED;
        accept(known, height, now);
        return PLAUSIBLE_ACCEPTED;
}

void plausible_set(struct plausible *known, uint64_t height, uint64_t now) {
        accept(known, height, now);
}

void plausible_describe(const struct plausible *known, const char *what, char *text, size_t size) {
        const char *how = known->doubt.last < known->height ? "behind" : "ahead of";
        if (known->doubt.n == 0)
                text_copy(text, size, "");
        else if (known->at == 0)
                (void) snprintf(text, size, "the first %s that the node tells, %lu, is not believed before it has been told again",
                                what, known->doubt.last);
        else
                (void) snprintf(text, size, "the node tells %s %lu, too far %s %lu to be believed at once", what, known->doubt.last,
                                how, known->height);
}

static bool is_plausible(const struct plausible *known, const struct plausible_view *view, uint64_t height, uint64_t now) {
        const struct plausible *node = view->node;
        bool is_within_node = node->at != 0 && (height <= node->height || is_within(node, view, height, now));
        if (known->at == 0)
                return node->at == 0 ? !view->is_decisive : is_within_node;
        /* Where it went backwards by mistake, it comes back. */
        struct plausible before = {.height = known->before, .at = known->before_at, .usec_per_block = known->usec_per_block};
        bool may_come_back = before.at != 0 && now - before.at < PLAUSIBLE_LONG_US && is_within(&before, view, height, now);
        return height >= known->height &&
               (is_within(known, view, height, now) || may_come_back || (view->is_fresh && is_within_node));
}

/* Can the node have come so far since? */
static bool is_within(const struct plausible *from, const struct plausible_view *view, uint64_t height, uint64_t now) {
        double elapsed = now > from->at ? (double) (now - from->at) : 0;
        double usec_per_block =
                        from->usec_per_block > 0 ? from->usec_per_block / TIMES_THE_RATE : USEC_PER_BLOCK_UNKNOWN / TIMES_THE_RATE;
        if (view->is_told && usec_per_block > USEC_PER_BLOCK_TOLD)
                usec_per_block = USEC_PER_BLOCK_TOLD;
        if (usec_per_block < USEC_PER_BLOCK_LEAST)
                usec_per_block = USEC_PER_BLOCK_LEAST;
        if (height <= from->height || view->is_rare)
                return height <= from->height + 1;
        return (double) (height - from->height) <= (view->is_told ? SLACK_TOLD : SLACK) + elapsed / usec_per_block;
}

static void accept(struct plausible *known, uint64_t height, uint64_t now) {
        bool has_moved = known->at != 0 && height > known->height;
        if (known->doubt.n > 0 && known->doubt.last == height && known->doubt.last > known->doubt.first)
                /* Out of doubt: what was measured before it does not hold any more. */
                known->usec_per_block = (double) (now - known->doubt.since) / (double) (height - known->doubt.first);
        else if (has_moved && now > known->moved_at) {
                double usec = (double) (now - known->moved_at) / (double) (height - known->height);
                known->usec_per_block = known->usec_per_block > 0 ? known->usec_per_block * 0.9 + usec * 0.1 : usec;
        }
        if (known->at == 0 || height != known->height)
                known->moved_at = now;
        if (known->at != 0 && height < known->height) {
                known->before = known->height;
                known->before_at = known->at;
        }
        known->height = height;
        known->at = now;
        known->doubt.n = 0;
}

/* True: it has been said often enough. */
static bool doubt(struct plausible *known, uint64_t height, uint64_t now) {
        bool was_behind = known->doubt.last < known->height, is_behind = height < known->height;
        double fastest = SLACK + (double) (now - known->doubt.at) / USEC_PER_BLOCK_LEAST;
        bool agrees = known->doubt.n > 0 && height >= known->doubt.last && was_behind == is_behind &&
                      (double) (height - known->doubt.last) <= fastest;
        if (!agrees) {
                known->doubt.n = known->doubt.advances = 0;
                known->doubt.first = height;
                known->doubt.since = now;
        }
        known->doubt.advances += agrees && height > known->doubt.last;
        known->doubt.n++;
        known->doubt.last = height;
        known->doubt.at = now;
        uint64_t lasted = now - known->doubt.since;
        if (known->doubt.n < PLAUSIBLE_TIMES || lasted < PLAUSIBLE_TIME_US)
                return false;
        return is_behind || known->at == 0 || known->doubt.advances >= PLAUSIBLE_TIMES - 1 || lasted >= PLAUSIBLE_LONG_US;
}
