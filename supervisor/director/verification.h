/* I7: what is executed is what was verified, at every start. A release is read through once, while its predecessor still runs; from
 * then on it is enough that the kernel tells the same of its files (release_identify()), which takes microseconds. Where that says
 * too little it is read again. */
#pragma once

#include "context.h"
#include <jansson.h>

/* The command of a release that was verified once, by this director or one before it, for whoever looks into the file; -1: none. */
int verification_fd(const struct director *director, const char *release);

/* Its path. Only after verification_holds(), or in unit_spawn_verified(). */
const char *verification_path(const struct director *director, const char *release);

/* It was verified, and nothing of it has changed since, for certain. */
bool verification_holds(const struct director *director, const char *release);

/* The same, but as sure as its file system lets it be: for what was read through a moment ago. */
bool verification_is_unchanged(const struct director *director, const char *release);

/* A descriptor that the keeper had stored; 1 if it was a verified command (ownership taken). */
int verification_adopt_stored(struct director *director, const char *name, int fd);

/* Verifies a release. For a generation that waits to be spawned or to execute, does that then; what fails is told as an event.
 * For generation 0 the machine is told VERIFIED or VERIFY_FAILED. */
void verification_begin(struct director *director, const char *release, uint64_t for_generation);

/* A director that takes over: verifies what may have to be started in a hurry. What fails is only said, the node runs. */
void verification_ahead(struct director *director);

/* Somebody may have been at the files of the release that runs: some stats tell. What is missing is said in the log and in the status
 * (director->unstartable), what was changed is read through again. */
void verification_look(struct director *director);
/* That is under way. */
bool verification_reads_again(const struct director *director);

/* Its manifest and its command are there; nothing is read. False: WHY says what is not, and what to do. */
bool verification_can_open(const struct director *director, const char *release, char *why, size_t size);

/* A job of one of the kinds VERIFY has ended. ERROR is NULL if it has worked. */
void verification_done(struct director *director, struct job *job, const json_t *answer, const char *error);
