/* Keeps a thread that the gate has stopped where it is, until the director lets it go. Before the keeper has parked it, it stands by
 * SIGSTOP alone: any SIGCONT, be it from outside or the keeper's own for another thread of the process, would set it going or take
 * back a stop that it has not come to yet.
 *
 * The first two programs run in the thread itself, before it is in the node's code again: when it has looked for signals, and when it
 * has left the probe, whose single step it takes without looking for any. They stop it anew, and nothing gets past them. (fexit: Linux
 * 5.5 with CONFIG_DEBUG_INFO_BTF and ftrace's direct calls; get_signal() and uprobe_notify_resume() are no stable interface, but have
 * been there since 2.6 and 3.5.)
 *
 * The others are for kernels that cannot have these: as the thread is woken, and as it gets a processor again, it is sent the stop,
 * which it finds before it leaves the kernel, unless an interrupt comes late. What takes back a stop in the microseconds before the
 * thread has come to it is not seen so. (bpf_send_signal_task: Linux 6.13.) */
#include <linux/bpf.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_helpers.h>

#define SIGNAL_STOP 19

enum pid_type { PIDTYPE_PID };

/* Only what is read. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
        int pid, tgid;
};
#pragma clang attribute pop

extern int bpf_send_signal_task(struct task_struct *task, int signal, enum pid_type type, __u64 value) __ksym __weak;

/* The gate's own. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4 * GATE_STOPPED_MAX);
        __type(key, __u32);
        __type(value, __u32);
} gate_threads SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GATE_STOPPED_MAX);
        __type(key, __u32); /* thread */
        __type(value, struct gate_event);
} gate_stopped SEC(".maps");

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

static __always_inline int stay(void) {
        __u64 number = bpf_get_current_pid_tgid();
        const struct gate_event *event = find((__u32) number, (__u32) (number >> 32));
        if (!event || event->cgroup != bpf_get_current_cgroup_id())
                return 0;
        return note(bpf_send_signal_thread(SIGNAL_STOP));
}

SEC("fexit/get_signal")
int on_signals_taken(void *ctx) {
        (void) ctx;
        return stay();
}

SEC("fexit/uprobe_notify_resume")
int on_probe_left(void *ctx) {
        (void) ctx;
        return stay();
}

static __always_inline int stop_from_outside(struct task_struct *thread) {
        if (!find(thread->pid, thread->tgid) || !bpf_send_signal_task)
                return 0;
        return note(bpf_send_signal_task(thread, SIGNAL_STOP, PIDTYPE_PID, 0));
}

/* (thread) */
SEC("tp_btf/sched_waking")
int on_woken(__u64 *ctx) {
        return stop_from_outside((struct task_struct *) ctx[0]);
}

/* (preempt, previous, next, state) */
SEC("tp_btf/sched_switch")
int on_processor(__u64 *ctx) {
        return stop_from_outside((struct task_struct *) ctx[2]);
}

char LICENSE[] SEC("license") = "GPL";
