/* Threads that the gate of `kind: uprobe` has stopped stay where they are whoever sends SIGCONT (bpf/stay.bpf.c, bpf/wake.bpf.c). The programs are the
 * keeper's too: they hold while there is no director. */
#pragma once

#include "context.h"

#define GATE_STAY_LINKS 2

struct gate_stay {
        int link_fds[GATE_STAY_LINKS]; /* -1: not attached */
        char complaint[200];           /* why there are none; "": there are, or none are wanted */
};

struct stay_bpf;
struct wake_bpf;

void gate_stay_init(struct gate_stay *stay);

/* A descriptor that the keeper had stored; 1 if it was one of these (ownership taken). */
int gate_stay_adopt_stored(struct gate_stay *stay, const char *name, int fd);

/* On the gate's maps of threads and of who stands. Where it cannot be, stay->complaint and the log say why, and what that costs. */
void gate_stay_open(struct director *director, struct gate_stay *stay, int threads_map, int stopped_map);

/* The programs alone, loaded and attached: those that run in the thread itself, and the second best, which run where it is woken and where
 * it gets a processor. Errors are the kernel's, which may not know how. stay_bpf__destroy(), wake_bpf__destroy(). */
int gate_stay_in_thread(int threads_map, int stopped_map, struct stay_bpf **ret_programs);
int gate_stay_at_wake(int threads_map, int stopped_map, struct wake_bpf **ret_programs);
