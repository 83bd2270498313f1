/* Picks the socket for a new connection (or for one whose socket was closed while it waited): the slot named by
 * route[0], which is a generation's or the waiting room's, or the one named for its source port if it is a probe of ours.
 * Of the migrating kind, so that what waits in a closed socket's queue moves on instead of being reset (Linux 5.14). */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FAMILY_IPV4 2
#define FAMILY_IPV6 10

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} route SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEERING_PROBE_PORTS);
        __type(key, __u32);   /* source port, host order */
        __type(value, __u32); /* STEERING_AIM */
} probe_ports SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEERING_GROUPS);
        __type(key, struct socket_address);
        __type(value, __u32);
} groups SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
        __uint(max_entries, STEERING_SOCKETS);
        __type(key, __u32);
        __type(value, __u64);
} sockets SEC(".maps");

/* How many sockets each group and slot has; they lie side by side from index (group, slot, 0). */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, STEERING_CELLS);
        __type(key, __u32);
        __type(value, __u32);
} members SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, STEERING_CELLS);
        __type(key, __u32);
        __type(value, struct steering_counters);
} counters SEC(".maps");

/* 1: nobody serves this group just now; connections wait, whoever is routed to. The generation that is routed to is cut
 * off from all but the served addresses, and a connection that moved to it from a socket outside of its cgroup would not be. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, STEERING_GROUPS);
        __type(key, __u32);
        __type(value, __u32);
} waits SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384);
        __type(key, struct udp_flow);
        __type(value, __u32);
} flows SEC(".maps");

static __always_inline int select_in_slot(struct sk_reuseport_md *ctx, __u32 group, __u32 slot) {
        __u32 cell = STEERING_CELL(group, slot);
        __u32 *n = bpf_map_lookup_elem(&members, &cell);
        if (!n || *n == 0)
                return -1;
        __u32 index = cell * STEERING_MEMBERS + ctx->hash % *n;
        return (int) bpf_sk_select_reuseport(ctx, &sockets, &index, 0);
}

static __always_inline struct steering_counters *count_for(__u32 group, __u32 slot) {
        __u32 cell = STEERING_CELL(group, slot);
        return bpf_map_lookup_elem(&counters, &cell);
}

static __always_inline __u32 source_port(struct sk_reuseport_md *ctx) {
        __be16 port = 0;
        if (bpf_skb_load_bytes(ctx, 0, &port, sizeof(port)) < 0)
                return 0;
        return bpf_ntohs(port);
}

/* Only the machine itself can send from one of its own addresses to the same one, so that a stranger who happens to
 * use a probe's source port is not taken for the probe. Fills the source address. */
static __always_inline int comes_from_itself(struct sk_reuseport_md *ctx, __u32 source[4]) {
        __u32 pair[8] = {};
        if (ctx->eth_protocol == bpf_htons(0x0800)) {
                if (bpf_skb_load_bytes_relative(ctx, 12, pair, 8, BPF_HDR_START_NET) < 0)
                        return 0;
                source[0] = pair[0];
                return pair[0] == pair[1];
        }
        if (bpf_skb_load_bytes_relative(ctx, 8, pair, 32, BPF_HDR_START_NET) < 0)
                return 0;
        source[0] = pair[0];
        source[1] = pair[1];
        source[2] = pair[2];
        source[3] = pair[3];
        return pair[0] == pair[4] && pair[1] == pair[5] && pair[2] == pair[6] && pair[3] == pair[7];
}

static __always_inline int group_of(struct sk_reuseport_md *ctx, __u32 *ret_group) {
        struct bpf_sock *sk = ctx->sk;
        struct socket_address key = {};
        key.family = sk->family;
        key.protocol = sk->protocol;
        key.port = sk->src_port;
        if (key.family == FAMILY_IPV4) {
                key.ip[0] = sk->src_ip4;
        } else {
                key.ip[0] = sk->src_ip6[0];
                key.ip[1] = sk->src_ip6[1];
                key.ip[2] = sk->src_ip6[2];
                key.ip[3] = sk->src_ip6[3];
        }
        __u32 *group = bpf_map_lookup_elem(&groups, &key);
        if (!group || *group >= STEERING_GROUPS)
                return 0;
        *ret_group = *group;
        return 1;
}

