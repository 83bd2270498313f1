#include "schedule_write.h"

#include "../lib/log.h"

int schedule_explain_journal(const struct node *node, int r) {
        log_errno(r, "cannot write the schedule into %s: nothing was changed", node->journal);
        return EXIT_FAILED;
}

int schedule_write(const struct node *node, struct schedule_change *change) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        char why[512];
        int status = node_write_journal(node, &journal);
        if (status != 0)
                return status;
        int r = schedule_change_read(journal, change);
        if (r < 0)
                return schedule_explain_journal(node, r);
        if (schedule_change_check(change, why, sizeof(why)) < 0) {
                log_error("%s", why);
                return EXIT_FAILED;
        }
        /* Where the node is and what it counts in is not known while it does not run. */
        r = schedule_change_write(journal, change, UNIT_HEIGHT, UINT64_MAX);
        return r < 0 ? schedule_explain_journal(node, r) : 0;
}
