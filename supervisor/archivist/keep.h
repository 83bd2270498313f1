/* The files that are never rolled back: what a validator remembers of its signatures. */
#pragma once

#include "../lib/base.h"

/* Makes every one of ENTRIES (relative paths of files or directories, no links on the way) in the tree TO
 * what it is in FROM, replacing it; directories above are made as they are in FROM. Missing in both: nothing
 * is done. Missing in FROM only: -ESTALE, because what lies in TO is older than its absence, and nobody but
 * the operator can tell whether it may come back. Syncs nothing; may be repeated. */
int keep_carry(int from_root, int to_root, char *const *entries, char **ret_error);
