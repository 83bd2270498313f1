/* Can a node's user write to its state directory, and is there what it is to keep? By owner and mode; what access lists and capabilities
 * allow beyond is not known. */
#pragma once

#include "config.h"

struct state_user {
        const char *name; /* NULL: root */
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t n_groups;
};

/* True: it cannot, and TEXT says what to do about it. False also where that cannot be seen. */
bool state_access_is_missing(const char *directory, const struct state_user *user, char *text, size_t size);

/* True: the node signs with files of state.keep, and one that is named there is not below its state directory, which is; TEXT says so.
 * A node that has never run may still make it. */
bool state_keep_is_missing(const struct state_config *state, char *text, size_t size);
