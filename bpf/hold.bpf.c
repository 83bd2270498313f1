/* Cuts a generation off from everybody but its users: attached to its cgroup before it executes anything. What passes are
 * TCP connections that others make to the served addresses, and those of interrex's own probes; whatever else its sockets
 * send or are sent is dropped, and what would only wait for an answer in vain is refused at once. A socket belongs to the
 * cgroup it was made in, and an accepted one to its listener's: so nothing may be handed in from outside (see
 * steer.bpf.c for connections that wait). Sockets outside of IPv4 and IPv6 do not come by here; the keeper's filter keeps
 * those with which packets can be sent past it away. (bpf_sk_fullsock: Linux 5.1.) */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TYPE_STREAM 1
#define CUT 0
#define PASS 1

#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* In the form of bind.bpf.c's `held`. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEERING_GROUPS);
        __type(key, struct held_address);
        __type(value, __u32);
} hold_served SEC(".maps");

/* The one of steer.bpf.c: source ports of probes under way. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 256);
        __type(key, __u32);
        __type(value, __u32);
} probe_ports SEC(".maps");

/* A probe's port is taken back when its answer is here; its connection ends later. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4096);
        __type(key, struct hold_flow);
        __type(value, __u32);
} hold_flows SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, HOLD_WAYS);
        __type(key, __u32);
        __type(value, __u64);
} hold_counters SEC(".maps");

/* One TCP packet, as seen from the node. */
struct packet {
        struct held_address node;
        __u32 peer_port;
        __u32 peer_ip[4];
        __u8 flags;
};

static __always_inline int take(__u32 way, int verdict) {
        __u64 *value = bpf_map_lookup_elem(&hold_counters, &way);
        if (value)
                (*value)++;
        return verdict;
}

/* A raw socket can send what looks like the packet of another one. */
static __always_inline int is_of_tcp_socket(struct __sk_buff *skb) {
        struct bpf_sock *sk = skb->sk;
        if (!sk)
                return 0;
        sk = bpf_sk_fullsock(sk);
        return sk && sk->type == TYPE_STREAM && sk->protocol == IPPROTO_TCP;
}

static __always_inline int read_addresses(struct __sk_buff *skb, __u32 source[4], __u32 destination[4], __u32 *ret_offset) {
        __u8 head[10];
        if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)) < 0)
                return 0;
        if (head[0] >> 4 == 4) {
                source[2] = destination[2] = bpf_htonl(0xffff);
                *ret_offset = (head[0] & 0xf) * 4;
                /* Nothing but a packet's beginning has ports. */
                int is_first = (head[6] & 0x1f) == 0 && head[7] == 0;
                return head[9] == IPPROTO_TCP && is_first && bpf_skb_load_bytes(skb, 12, &source[3], 4) == 0 &&
                       bpf_skb_load_bytes(skb, 16, &destination[3], 4) == 0;
        }
        *ret_offset = 40;
        return head[0] >> 4 == 6 && head[6] == IPPROTO_TCP && bpf_skb_load_bytes(skb, 8, source, 16) == 0 &&
               bpf_skb_load_bytes(skb, 24, destination, 16) == 0;
}

static __always_inline int read_packet(struct __sk_buff *skb, int comes_in, struct packet *packet) {
        __u32 *source = comes_in ? packet->peer_ip : packet->node.ip;
        __u32 *destination = comes_in ? packet->node.ip : packet->peer_ip;
        __u32 offset = 0;
        __be16 ports[2];
        if (!read_addresses(skb, source, destination, &offset) || bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)) < 0 ||
                        bpf_skb_load_bytes(skb, offset + 13, &packet->flags, 1) < 0)
                return 0;
        packet->node.protocol = IPPROTO_TCP;
        packet->node.port = bpf_ntohs(ports[comes_in ? 1 : 0]);
        packet->peer_port = bpf_ntohs(ports[comes_in ? 0 : 1]);
        return 1;
}

static __always_inline int is_served(const struct packet *packet) {
        struct held_address wildcard = {.protocol = IPPROTO_TCP, .port = packet->node.port};
        return bpf_map_lookup_elem(&hold_served, &packet->node) || bpf_map_lookup_elem(&hold_served, &wildcard);
}

/* Known from its first packet on, which came while the port was a probe's. */
static __always_inline int is_probed(const struct packet *packet, int begins) {
        struct hold_flow flow = {.node_port = packet->node.port, .probe_port = packet->peer_port};
        __u32 port = packet->peer_port, one = 1;
        for (int i = 0; i < 4; i++) {
                if (packet->peer_ip[i] != packet->node.ip[i])
                        return 0;
                flow.ip[i] = packet->node.ip[i];
        }
        if (!begins)
                return bpf_map_lookup_elem(&hold_flows, &flow) != 0;
        if (bpf_map_lookup_elem(&probe_ports, &port))
                return bpf_map_update_elem(&hold_flows, &flow, &one, BPF_ANY) == 0;
        bpf_map_delete_elem(&hold_flows, &flow);
        return 0;
}

SEC("cgroup_skb/ingress")
int hold_ingress(struct __sk_buff *skb) {
        struct packet packet = {};
        if (!is_of_tcp_socket(skb) || !read_packet(skb, 1, &packet))
                return take(HOLD_CUT_IN, CUT);
        /* The answer to a connection of the node's own. */
        if ((packet.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
                return take(HOLD_CUT_IN, CUT);
        if (is_served(&packet))
                return take(HOLD_SERVED_IN, PASS);
        return is_probed(&packet, packet.flags & TCP_SYN) ? take(HOLD_PROBED_IN, PASS) : take(HOLD_CUT_IN, CUT);
}

SEC("cgroup_skb/egress")
int hold_egress(struct __sk_buff *skb) {
        struct packet packet = {};
        if (!is_of_tcp_socket(skb) || !read_packet(skb, 0, &packet))
                return take(HOLD_CUT_OUT, CUT);
        /* A connection of the node's own, be it from the port of a served address. */
        if ((packet.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
                return take(HOLD_CUT_OUT, CUT);
        if (is_served(&packet))
                return take(HOLD_SERVED_OUT, PASS);
        return is_probed(&packet, 0) ? take(HOLD_PROBED_OUT, PASS) : take(HOLD_CUT_OUT, CUT);
}

SEC("cgroup/connect4")
int hold_connect4(struct bpf_sock_addr *ctx) {
        (void) ctx;
        return take(HOLD_CONNECT_CUT, CUT);
}

SEC("cgroup/connect6")
int hold_connect6(struct bpf_sock_addr *ctx) {
        (void) ctx;
        return take(HOLD_CONNECT_CUT, CUT);
}

SEC("cgroup/sendmsg4")
int hold_sendmsg4(struct bpf_sock_addr *ctx) {
        (void) ctx;
        return take(HOLD_SEND_CUT, CUT);
}

SEC("cgroup/sendmsg6")
int hold_sendmsg6(struct bpf_sock_addr *ctx) {
        (void) ctx;
        return take(HOLD_SEND_CUT, CUT);
}

char LICENSE[] SEC("license") = "GPL";
