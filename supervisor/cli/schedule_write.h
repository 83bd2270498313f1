/* The schedule of a node that does not run: root writes it into the journal. */
#pragma once

#include "../lib/schedule_change.h"
#include "node.h"

/* Checks the change and writes it. Exit status. */
int schedule_write(const struct node *node, struct schedule_change *change);

/* The journal gave error R. Exit status. */
int schedule_explain_journal(const struct node *node, int r);
