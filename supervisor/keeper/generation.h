/* The table of processes that the keeper made: nodes, helpers, archivists. */
#pragma once

#include "context.h"

struct generation *generation_find(struct keeper *keeper, uint32_t kind, uint64_t number);

/* Makes the cgroup, clones, watches. The answer to the director's request is the return value: pid or -errno. */
int generation_spawn(struct keeper *keeper, const struct keeper_spawn *request, const int *fds, size_t n_fds);

/* Kill, freeze, thaw. -ESRCH: no such generation. */
int generation_control(struct keeper *keeper, const struct keeper_cgroup *request);

/* Removes record and cgroup. -EBUSY: processes are left in it. */
int generation_forget(struct keeper *keeper, uint32_t kind, uint64_t number);

/* The process PID has ended; 1 if it was one of ours. */
int generation_reaped(struct keeper *keeper, const siginfo_t *how);

/* Tells the director what is known of this one / of all. */
int generation_tell_one(struct generation *generation);
int generation_tell(struct keeper *keeper);

/* Kills everything, waits until all cgroups are empty and removes them. */
void generation_end_all(struct keeper *keeper);
