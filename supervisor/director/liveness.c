#include "liveness.h"

#include "../lib/log.h"
#include "journal_place.h"
#include "keeper_link.h"
#include <poll.h>

/* The keeper's next question may come soon after this one, if this one was answered late. */
#define PROBER_LIMIT_US (20 * USEC_PER_SEC)

static bool has_something_to_say(const struct director *director) {
        struct pollfd link = {.fd = director->prober, .events = POLLIN};
        return poll(&link, 1, 0) != 0;
}

static void judge_prober(struct director *director) {
        uint64_t now = now_monotonic(), since = now - director->prober_asked_at;
        if (director->prober < 0)
                return;
        if (director->prober_asked_at == 0) {
                /* Where its queue is full it has enough to answer already. */
                (void) wire_try_send(director->prober, PROBER_PING, NULL, 0, NULL, 0);
                director->prober_asked_at = now;
        } else if (since >= PROBER_LIMIT_US && !has_something_to_say(director)) {
                log_error("the prober has not answered for %lu s, so it hangs: having it killed", since / USEC_PER_SEC);
                keeper_tell(director, KEEPER_KILL_PROBER, NULL, 0, NULL, 0);
                director->prober_asked_at = 0;
        }
}

void liveness_on_ping(struct director *director) {
        keeper_tell(director, KEEPER_PONG, NULL, 0, NULL, 0);
        judge_prober(director);
        (void) journal_place_check(director);
}

void liveness_note_prober(struct director *director) {
        director->prober_asked_at = 0;
}
