#include "doctor.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/mount.h>

struct program_kind {
        const char *name;
        enum bpf_prog_type type;
        enum bpf_attach_type attach; /* 0: the type has none */
        enum finding_status without;
        const char *meaning, *meaning_without;
        const char *since;
};

#define BY_SECCOMP                                                                                          \
        "bind and listen are told by seccomp notifications, which cost each system call of a node some 30 " \
        "ns"

static const struct program_kind kinds[] = {
                {"bpf steering", BPF_PROG_TYPE_SK_REUSEPORT, BPF_SK_REUSEPORT_SELECT_OR_MIGRATE,
                                FINDING_MISSING, "new connections are steered, and waiting ones migrate",
                                "no connection can be steered from one generation to the next",
                                "use Linux 5.14 or newer"},
                {"bpf bind hook", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND, FINDING_DEGRADED,
                                "two generations may bind one address", BY_SECCOMP,
                                "use Linux 5.15 or newer with CONFIG_CGROUP_BPF"},
                {"bpf socket events", BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, FINDING_DEGRADED,
                                "listening sockets are seen at once", BY_SECCOMP,
                                "use Linux 5.15 or newer with CONFIG_CGROUP_BPF"},
                {"bpf udp events", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND, FINDING_DEGRADED,
                                "bound UDP sockets are seen at once", BY_SECCOMP,
                                "use Linux 5.15 or newer with CONFIG_CGROUP_BPF"},
                {"bpf hold", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, FINDING_DEGRADED,
                                "a release that is held can serve cut off from its peers (hold.serve)",
                                "hold.serve does not work: what is held is stopped",
                                "use Linux 5.15 or newer with CONFIG_CGROUP_BPF"},
                {"bpf gate", BPF_PROG_TYPE_KPROBE, 0, FINDING_DEGRADED,
                                "the exact gate's program can be loaded",
                                "no exact gate for nodes as they are: `gate.kind: uprobe` does not work",
                                "use a kernel with CONFIG_BPF_EVENTS, or another gate.kind"},
};

static void try_kind(struct findings *findings, const struct program_kind *kind);
static void try_ring_buffer(struct findings *findings);
static void try_pin(struct findings *findings);

void doctor_bpf(struct findings *findings) {
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                try_kind(findings, &kinds[i]);
        try_ring_buffer(findings);
        try_pin(findings);
}

static const char *remedy_for(int error, const char *since) {
        if (error != EPERM && error != EACCES)
                return since;
        return geteuid() == 0 ? "give it CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and let bpf(2) through the "
                                "seccomp profile"
                              : "run it as root: sudo interrex doctor";
}

/* The smallest program that any type takes: return 1. Loaded, never attached. */
static void try_kind(struct findings *findings, const struct program_kind *kind) {
        const struct bpf_insn program[] = {
                        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
                        {.code = BPF_JMP | BPF_EXIT},
        };
        LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = kind->attach);
        _cleanup_close_ int fd =
                        bpf_prog_load(kind->type, "doctor", "GPL", program, ELEMENTS(program), &options);
        if (fd >= 0)
                findings_add(findings, kind->name, FINDING_OK, NULL, "%s", kind->meaning);
        else
                findings_add(findings, kind->name, kind->without, remedy_for(-fd, kind->since), "%s: %s",
                                kind->meaning_without, strerror(-fd));
}

static void try_ring_buffer(struct findings *findings) {
        _cleanup_close_ int fd =
                        bpf_map_create(BPF_MAP_TYPE_RINGBUF, "doctor", 0, 0, (uint32_t)getpagesize(), NULL);
        if (fd >= 0)
                findings_add(findings, "bpf ring buffer", FINDING_OK, NULL,
                                "kernel programs can tell what they see");
        else
                findings_add(findings, "bpf ring buffer", FINDING_MISSING,
                                remedy_for(-fd, "use Linux 5.8 or newer"),
                                "kernel programs cannot tell what they see: %s", strerror(-fd));
}

/* Made, never mounted. */
static void try_pin(struct findings *findings) {
        _cleanup_close_ int context = fsopen("bpf", FSOPEN_CLOEXEC), mount = -1;
        if (context >= 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) >= 0)
                mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
        if (mount >= 0)
                findings_add(findings, "bpf pin", FINDING_OK, NULL,
                                "the exact gate holds though all of interrex is killed at once");
        else
                findings_add(findings, "bpf pin", FINDING_DEGRADED,
                                errno == EPERM || errno == EACCES ? "run it as root, with CAP_SYS_ADMIN, "
                                                                    "where mounts are allowed"
                                                                  : "use a kernel with CONFIG_BPF_SYSCALL",
                                "the exact gate does not outlive a kill of all of interrex's processes at "
                                "once, "
                                "because no file system of type bpf can be mounted: %s",
                                strerror(errno));
}
