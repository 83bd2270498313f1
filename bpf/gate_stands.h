/* Who stands at the gate: maps of the program that stops and of those that keep who was stopped. For BPF programs only. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_helpers.h>

#define SIGNAL_STOP 19

/* Who was stopped, for a director that comes back and has missed the event. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GATE_STOPPED_MAX);
        __type(key, __u32); /* thread */
        __type(value, struct gate_event);
} gate_stopped SEC(".maps");

/* Where the kernel's number of a thread is all that is known of it: who that is in the map above. Never cleared: what counts stands there. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4 * GATE_STOPPED_MAX);
        __type(key, __u32);
        __type(value, __u32);
} gate_threads SEC(".maps");
