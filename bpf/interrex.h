/* The structures that kernel programs and the director share. Plain UAPI types, the same layout on both sides. */
#pragma once

#include <linux/types.h>

#define STEERING_GROUPS 64              /* local addresses (by family) held for one node */
#define STEERING_SLOTS 4                /* generations that may have sockets at once */
#define STEERING_MEMBERS 64             /* sockets of one generation on one address */
#define STEERING_WAITING STEERING_SLOTS /* the slot of interrex's own sockets: the waiting room */
#define STEERING_CELLS (STEERING_GROUPS * (STEERING_SLOTS + 1))
#define STEERING_CELL(group, slot) ((group) * (STEERING_SLOTS + 1) + (slot))
#define STEERING_PROBE_PORTS 256
#define STEERING_SOCKETS (STEERING_CELLS * STEERING_MEMBERS)

/* Where new connections go, in one word so that one write changes it. */
#define STEERING_ROUTE(slot, otherwise) ((__u64) (slot) | (__u64) (otherwise) << 32)
#define STEERING_ROUTE_SLOT(route) ((__u32) (route) % (STEERING_SLOTS + 1))
#define STEERING_ROUTE_OTHERWISE(route) ((__u32) ((route) >> 32) % (STEERING_SLOTS + 1)) /* if the slot has no socket there */

/* A held address in the one form in which all notations of it are equal: IPv4 as v4-mapped IPv6, and both wildcards
 * as zero, because runtimes turn one wildcard into the other (Go binds [::] where its user wrote 0.0.0.0). */
struct held_address {
        __u32 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
        __u32 port;     /* host order */
        __u32 ip[4];    /* network order */
};

/* A local address as a socket has it; two families on one port are two reuseport groups. */
struct socket_address {
        __u32 family;
        __u32 protocol;
        __u32 port;  /* host order */
        __u32 ip[4]; /* network order; IPv4 in ip[0] */
};

/* A socket began to listen (TCP) or was bound (UDP) inside the node's cgroup. */
struct listen_event {
        __u64 cookie;
        struct socket_address address;
        __u32 unused;
};

/* One for each group and slot, per CPU. Every way a packet or connection can take is in exactly one of them. */
struct steering_counters {
        __u64 steered;  /* a new connection or flow, by the route */
        __u64 migrated; /* waited in a socket that was closed, and moved here */
        __u64 probed;   /* came from a probe port */
        __u64 astray;   /* the routed slot had no socket here: queued in this one instead */
};

/* Whom a source port is aimed at: the slot, and which command's connection it is (0: a probe of our own). */
#define STEERING_AIM(slot, command) ((__u32) (slot) | (__u32) (command) << 8)
#define STEERING_AIM_SLOT(target) ((target) &0xff)
#define STEERING_AIM_COMMAND(target) ((target) >> 8)

struct udp_flow {
        __u32 group;
        __u32 port;
        __u32 ip[4];
};

/* How the height is read from the registers at a uprobe or USDT probe. */
enum gate_argument_kind { GATE_ARGUMENT_REGISTER = 1, GATE_ARGUMENT_MEMORY, GATE_ARGUMENT_CONSTANT };

struct gate_setting {
        __u64 boundary;   /* the first height that must not begin; 0: the gate is open */
        __u64 generation; /* for whom it is armed */
        __u32 kind;
        __u32 register_offset; /* into struct pt_regs */
        __s64 displacement;    /* MEMORY: added to the register; CONSTANT: the value */
        __u32 size;            /* bytes: 1, 2, 4, 8 */
        __u32 unused;
        __u64 namespace_device; /* of the supervisor's pid namespace: thread ids are told as it knows them */
        __u64 namespace_inode;
};

#define GATE_STOPPED_MAX 64 /* threads that are remembered at once */
#define GATE_STANDS 1       /* SIGSTOP was raised */
#define GATE_LET_GO 2       /* the director has decided that the thread runs on */

struct gate_event {
        __u64 height;
        __u64 generation; /* as in the setting */
        __u32 process;    /* thread group id */
        __u32 thread;
        __u32 stopped; /* GATE_STANDS, GATE_LET_GO; 0: it could not be stopped */
        /* As the kernel counts them, and the thread's cgroup: a number that was given away since is another's. */
        __u32 kernel_thread, kernel_process, unused;
        __u64 cgroup;
};

#define NOTIFY_SOCKETS 64

/* Who may write to a notify socket: processes in the cgroup of this name in that one, and below it. */
struct notify_writer {
        __u64 parent;
        char cgroup[32];
};

/* What becomes of a packet or call of a generation that is cut off: each is in exactly one. */
enum hold_way {
        HOLD_SERVED_IN,   /* to a served address */
        HOLD_SERVED_OUT,  /* from there */
        HOLD_PROBED_IN,   /* from a probe of interrex's own */
        HOLD_PROBED_OUT,  /* to it */
        HOLD_CUT_IN,      /* dropped */
        HOLD_CUT_OUT,     /* dropped */
        HOLD_CONNECT_CUT, /* connect(2) refused */
        HOLD_SEND_CUT,    /* a datagram with an address refused */
        HOLD_WAYS,
};

/* A connection of a probe: both ends have the same address, which only the machine itself can bring about. */
struct hold_flow {
        __u32 node_port, probe_port; /* host order */
        __u32 ip[4];                 /* network order; IPv4 v4-mapped */
};
