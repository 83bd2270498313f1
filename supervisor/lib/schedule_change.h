/* A change of the schedule in the journal: what is there, what is to come, whether that may be, and how it is written. Used by
 * the director while the node runs and by the operator's command while it does not. */
#pragma once

#include "journal.h"
#include "schedule_document.h"

struct schedule_change {
        const struct boundary_rule *rules; /* the caller's */
        size_t n;
        uint64_t sequence; /* SCHEDULE_NO_SEQUENCE: RULES are added to what is there; else they are all that lies ahead */
        struct journal_boundary *present;
        size_t n_present;
        uint64_t document; /* the sequence number of the last one that was taken as a whole */
};

/* Fills in what is there. Errors of the journal. schedule_change_done(). */
int schedule_change_read(struct journal *journal, struct schedule_change *change);
void schedule_change_done(struct schedule_change *change);

/* What is there at the rule's point; NULL: nothing. */
const struct journal_boundary *schedule_change_present(
                const struct schedule_change *change, const struct boundary_rule *rule);

/* One of the rules lies at the point of one that is there. */
bool schedule_change_replaces(const struct schedule_change *change, const struct journal_boundary *present);

/* One of those that are there goes with the change. UNIT and HEIGHT as in schedule_change_write(). */
bool schedule_change_removes(const struct schedule_change *change, const struct journal_boundary *present,
                uint32_t unit, uint64_t height);

/* -EINVAL: a rule is not one, or there are too many; -EEXIST: it contradicts what is there; -ESTALE: the sequence number is
 * too low. *ret_why is a sentence that shows both lines. Pure. */
int schedule_change_check(const struct schedule_change *change, char *ret_why, size_t why_size);

/* In one transaction. UNIT and HEIGHT: what the node counts in and where it is (UINT64_MAX: not known, then what lies before
 * the first of RULES stays). */
int schedule_change_write(struct journal *journal, const struct schedule_change *change, uint32_t unit,
                uint64_t height);
