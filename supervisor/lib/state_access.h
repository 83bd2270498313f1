/* Can a node's user write to its state directory? By owner and mode; what access lists and capabilities allow beyond is not known. */
#pragma once

#include "base.h"

struct state_user {
        const char *name; /* NULL: root */
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t n_groups;
};

/* True: it cannot, and TEXT says what to do about it. False also where that cannot be seen. */
bool state_access_is_missing(const char *directory, const struct state_user *user, char *text, size_t size);
