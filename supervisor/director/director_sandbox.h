/* What the director gives up. */
#pragma once

#include <sys/types.h>

/* Its own user, and of root's capabilities those that the kernel programs, pidfd_getfd and low ports need. */
int director_become(uid_t uid, gid_t gid);

/* The system calls it needs from here on; after everything was opened. */
int director_confine(void);
