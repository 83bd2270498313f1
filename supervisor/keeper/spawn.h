/* Makes a process in a cgroup of its own. clone3 with CLONE_INTO_CGROUP and CLONE_PIDFD: Linux 5.7. */
#pragma once

#include "context.h"

/* What the child needs, prepared before the clone, because after it nothing may allocate. */
struct spawn_plan {
        const struct keeper_spawn *request;
        const char *path;              /* shown; executed if the command is a script, else through its descriptor */
        const char *working_directory; /* "" for / */
        char **arguments;              /* NULL-terminated, pointing into the request */
        char **environment;            /* with room for LISTEN_PID at the end */
        const int *fds;                /* command, output, LISTEN_FDS..., gate */
        size_t n_fds;
        bool is_script;
};

/* Checks the request and points into it. -EBADMSG. The plan's vectors are freed by spawn_plan_done(). */
int spawn_plan_make(const struct keeper_spawn *request, const int *fds, size_t n_fds, struct spawn_plan *ret_plan);
void spawn_plan_done(struct spawn_plan *plan);

/* One step's failure, or that the child waits, told by the child before exec. The seccomp listener comes along with
 * "listening". */
enum spawn_report_kind { SPAWN_FAILED = 1, SPAWN_LISTENING, SPAWN_WAITING };

struct spawn_report {
        uint32_t kind;
        int32_t error;
        char step[64];
};

/* Clones into the cgroup. Returns 0 with the pid, its pidfd and the socket on which the child reports; the socket ends
 * when exec has worked. For SPAWN_FENCE_EXEC the child waits for one byte on it. -errno of clone3. */
int spawn_child(struct keeper *keeper, const struct spawn_plan *plan, int cgroup_fd, int *ret_pid, int *ret_pidfd,
                int *ret_status_fd);
