/* Tells the director which sockets in the node's cgroup began to listen (TCP) or were bound (UDP). It reports held and
 * other addresses alike: the director holds the ones it was told to, and can warn of a near miss. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FAMILY_IPV4 2
#define FAMILY_IPV6 10
#define TYPE_DATAGRAM 2

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 64 * 1024);
} listen_events SEC(".maps");

enum listen_outcome { LISTEN_REPORTED, LISTEN_LOST, LISTEN_OUTCOMES };

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, LISTEN_OUTCOMES);
        __type(key, __u32);
        __type(value, __u64);
} listen_counters SEC(".maps");

static __always_inline void report(const struct listen_event *event) {
        __u32 outcome = bpf_ringbuf_output(&listen_events, (void *) event, sizeof(*event), 0) == 0 ? LISTEN_REPORTED : LISTEN_LOST;
        __u64 *count = bpf_map_lookup_elem(&listen_counters, &outcome);
        if (count)
                (*count)++;
}

SEC("sockops")
int on_listen(struct bpf_sock_ops *ctx) {
        struct listen_event event = {};
        if (ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
                return 1;
        event.cookie = bpf_get_socket_cookie(ctx);
        event.address.family = ctx->family;
        event.address.protocol = IPPROTO_TCP;
        event.address.port = ctx->local_port;
        if (ctx->family == FAMILY_IPV4) {
                event.address.ip[0] = ctx->local_ip4;
        } else {
                event.address.ip[0] = ctx->local_ip6[0];
                event.address.ip[1] = ctx->local_ip6[1];
                event.address.ip[2] = ctx->local_ip6[2];
                event.address.ip[3] = ctx->local_ip6[3];
        }
        report(&event);
        return 1;
}

SEC("cgroup/post_bind4")
int on_bind4(struct bpf_sock *sk) {
        struct listen_event event = {};
        if (sk->type != TYPE_DATAGRAM)
                return 1;
        event.cookie = bpf_get_socket_cookie(sk);
        event.address.family = FAMILY_IPV4;
        event.address.protocol = sk->protocol;
        event.address.port = sk->src_port;
        event.address.ip[0] = sk->src_ip4;
        report(&event);
        return 1;
}

SEC("cgroup/post_bind6")
int on_bind6(struct bpf_sock *sk) {
        struct listen_event event = {};
        if (sk->type != TYPE_DATAGRAM)
                return 1;
        event.cookie = bpf_get_socket_cookie(sk);
        event.address.family = FAMILY_IPV6;
        event.address.protocol = sk->protocol;
        event.address.port = sk->src_port;
        event.address.ip[0] = sk->src_ip6[0];
        event.address.ip[1] = sk->src_ip6[1];
        event.address.ip[2] = sk->src_ip6[2];
        event.address.ip[3] = sk->src_ip6[3];
        report(&event);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
