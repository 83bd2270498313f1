/* Lets only a generation's own processes write to its notify socket. A filter of a unix datagram socket runs in the process that
 * sends, while it sends: so nobody can have ended, changed its user or left its number to another meanwhile, as is possible with
 * what the receiver is told (SCM_CREDENTIALS). Where that process is, no helper of this kind of program says on Linux 6.1; it is
 * read in the kernel's structures, whose layout the loader takes from the kernel's own types (CONFIG_DEBUG_INFO_BTF). */
#include <linux/bpf.h>
#include <linux/types.h>

#include "interrex.h"
#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#define DEPTH_MAX 24 /* of cgroups that the node made below its own */
#define PASS (-1)    /* the whole datagram */
#define DROP 0

/* Only what is read. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node {
        __u64 id;
        const char *name;
};
struct cgroup;
struct cgroup_subsys_state {
        struct cgroup *cgroup;
        struct cgroup_subsys_state *parent;
};
struct cgroup {
        struct cgroup_subsys_state self;
        struct kernfs_node *kn;
};
struct css_set {
        struct cgroup *dfl_cgrp;
};
struct task_struct {
        struct css_set *cgroups;
};
#pragma clang attribute pop

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, NOTIFY_SOCKETS);
        __type(key, __u64); /* the socket's cookie */
        __type(value, struct notify_writer);
} notify_writers SEC(".maps");

static __always_inline int is_named(const struct kernfs_node *node, const struct notify_writer *writer) {
        char name[sizeof(writer->cgroup)] = {};
        if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(node, name)) < 0)
                return 0;
        for (unsigned i = 0; i < sizeof(name); i++) {
                if (name[i] != writer->cgroup[i])
                        return 0;
                if (!name[i])
                        return 1;
        }
        return 0;
}

SEC("socket")
int notify_filter(struct __sk_buff *skb) {
        __u64 cookie = bpf_get_socket_cookie(skb);
        const struct notify_writer *writer = bpf_map_lookup_elem(&notify_writers, &cookie);
        const struct task_struct *task = (const void *) bpf_get_current_task();
        if (!writer)
                return DROP;
        struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
        for (int i = 0; i < DEPTH_MAX && cgroup; i++) {
                struct cgroup_subsys_state *above = BPF_CORE_READ(cgroup, self.parent);
                struct cgroup *parent = above ? BPF_CORE_READ(above, cgroup) : 0;
                if (parent && BPF_CORE_READ(parent, kn, id) == writer->parent)
                        return is_named(BPF_CORE_READ(cgroup, kn), writer) ? PASS : DROP;
                cgroup = parent;
        }
        return DROP;
}

char LICENSE[] SEC("license") = "GPL";
