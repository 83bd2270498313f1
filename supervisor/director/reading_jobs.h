/* Documents that strangers wrote: fetchers bring them, readers look into them, and here their results are looked through. The
 * director itself reads none. */
#pragma once

#include "../lib/schedule_reading.h"
#include "context.h"

/* jobs.c: starts a fetcher or a reader, whose descriptors from 3 on are FDS; NULL if that failed (logged). */
struct job *jobs_start_reading(struct director *director, enum job_kind kind, char *const *arguments, const int *fds, size_t n_fds,
                uint64_t timeout_us);

struct reading_request {
        enum reading_kind kind;
        bool is_checked; /* one of trust.keys, if there are any, must have signed it */
        bool needs_sequence;
        int document_fd, signature_fd; /* the caller's; -1: there is none */
        sd_bus_message *asked_by;      /* NULL: the source */
};

/* The result goes to source_is_read() or schedule_import_is_read(). -errno: no process can be started. */
int reading_jobs_read(struct director *director, const struct reading_request *request);

/* For the source, whose document is then read as REQUEST says. SIGNATURE_URL may be NULL. */
int reading_jobs_fetch(struct director *director, const char *url, const char *signature_url);

/* A fetcher or a reader has ended. */
void reading_job_done(struct director *director, struct job *job, const struct keeper_exited *exited);
