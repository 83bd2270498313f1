/* Which node is meant, where its files are, who supervises it. Functions that are commented "exit status"
 * have told the operator what is wrong if it is not 0. Thread safe: no state. */
#pragma once

#include "../lib/config.h"
#include "../lib/control_protocol.h"
#include "../lib/journal.h"
#include "arguments.h"

struct node {
        char name[NODE_NAME_MAX];
        char *state; /* STATE/NODE */
        char *run;   /* RUN/NODE */
        char *releases;
        char *journal;
        char *lock;
        char *control;
};

void node_done(struct node *node);

/* The node that was named, or the only one there is: a folder under the run directory with a lock or a
 * control socket, or a folder under the state directory. MAY_BE_NEW: a named node need not exist yet. Exit
 * status. */
int node_find(const struct arguments *arguments, bool may_be_new, struct node *ret_node);

/* Whether there is a node of this name, under either directory. */
bool node_exists(const struct arguments *arguments, const char *name);

/* The names of all nodes there are, sorted; at least one. Exit status; *ret_names is the caller's. */
int node_list(const struct arguments *arguments, char ***ret_names);

/* The process that holds the node's lock; 0: nobody supervises it. Looks it up in /proc/locks, because
 * taking the lock even for a moment could turn a keeper away that is just starting. */
int node_supervisor(const struct node *node);

/* The journal for reading. A node without one has an empty past: *ret_journal is NULL. Exit status. */
int node_open_journal(const struct node *node, struct journal **ret_journal);

/* Makes the state folder where it is missing, and lets the director have it and what the command writes
 * there. Exit status; not root: EXIT_NOT_PERMITTED. */
int node_make_state(const struct arguments *arguments, const struct node *node);

/* The journal for writing, while nobody supervises the node. Exit status. */
int node_write_journal(const struct node *node, struct journal **ret_journal);

/* A text under one of the journal's keys, malloc'ed; NULL: it is not known. JOURNAL may be NULL. */
char *node_note(struct journal *journal, const char *key);

/* Where the configuration lay when the node was started last, or before its first start has to lie: malloc'ed; NULL: out of memory. */
char *node_config_path(const struct node *node, struct journal *journal);

/* That path, if a file is there, else "CONFIG", for whoever is told to run it. Gives TEXT. */
const char *node_config(const struct node *node, char *text, size_t size);

/* Tells the operator that the node does not run; gives EXIT_NO_NODE. */
int node_not_running(const struct node *node);
