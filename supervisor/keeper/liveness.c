#include "liveness.h"

#include "../lib/log.h"

/* It may rightly be busy for long: with a slow disk, or with the symbols of a large file. */
#define LIMIT_US (30 * USEC_PER_SEC)
/* Where the whole machine stood still (a paused container, a virtual machine that was moved), the answer and the end of the limit
 * come at once. */
#define GRACE_US (10 * USEC_PER_SEC)
#define ACCURACY_US USEC_PER_SEC /* so that it wakes up together with others */

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata) {
        struct keeper *keeper = userdata;
        (void) usec;
        if (keeper->director.pid == 0)
                return 0; /* asked again when the next one is there */
        if (keeper->silences > 1) {
                log_error("the director (process %d) has not answered for %lu s, so it hangs: killing it", keeper->director.pid,
                                (LIMIT_US + GRACE_US) / USEC_PER_SEC);
                (void) kill(keeper->director.pid, SIGKILL);
                return 0;
        }
        /* Never waits: a director that hangs reads nothing. */
        if (keeper->silences == 0 && keeper->is_set_up)
                (void) wire_try_send(keeper->director_link, KEEPER_PING, NULL, 0, NULL, 0);
        keeper->silences += keeper->is_set_up;
        (void) sd_event_source_set_time_relative(source, keeper->silences > 1 ? GRACE_US : LIMIT_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int liveness_watch(struct keeper *keeper) {
        keeper->silences = 0;
        keeper->liveness_timer = sd_event_source_disable_unref(keeper->liveness_timer);
        return sd_event_add_time_relative(keeper->event, &keeper->liveness_timer, CLOCK_MONOTONIC, LIMIT_US, ACCURACY_US, on_limit,
                        keeper);
}

void liveness_on_answer(struct keeper *keeper) {
        keeper->silences = 0;
}
