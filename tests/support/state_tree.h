/* A state directory with everything in it that a snapshot can lose, and a text that says all that must not
 * be lost. */
#pragma once

#include "../../supervisor/lib/base.h"

/* Fills an empty directory; as root, also with files of other owners. Fails the test if it cannot. */
void state_tree_fill(const char *directory);

/* Owned by the caller: a line for each entry, in order of its path. The names in LEFT_OUT (NULL-terminated,
 * may be NULL) and what lies below them do not appear; "." is the top's own line. NULL: the directory does
 * not exist. */
char *state_tree_describe(const char *directory, const char *const *left_out);

void state_tree_write(const char *directory, const char *path, const char *text);
/* The file's text, owned by the caller; "(missing)" if there is none. */
char *state_tree_read(const char *directory, const char *path);
