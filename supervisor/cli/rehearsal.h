/* The place of a rehearsal: a snapshot of the live state, and a supervisor of its own that runs on it where nothing can get out. Needs root.
 * What takes long is broken off by an interrupt (interrupt.h), for which rehearsal_end() then has to be called.
 * Functions return 0 or a negative errno with *ret_error (malloc'ed), a sentence for the operator. */
#pragma once

#include "../lib/config.h"
#include <limits.h>

#define REHEARSAL_SNAPSHOT "rehearsal" /* its name, beside the state */

struct rehearsal {
        struct config *config;
        char directory[64];              /* scratch: state, run, node.yaml, log */
        int lock_fd;                     /* it, locked for as long as this process lives */
        char state_dir[96], run_dir[96]; /* of the rehearsing supervisor */
        char config_path[96], log[96];
        char snapshot[PATH_MAX]; /* not empty: it, or a part of it, may be there */
        bool has_snapshot;
        uint64_t frozen_us; /* how long the live node stood still for the snapshot */
        char cgroup[48];
        char *cgroup_path;
        int cgroup_fd, parent_cgroup_fd;
        int pid, pidfd; /* of the rehearsing supervisor; -1: none */
};

/* What rehearsal_prepare() begins with, and rehearsal_end() may be given. */
#define REHEARSAL_NONE \
        ((struct rehearsal){.pid = -1, .pidfd = -1, .cgroup_fd = -1, .parent_cgroup_fd = -1, .lock_fd = -1})

/* Reads the configuration and makes the scratch folder, with the release from RELEASES_DIR and a configuration that starts it. */
int rehearsal_prepare(struct rehearsal *rehearsal, const char *config_path, const char *releases_dir,
                const char *version, char **ret_error);

/* Takes the snapshot while the process's cgroup is frozen (btrfs needs no standing still). PID 0: nothing runs. SUPERVISOR is the live node's. */
int rehearsal_snapshot(struct rehearsal *rehearsal, int pid, int supervisor, char **ret_error);

/* Starts the supervisor in namespaces of its own: no network but loopback, the snapshot where the state is. */
int rehearsal_start(struct rehearsal *rehearsal, char **ret_error);

/* Bytes that the snapshot takes on disk by itself. */
uint64_t rehearsal_size(const struct rehearsal *rehearsal);

/* Ends and removes everything. May be called at any time. */
void rehearsal_end(struct rehearsal *rehearsal);
