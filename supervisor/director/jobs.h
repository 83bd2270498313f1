/* Short-lived processes that the director has the keeper start: archivists (verify, snapshots), fetchers and readers
 * (schedules), and the operator's commands (probes and heights of kind exec). Their results come as events of the machine or go to the probing. */
#pragma once

#include "context.h"

/* Finds out which snapshot is possible; sets director->settings.snapshot. */
void jobs_plan_snapshot(struct director *director);

void jobs_snapshot(struct director *director);
void jobs_rehearse(struct director *director);
void jobs_restore(struct director *director);
void jobs_drop_snapshot(struct director *director, uint64_t swap);

/* Of swaps that are over: a keeper that was killed, or the end of the supervisor, may have come before they were removed. What the
 * journal knows nothing of is set aside. */
void jobs_sweep_snapshots(struct director *director);

/* Runs a command as the node's user. How it ended and what it printed go to probing_command_done(). -ENOENT: there is none of
 * this name; -EBUSY: too many run just now. */
int jobs_run_command(struct director *director, enum job_kind kind, char *const *command, uint64_t generation, size_t probe,
                uint64_t timeout_us);

/* The keeper has made a helper's process, which waits before its exec: what it will ask is aimed. */
void jobs_spawned(struct director *director, const struct keeper_generation *known, int cgroup_fd);

/* Its command could not be executed. */
void jobs_not_started(struct director *director, const struct keeper_started *started);

/* The helper waits before its exec, and is let go. */
void jobs_may_begin(struct director *director, uint64_t number);

/* The keeper says that a helper or archivist has ended. */
void jobs_exited(struct director *director, const struct keeper_exited *exited);

/* The call that a document is read for is gone: what comes of it is dropped. */
void jobs_forget_caller(struct director *director, const sd_bus *bus);

/* Kills and forgets what a director before this one had started. */
void jobs_sweep(struct director *director, const struct keeper_generation *known);
