#include "record.h"

int record_write(struct director *director, const struct record *record) {
        return journal_set(director->journal, JOURNAL_MACHINE, record, sizeof(*record));
}
