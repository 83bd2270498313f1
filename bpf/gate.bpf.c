/* The exact gate: stops the committing thread before the boundary block begins. Attached at the first instruction of the
 * node's commit function (or a USDT probe in front of it), so the signal is delivered before the function's body runs.
 * Filtered by cgroup, because both generations may run the same file. (bpf_send_signal_thread: Linux 5.5; bpf_get_ns_current_pid_tgid: 5.7.) */
#include <linux/bpf.h>
#include <linux/types.h>

#include "gate_stands.h"

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct gate_setting);
} gate_settings SEC(".maps");

/* The generation that is to be stopped. Empty: none. */
struct {
        __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u32);
} gate_cgroup SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 16 * 1024);
} gate_events SEC(".maps");

enum gate_outcome { GATE_ELSEWHERE, GATE_BEFORE_BOUNDARY, GATE_STOPPED, GATE_STOP_FAILED, GATE_EVENT_LOST, GATE_OUTCOMES };

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, GATE_OUTCOMES);
        __type(key, __u32);
        __type(value, __u64);
} gate_counters SEC(".maps");

static __always_inline void count(__u32 outcome) {
        __u64 *value = bpf_map_lookup_elem(&gate_counters, &outcome);
        if (value)
                (*value)++;
}

static __always_inline __u64 read_height(void *ctx, const struct gate_setting *setting) {
        __u64 value = 0;
        if (setting->kind == GATE_ARGUMENT_CONSTANT)
                return (__u64) setting->displacement;
        if (bpf_probe_read_kernel(&value, sizeof(value), (char *) ctx + (setting->register_offset & 0xff)) < 0)
                return 0;
        if (setting->kind == GATE_ARGUMENT_MEMORY) {
                __u64 pointer = value + (__u64) setting->displacement;
                value = 0;
                if (bpf_probe_read_user(&value, sizeof(value), (void *) pointer) < 0)
                        return 0;
        }
        if (setting->size == 4)
                value &= 0xffffffff;
        else if (setting->size == 2)
                value &= 0xffff;
        else if (setting->size == 1)
                value &= 0xff;
        return value;
}

SEC("kprobe")
int on_commit(void *ctx) {
        __u32 zero = 0;
        struct gate_setting *setting = bpf_map_lookup_elem(&gate_settings, &zero);
        if (!setting || setting->boundary == 0)
                return 0;
        if (bpf_current_task_under_cgroup(&gate_cgroup, 0) != 1) {
                count(GATE_ELSEWHERE);
                return 0;
        }
        __u64 height = read_height(ctx, setting);
        if (height < setting->boundary) {
                count(GATE_BEFORE_BOUNDARY);
                return 0;
        }
        __u64 number = bpf_get_current_pid_tgid();
        struct gate_event event = {.height = height,
                        .generation = setting->generation,
                        .kernel_thread = (__u32) number,
                        .kernel_process = (__u32) (number >> 32),
                        .cgroup = bpf_get_current_cgroup_id()};
        struct bpf_pidns_info ids = {};
        if (bpf_get_ns_current_pid_tgid(setting->namespace_device, setting->namespace_inode, &ids, sizeof(ids)) == 0) {
                event.process = ids.tgid;
                event.thread = ids.pid;
        }
        /* First who is to stay, then the stop, so that nothing can come between that makes it void. */
        event.stopped = GATE_STANDS;
        bpf_map_update_elem(&gate_stopped, &event.thread, &event, BPF_ANY);
        bpf_map_update_elem(&gate_threads, &event.kernel_thread, &event.thread, BPF_ANY);
        if (bpf_send_signal_thread(SIGNAL_STOP) != 0) {
                event.stopped = 0;
                bpf_map_update_elem(&gate_stopped, &event.thread, &event, BPF_ANY);
        }
        count(event.stopped ? GATE_STOPPED : GATE_STOP_FAILED);
        if (bpf_ringbuf_output(&gate_events, &event, sizeof(event), 0) != 0)
                count(GATE_EVENT_LOST);
        return 0;
}

char LICENSE[] SEC("license") = "GPL";
