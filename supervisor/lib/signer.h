/* Does the node sign? Its configuration says so, or nothing; then its state directory is looked at, because a signer whose state is
 * rolled back signs again what it has signed (I8). A mark tells that it may sign, never that it does not. */
#pragma once

#include "config.h"

/* The first known file or directory of a signer below the directory, relative to it; static. NULL: none. Only names at fixed places
 * are looked for; nothing is opened. */
const char *signer_find_mark(int directory_fd);

/* What is to be done: as configured, or, where nothing is, INSIDE if MARK (may be NULL or "") or the node's role tells that it
 * signs, else NONE. */
enum signer_kind signer_assume(const struct config *config, const char *mark);

/* Why it is assumed to sign although nobody said so, what follows, and what to write. False: nothing is assumed, and TEXT is
 * untouched. */
bool signer_describe(const struct config *config, const char *mark, char *text, size_t size);
