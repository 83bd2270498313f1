/* What the keeper gives up. */
#pragma once

/* -errno. */
int keeper_sandbox(void);
