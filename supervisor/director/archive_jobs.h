/* What archivists are started for and what their answers mean. */
#pragma once

#include "context.h"

/* jobs.c: starts one; NULL if that failed (logged). EXTRA_FD (or -1) becomes its descriptor 3. */
struct job *jobs_start_archivist(struct director *director, enum job_kind kind, char *const *arguments, int extra_fd);

/* An archivist has ended; its answer is in job->output. */
void archive_job_done(struct director *director, struct job *job, const struct keeper_exited *exited);
