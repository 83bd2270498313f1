/* Aims what an operator's command asks: each connection that a process in its cgroup makes goes to the generation that the command
 * was started for. Attached to the cgroup of one command; the source port of a connection is noted when it is known and before
 * its first packet leaves, and forgotten when the connection is over. */
#include <linux/bpf.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_helpers.h>

/* The same map that steers; the director puts it here. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEERING_PROBE_PORTS);
        __type(key, __u32);
        __type(value, __u32);
} probe_ports SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
        __type(key, struct bpf_cgroup_storage_key);
        __type(value, __u32); /* STEERING_AIM; 0: not told yet */
} aims SEC(".maps");

SEC("sockops")
int aim(struct bpf_sock_ops *ctx) {
        __u32 port = ctx->local_port;
        if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
                __u32 target = *(__u32 *) bpf_get_local_storage(&aims, 0);
                if (target == 0)
                        return 1;
                bpf_map_update_elem(&probe_ports, &port, &target, BPF_ANY);
                bpf_sock_ops_cb_flags_set(ctx, (int) (ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG));
        } else if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE) {
                bpf_map_delete_elem(&probe_ports, &port);
        }
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
