/* Which system calls the prober keeps. */
#pragma once

/* Loads the filter, for good. It needs no_new_privs (sandbox_become) or CAP_SYS_ADMIN. -errno. */
int prober_confine(void);
