/* The files that are never rolled back: what a validator remembers of its signatures. */
#pragma once

#include "archive.h"

/* Makes every entry of state.keep (relative paths of files or directories) in the tree TO what it is in FROM, replacing it; directories
 * above are made as they are in FROM. A symbolic link on the way, at its end or below a directory that is kept is carried, and so is
 * what it leads to within the state directory; outside, nothing is rolled back. One that cannot be followed safely is refused. Missing
 * in FROM only: -ESTALE, because what lies in TO is older than its absence, and nobody but the operator can tell whether it may come
 * back. Missing in both: nothing is done, but where the node signs with these files -ENOENT, because then it is not known what holds
 * its signatures. Syncs nothing; may be repeated. */
int keep_carry(const struct archive *archive, int from_root, int to_root);
