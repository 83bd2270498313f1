#include "schedule_change.h"

static int check_sequence(const struct schedule_change *change, char *why, size_t size);
static int check_rule(const struct schedule_change *change, const struct boundary_rule *rule, char *why,
                size_t size);
static int remove_missing(struct journal *journal, const struct schedule_change *change, uint32_t unit,
                uint64_t height);

int schedule_change_read(struct journal *journal, struct schedule_change *change) {
        uint64_t sequence;
        int r = journal_document_get(journal, &change->document);
        return r < 0 ? r : journal_boundary_list(journal, &change->present, &change->n_present, &sequence);
}

void schedule_change_done(struct schedule_change *change) {
        free(change->present);
        change->present = NULL;
        change->n_present = 0;
}

const struct journal_boundary *schedule_change_present(
                const struct schedule_change *change, const struct boundary_rule *rule) {
        for (size_t i = 0; i < change->n_present; i++)
                if (boundary_is_same_point(&change->present[i].rule, rule))
                        return &change->present[i];
        return NULL;
}

int schedule_change_check(const struct schedule_change *change, char *ret_why, size_t why_size) {
        int r = check_sequence(change, ret_why, why_size);
        if (r >= 0 && change->n + change->n_present > BOUNDARIES_MAX) {
                (void)snprintf(ret_why, why_size, "a schedule has at most %d boundaries", BOUNDARIES_MAX);
                return -EINVAL;
        }
        for (size_t i = 0; r >= 0 && i < change->n; i++)
                r = check_rule(change, &change->rules[i], ret_why, why_size);
        return r;
}

int schedule_change_write(struct journal *journal, const struct schedule_change *change, uint32_t unit,
                uint64_t height) {
        bool is_whole = change->sequence != SCHEDULE_NO_SEQUENCE;
        int r = journal_begin(journal);
        if (r >= 0)
                r = remove_missing(journal, change, unit, height);
        for (size_t i = 0; r >= 0 && i < change->n; i++)
                r = journal_boundary_set(journal, &change->rules[i]);
        if (r >= 0 && is_whole)
                r = journal_document_set(journal, change->sequence);
        if (r >= 0)
                return journal_commit(journal);
        journal_abort(journal);
        return r;
}

/* An edition of the same number may come again, but say nothing else. */
static int check_sequence(const struct schedule_change *change, char *why, size_t size) {
        char line[BOUNDARY_TEXT_MAX];
        if (change->sequence == SCHEDULE_NO_SEQUENCE || change->document == SCHEDULE_NO_SEQUENCE ||
                        change->sequence > change->document)
                return 0;
        if (change->sequence < change->document) {
                (void)snprintf(why, size,
                                "sequence %lu is older than %lu, which is in force: an old schedule is not "
                                "taken again",
                                change->sequence, change->document);
                return -ESTALE;
        }
        for (size_t i = 0; i < change->n; i++) {
                const struct journal_boundary *present = schedule_change_present(change, &change->rules[i]);
                if (present && boundary_is_same(&present->rule, &change->rules[i]))
                        continue;
                boundary_format(&change->rules[i], line, sizeof(line));
                (void)snprintf(why, size,
                                "sequence %lu is in force already, without \"%.200s\": a schedule that says "
                                "something else needs a higher "
                                "number",
                                change->sequence, line);
                return -ESTALE;
        }
        return 0;
}

static int check_rule(const struct schedule_change *change, const struct boundary_rule *rule, char *why,
                size_t size) {
        char first[BOUNDARY_TEXT_MAX], second[BOUNDARY_TEXT_MAX];
        const struct journal_boundary *present = schedule_change_present(change, rule);
        if (boundary_check(rule) < 0) {
                (void)snprintf(why, size,
                                "%.*s is not a version range that a boundary can have; write it like "
                                "\">=1.4.0 <2.0.0\"",
                                (int)sizeof(rule->range) - 1, rule->range);
                return -EINVAL;
        }
        if (!present || boundary_is_same(&present->rule, rule) || change->sequence != SCHEDULE_NO_SEQUENCE)
                return 0;
        boundary_format(&present->rule, first, sizeof(first));
        boundary_format(rule, second, sizeof(second));
        (void)snprintf(why, size,
                        "\"%.200s\" stands there already and \"%.200s\" cannot stand there too; to replace "
                        "it, first `interrex schedule "
                        "remove`",
                        first, second);
        return -EEXIST;
}

bool schedule_change_replaces(const struct schedule_change *change, const struct journal_boundary *present) {
        for (size_t i = 0; i < change->n; i++)
                if (boundary_is_same_point(&change->rules[i], &present->rule))
                        return true;
        return false;
}

static uint64_t first_of(const struct schedule_change *change, uint32_t unit) {
        uint64_t first = UINT64_MAX;
        for (size_t i = 0; i < change->n; i++)
                if (change->rules[i].unit == unit && change->rules[i].at < first)
                        first = change->rules[i].at;
        return first;
}

/* What lies ahead and is not among the rules goes; what lies behind is what a late joiner must know. */
bool schedule_change_removes(const struct schedule_change *change, const struct journal_boundary *present,
                uint32_t unit, uint64_t height) {
        uint64_t at = present->rule.unit == unit ? present->rule.at : present->height;
        uint64_t kept = height != UINT64_MAX ? height : first_of(change, present->rule.unit);
        return change->sequence != SCHEDULE_NO_SEQUENCE && !schedule_change_replaces(change, present) &&
               at > kept;
}

static int remove_missing(struct journal *journal, const struct schedule_change *change, uint32_t unit,
                uint64_t height) {
        int r = 0;
        for (size_t i = 0; r >= 0 && i < change->n_present; i++)
                if (schedule_change_removes(change, &change->present[i], unit, height))
                        r = journal_boundary_remove(journal, &change->present[i].rule);
        return r;
}