static __always_inline int steer_migrating(struct sk_reuseport_md *ctx, __u32 group, __u32 slot, __u32 otherwise, int is_kept) {
        if (select_in_slot(ctx, group, slot) != 0) {
                slot = otherwise;
                if (select_in_slot(ctx, group, slot) != 0)
                        return is_kept ? SK_DROP : SK_PASS;
        }
        struct steering_counters *count = count_for(group, slot);
        if (count)
                count->migrated++;
        return SK_PASS;
}

/* A flow stays where it began; 1: it was known, and is steered. */
static __always_inline int steer_flow(struct sk_reuseport_md *ctx, __u32 group, __u32 port, const __u32 source[4], __u32 slot) {
        struct udp_flow flow = {.group = group, .port = port};
        flow.ip[0] = source[0];
        flow.ip[1] = source[1];
        flow.ip[2] = source[2];
        flow.ip[3] = source[3];
        __u32 *known = bpf_map_lookup_elem(&flows, &flow);
        if (known && *known < STEERING_SLOTS && select_in_slot(ctx, group, *known) == 0) {
                struct steering_counters *count = count_for(group, *known);
                if (count)
                        count->steered++;
                return 1;
        }
        bpf_map_update_elem(&flows, &flow, &slot, BPF_ANY);
        return 0;
}

/* 1: the slot has a socket, which takes what the routed one cannot. */
static __always_inline int steer_astray(struct sk_reuseport_md *ctx, __u32 group, __u32 slot) {
        if (select_in_slot(ctx, group, slot) != 0)
                return 0;
        struct steering_counters *count = count_for(group, slot);
        if (count)
                count->astray++;
        return 1;
}

SEC("sk_reuseport/migrate")
int steer(struct sk_reuseport_md *ctx) {
        __u32 group, zero = 0, source[4] = {};
        struct steering_counters *count;
        if (!group_of(ctx, &group))
                return SK_PASS;
        __u64 *routed = bpf_map_lookup_elem(&route, &zero);
        __u64 value = routed ? *routed : 0;
        __u32 slot = STEERING_ROUTE_SLOT(value), otherwise = STEERING_ROUTE_OTHERWISE(value);
        __u32 *wait = bpf_map_lookup_elem(&waits, &group);
        int is_kept = wait && *wait;
        if (is_kept)
                slot = otherwise = STEERING_WAITING;

        /* Datagrams are not migrated: in the waiting room they would be lost for certain. */
        if (slot == STEERING_WAITING && ctx->ip_protocol == IPPROTO_UDP)
                slot = otherwise;

        if (ctx->migrating_sk)
                return steer_migrating(ctx, group, slot, otherwise, is_kept);

        __u32 port = source_port(ctx);
        int itself = comes_from_itself(ctx, source);
        __u32 *aimed = itself ? bpf_map_lookup_elem(&probe_ports, &port) : 0;
        __u32 target = aimed ? STEERING_AIM_SLOT(*aimed) : STEERING_SLOTS;
        if (target < STEERING_SLOTS) {
                if (select_in_slot(ctx, group, target) != 0)
                        return SK_DROP; /* a probe aimed at a generation must never be answered by another */
                count = count_for(group, target);
                if (count)
                        count->probed++;
                return SK_PASS;
        }

        if (ctx->ip_protocol == IPPROTO_UDP && steer_flow(ctx, group, port, source, slot))
                return SK_PASS;

        if (select_in_slot(ctx, group, slot) == 0) {
                count = count_for(group, slot);
                if (count)
                        count->steered++;
                return SK_PASS;
        }
        if (otherwise != slot && steer_astray(ctx, group, otherwise))
                return SK_PASS;
        /* A queue that somebody may still serve is better than a refusal. */
        for (__u32 other = 0; other < STEERING_SLOTS; other++)
                if (other != slot && steer_astray(ctx, group, other))
                        return SK_PASS;
        return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
