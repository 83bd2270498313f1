/* Owner, mode, times, extended attributes (ACLs among them) from one file to its copy. */
#pragma once

#include "../lib/base.h"
#include <sys/stat.h>

/* Of files and directories, ST being the original's. -errno. */
int metadata_copy(int from_fd, int to_fd, const struct stat *st);

/* Of links and fifos, which cannot be opened: no attributes. */
int metadata_set_at(int to_fd, const char *to_name, const struct stat *st);
