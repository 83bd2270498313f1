/* The operator's own way of taking snapshots: `state.snapshot: hook`. */
#pragma once

#include "../lib/base.h"

/* Runs HOOK with VERB (take, restore, remove), NAME and DIRECTORY appended, in this process's environment,
 * user and capabilities; what it writes goes to stderr. 0 if it exits with 0; -EREMOTEIO otherwise (also
 * when it cannot be executed), its last line in the text. Waits without a deadline: the caller of this
 * process has one. */
int hook_run(char *const *hook, const char *verb, const char *name, const char *directory, char **ret_error);
