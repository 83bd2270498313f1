/* A node that stands still for no longer than who asked for it lives. */
#pragma once

#include "../lib/base.h"

struct freeze {
        int cgroup_fd; /* -1: nobody stands still */
        int hold_fd;   /* closing it lets the node run on: no other process may have it */
        int watcher;
        uint64_t begun_at;
};

#define FREEZE_NONE ((struct freeze){.cgroup_fd = -1, .hold_fd = -1})

/* Freezes the cgroup of process PID. SUPERVISOR is the process that supervises it. When this process ends, however it does, the node runs
 * on. 0 or a negative errno, and then it runs. */
int freeze_begin(int pid, int supervisor, struct freeze *ret_freeze);

/* Lets it run on; gives for how long it stood still. */
uint64_t freeze_end(struct freeze *freeze);
