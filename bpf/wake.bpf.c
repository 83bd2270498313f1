/* As stay.bpf.c, for kernels that cannot have that: as a thread that stands at the gate is woken, and as it gets a processor again, it is
 * sent the stop, which it finds before it leaves the kernel, unless an interrupt comes late. What takes back a stop in the microseconds
 * before the thread has come to it is not seen so. (bpf_send_signal_task: Linux 6.13. A file of its own, as a loader without
 * CAP_SYS_ADMIN cannot look for a function that the kernel does not have.) */
#include "stay.h"

enum pid_type { PIDTYPE_PID };

/* Only what is read. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
        int pid, tgid;
};
#pragma clang attribute pop

extern int bpf_send_signal_task(struct task_struct *task, int signal, enum pid_type type, __u64 value) __ksym;

static __always_inline int stop_from_outside(struct task_struct *thread) {
        if (!find(thread->pid, thread->tgid))
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
