/* What the programs that keep a stopped thread have in common: who is to stay. For BPF programs only. */
#pragma once

#include "gate_stands.h"

enum stay_outcome { STAY_STOPPED_ANEW, STAY_STOP_FAILED, STAY_OUTCOMES };

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, STAY_OUTCOMES);
        __type(key, __u32);
        __type(value, __u64);
} stay_counters SEC(".maps");

static __always_inline const struct gate_event *find(__u32 kernel_thread, __u32 kernel_process) {
        const __u32 *thread = bpf_map_lookup_elem(&gate_threads, &kernel_thread);
        const struct gate_event *event = thread ? bpf_map_lookup_elem(&gate_stopped, thread) : 0;
        return event && event->stopped == GATE_STANDS && event->kernel_thread == kernel_thread &&
                                               event->kernel_process == kernel_process
                               ? event
                               : 0;
}

static __always_inline int note(long error) {
        __u32 outcome = error == 0 ? STAY_STOPPED_ANEW : STAY_STOP_FAILED;
        __u64 *value = bpf_map_lookup_elem(&stay_counters, &outcome);
        if (value)
                (*value)++;
        return 0;
}
