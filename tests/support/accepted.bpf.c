/* Writes down which TCP connections to one port of one network namespace were closed by a program that had accepted them, which neither the
 * client nor a look at the sockets can tell later: who only waited in an accept queue belongs to no struct socket when its state
 * changes. A tracepoint, because not every kernel lets functions be traced. */
#include <linux/bpf.h>
#include <linux/in6.h>

#include "accepted_connection.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET6 10
#define CONNECTIONS_MAX 65536

enum tcp_state { TCP_ESTABLISHED = 1, TCP_FIN_WAIT1 = 4, TCP_CLOSE = 7 };

struct ns_common {
        unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
        struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
        struct net *net;
} __attribute__((preserve_access_index)) possible_net_t;

struct sock_common {
        __be32 skc_daddr;
        __be16 skc_dport;
        unsigned short skc_family;
        struct in6_addr skc_v6_daddr;
        possible_net_t skc_net;
} __attribute__((preserve_access_index));

struct sock {
        struct sock_common __sk_common;
        struct socket *sk_socket;
} __attribute__((preserve_access_index));

struct inet_sock {
        __be16 inet_sport;
} __attribute__((preserve_access_index));

const volatile __u32 network_namespace = 0; /* its inode */
const volatile __be16 local_port = 0;

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, CONNECTIONS_MAX);
        __type(key, struct accepted_connection);
        __type(value, __u64); /* CLOCK_MONOTONIC, ns */
} closed_at SEC(".maps");

static __always_inline void put_remote_ip(const struct sock *sk, __be32 ip[4]) {
        if (sk->__sk_common.skc_family == AF_INET6) {
                for (int i = 0; i < 4; i++)
                        ip[i] = BPF_CORE_READ(sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[i]);
                return;
        }
        ip[2] = bpf_htonl(0xffff);
        ip[3] = sk->__sk_common.skc_daddr;
}

/* The tracepoint's parameters: the socket, its state, the next one. */
SEC("tp_btf/inet_sock_set_state")
int on_state(__u64 *ctx) {
        const struct sock *sk = (const struct sock *)ctx[0];
        int from = (int)ctx[1], to = (int)ctx[2];
        if (from != TCP_ESTABLISHED || (to != TCP_FIN_WAIT1 && to != TCP_CLOSE) || !sk->sk_socket ||
                        sk->__sk_common.skc_net.net->ns.inum != network_namespace)
                return 0;
        /* Not skc_num, which is 0 in a socket that has been closed. */
        if (BPF_CORE_READ((const struct inet_sock *)sk, inet_sport) != local_port)
                return 0;
        struct accepted_connection connection = {.remote_port = sk->__sk_common.skc_dport};
        put_remote_ip(sk, connection.remote_ip);
        __u64 now = bpf_ktime_get_ns();
        bpf_map_update_elem(&closed_at, &connection, &now, BPF_ANY);
        return 0;
}

char LICENSE[] SEC("license") = "GPL";
