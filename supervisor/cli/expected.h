/* What of the configuration is about releases, as far as a command that adds or removes one can know it. */
#pragma once

#include "node.h"

struct expected {
        char *command; /* of the configuration as it lies there now; NULL: it cannot be read */
        char *release; /* of it, the one to start with; NULL: it names none, or cannot be read */
        char *config;  /* its path */
        char **keys;   /* trust.keys of either; NULL: none is known */
        char *noted;   /* exec.command as it was when the node was started last; NULL: it never was */
};

/* The configuration is the one with which the node was started last, or before its first start the one in /etc/interrex. */
void expected_find(const struct node *node, struct expected *ret_expected);

/* The trust.keys with which the node was started last, appended to *keys. -ENOENT: it never was. */
int expected_note_keys(struct journal *journal, char ***keys);

void expected_done(struct expected *expected);
