/* The other two processes: started, and started again when they die. */
#pragma once

#include "context.h"

/* Each makes its end of the link, execs this program in the role and tells the director what it must know. */
int roles_start_director(struct keeper *keeper);
int roles_start_prober(struct keeper *keeper);

/* A role's process has ended; 1 if it was one. */
int roles_reaped(struct keeper *keeper, const siginfo_t *how);

void roles_kill_prober(struct keeper *keeper);
void roles_end(struct keeper *keeper);
