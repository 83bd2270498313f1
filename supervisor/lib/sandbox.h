/* What a process gives up once it is set up: capabilities, uid, and every system call it does not need. */
#pragma once

#include "base.h"
#include <sys/capability.h>
#include <sys/types.h>

/* Becomes uid/gid for good, keeping exactly the N capabilities (permitted and effective; none inheritable or
 * ambient), with an empty bounding set, no_new_privs and core dumps off. -errno. */
int sandbox_become(uid_t uid, gid_t gid, const cap_value_t *capabilities, size_t n_capabilities);

/* Keeps the uid; reduces permitted, effective and bounding set to the N capabilities. -errno. */
int sandbox_keep_capabilities(const cap_value_t *capabilities, size_t n_capabilities);

/* Loads a filter that allows exactly the named system calls (NULL-terminated); a name that this architecture
 * does not know is skipped. Any other call ends the process with SIGSYS, so that it is seen, unless
 * it is in DENIED (NULL-terminated, may be NULL), which fails with EPERM. -errno. */
int sandbox_allow_calls(const char *const *allowed, const char *const *denied);

/* The same, and openat(2) for reading only; with other flags it ends the process too. */
int sandbox_allow_calls_and_reading(const char *const *allowed, const char *const *denied);

/* Lowers for good what the process may use: bytes of memory, seconds of processor time, bytes of one file, descriptors. No core
 * dumps, and nobody of the same user may look into it. -errno. */
int sandbox_limit(size_t memory, unsigned seconds, size_t file, unsigned n_files);
