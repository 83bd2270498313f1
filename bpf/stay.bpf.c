/* Keeps a thread that the gate has stopped where it is, until the director lets it go. Before the keeper has parked it, it stands by
 * SIGSTOP alone: any SIGCONT, be it from outside or the keeper's own for another thread of the process, would set it going or take
 * back a stop that it has not come to yet. Both programs run in the thread itself, before it is in the node's code again: when it has
 * looked for signals, and when it has left the probe, whose single step it takes without looking for any. They stop it anew, and nothing
 * gets past them. (fexit: Linux 5.5 with CONFIG_DEBUG_INFO_BTF and ftrace's direct calls; get_signal() and uprobe_notify_resume() are no
 * stable interface, but have been there since 2.6 and 3.5.) */
#include "stay.h"

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

char LICENSE[] SEC("license") = "GPL";
