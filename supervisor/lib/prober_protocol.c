#include "prober_protocol.h"

#define TYPE(name, body, least, most) \
        { name, sizeof(struct body), least, most, #name }
#define EMPTY(name) \
        { name, 0, 0, 0, #name }

const struct wire_type prober_requests[] = {
                TYPE(PROBER_CHECK, prober_check, 1, 1),
                TYPE(PROBER_CANCEL, prober_cancel, 0, 0),
                TYPE(PROBER_WATCH_LOG, prober_watch_log, 1, 1),
                TYPE(PROBER_WATCH_NOTIFY, prober_watch_notify, 1, 1),
                TYPE(PROBER_READ_TEXT, prober_read_text, 1, 1),
                TYPE(PROBER_FORGET, prober_forget, 0, 0),
                EMPTY(PROBER_PING),
};
const size_t n_prober_requests = ELEMENTS(prober_requests);

const struct wire_type prober_answers[] = {
                TYPE(PROBER_READY, prober_ready, 0, 0),
                TYPE(PROBER_RESULT, prober_result, 0, 0),
                TYPE(PROBER_HEIGHT, prober_height, 0, 0),
                TYPE(PROBER_NOTIFIED, prober_notified, 0, 0),
                TYPE(PROBER_GATE, prober_gate, 0, 0),
                TYPE(PROBER_HALTED, prober_height, 0, 0),
                TYPE(PROBER_LOG_ENDED, prober_log_ended, 0, 0),
                EMPTY(PROBER_PONG),
};
const size_t n_prober_answers = ELEMENTS(prober_answers);
