/* Child processes of tests: started, awaited with a deadline, never left behind. Linux 5.4 (waitid on a
 * pidfd). */
#pragma once

#include "lib/base.h"

struct process {
        int pid;   /* 0: none */
        int pidfd; /* -1: none */
};

struct process_start {
        const char *const *arguments; /* NULL-terminated, the first is executed (searched in PATH) */
        const char *const *
                        environment; /* NAME, VALUE, NAME, VALUE, ..., NULL: added to our own; may be NULL */
        int output_fd, error_fd;     /* borrowed; -1: as ours */
        int cgroup_fd;               /* borrowed; the child enters it before exec; -1: stays in ours */
};

/* How many times as slow as usual this machine is (emulation): INTERREX_TEST_PATIENCE; at least 1. */
unsigned process_slowness(void);

/* A deadline for this machine: so many times longer. */
uint64_t process_patience(uint64_t timeout_us);

/* The child gets SIGKILL when the calling thread ends. */
int process_start(const struct process_start *start, struct process *ret_process);

/* Waits for the end, with patience, and reaps. 0: *ret_status is the exit status, or 128 + the signal. -ETIMEDOUT: it still
 * runs. */
int process_wait(struct process *process, uint64_t timeout_us, int *ret_status);

/* Kills, reaps and forgets it, if there is one. */
void process_kill(struct process *process);

/* Returns when a process ends or the time is over, whichever comes first: between two looks at something
 * that cannot be waited for. True: it has ended. */
bool process_ends_within(const struct process *process, uint64_t timeout_us);

struct process_result {
        int status;
        char *output, *error; /* text, never NULL; process_result_done() */
};

/* Runs to the end. -ETIMEDOUT: it was killed. */
int process_run(const struct process_start *start, uint64_t timeout_us, struct process_result *ret_result);
void process_result_done(struct process_result *result);

/* All that is in a file (a memfd, a log), as text; NULL on failure. The caller's to free. */
char *read_whole_fd(int fd);
