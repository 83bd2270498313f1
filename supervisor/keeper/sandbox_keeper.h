/* What the keeper gives up. */
#pragma once

/* -errno. */
int keeper_sandbox(void);

/* Says which capabilities are missing without which interrex cannot start, and what for. -EPERM: one is. What lacks the others
 * says so when it is asked for, and `interrex doctor` says it before. */
int keeper_check_capabilities(void);
