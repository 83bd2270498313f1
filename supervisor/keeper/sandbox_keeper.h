/* What the keeper gives up. */
#pragma once

/* -errno. */
int keeper_sandbox(void);

/* Says which capabilities are missing and what for. -EPERM: one that interrex cannot start without. */
int keeper_check_capabilities(void);
