/* The configured source of the schedule: a file that is watched, or a URL that is fetched now and then. Whatever goes wrong, the last
 * good schedule stays in force, and the status says so. */
#pragma once

#include "../lib/schedule_reading.h"
#include "context.h"

/* Reads it for the first time, and watches it from then on. */
void source_open(struct director *director);

/* Nothing is known yet of what may run, so the node is started when the source has been read, or has not been for some
 * seconds: recovery_source_is_read(). */
bool source_holds_start(struct director *director);

/* reading_jobs.c: a document has come; one has been read (NULL: ERROR says why not). */
void source_is_fetched(struct director *director, int document_fd, int signature_fd);
void source_is_read(struct director *director, const struct schedule_reading *reading, const char *error);

/* Of a file without a sequence: a boundary that is in force and not in it, and what to do. False: there is none. */
bool source_describe_beside(const struct director *director, char *text, size_t size);

const char *source_name(const struct director *director); /* NULL: none is configured */
const char *source_place(const struct director *director);
/* Seconds since it was last found in order; negative: never. */
double source_age(const struct director *director);
