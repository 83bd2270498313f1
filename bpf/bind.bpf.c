/* Lets two generations bind one held address: sets SO_REUSEPORT on a socket that is about to bind it. Every other
 * bind is left as it is. (bpf_setsockopt in bind hooks: Linux 5.8; SO_REUSEPORT there: 5.12.) */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define LEVEL_SOCKET 1
#define OPTION_REUSEPORT 15

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEERING_GROUPS);
        __type(key, struct held_address);
        __type(value, __u32);
} held SEC(".maps");

enum bind_outcome { BIND_SHARED, BIND_FAILED, BIND_OUTCOMES };

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, BIND_OUTCOMES);
        __type(key, __u32);
        __type(value, __u64);
} bind_counters SEC(".maps");

static __always_inline void share_if_held(struct bpf_sock_addr *ctx, struct held_address *key) {
        key->protocol = ctx->protocol;
        key->port = bpf_ntohs((__u16) ctx->user_port);
        if (key->port == 0 || !bpf_map_lookup_elem(&held, key))
                return;
        int one = 1;
        __u32 outcome = bpf_setsockopt(ctx, LEVEL_SOCKET, OPTION_REUSEPORT, &one, sizeof(one)) == 0 ? BIND_SHARED : BIND_FAILED;
        __u64 *count = bpf_map_lookup_elem(&bind_counters, &outcome);
        if (count)
                (*count)++;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx) {
        struct held_address key = {};
        if (ctx->user_ip4) {
                key.ip[2] = bpf_htonl(0xffff);
                key.ip[3] = ctx->user_ip4;
        }
        share_if_held(ctx, &key);
        return 1;
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx) {
        struct held_address key = {};
        key.ip[0] = ctx->user_ip6[0];
        key.ip[1] = ctx->user_ip6[1];
        key.ip[2] = ctx->user_ip6[2];
        key.ip[3] = ctx->user_ip6[3];
        /* ::ffff:0.0.0.0 is the wildcard too. */
        if (key.ip[0] == 0 && key.ip[1] == 0 && key.ip[2] == bpf_htonl(0xffff) && key.ip[3] == 0)
                key.ip[2] = 0;
        share_if_held(ctx, &key);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
