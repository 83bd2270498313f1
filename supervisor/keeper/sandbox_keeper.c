#include "sandbox_keeper.h"

#include "../lib/base.h"
#include <seccomp.h>
#include <sys/capability.h>

static void cap_free_at(cap_t *capabilities) {
        if (*capabilities)
                (void) cap_free(*capabilities);
}

/* The bounding set stays: a node that runs as root gets back what it had without interrex. */
static int reduce_capabilities(void) {
        static const cap_value_t kept[] = {
                        CAP_SETUID, CAP_SETGID, CAP_SETPCAP,     /* to become the node's user; roles narrow themselves */
                        CAP_KILL,                                /* to stop nodes of other users */
                        CAP_SYS_PTRACE,                          /* to park their threads */
                        CAP_SYS_ADMIN,                           /* uprobes by perf_event_open; the fence without no_new_privs */
                        CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, /* folders of the director; files of the archivist */
                        CAP_SYS_RESOURCE,                        /* limits from the configuration */
                        CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, /* handed on to the director */
        };
        _cleanup_(cap_free_at) cap_t now = cap_get_proc(), wanted = cap_init();
        if (!now || !wanted)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(kept); i++) {
                cap_flag_value_t has = CAP_CLEAR;
                if (cap_get_flag(now, kept[i], CAP_PERMITTED, &has) < 0 || has != CAP_SET)
                        continue;
                if (cap_set_flag(wanted, CAP_PERMITTED, 1, &kept[i], CAP_SET) < 0 ||
                                cap_set_flag(wanted, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) < 0)
                        return -errno;
        }
        return cap_set_proc(wanted) < 0 ? -errno : 0;
}

static void filter_release_at(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

/* Every generation inherits the keeper's filter, so it can only refuse what no node has any business with. It is one
 * bitmap look-up a call (Linux 5.11). */
static int refuse_calls(void) {
        static const char *const refused[] = {"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
                        "reboot", "swapon", "swapoff", "acct", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
                        "quotactl", "quotactl_fd", "iopl", "ioperm", "lookup_dcookie", "nfsservctl", "open_by_handle_at", "add_key",
                        "request_key", "keyctl", "vhangup", "pivot_root", "sethostname", "setdomainname", "move_pages", "syslog",
                        "uselib", "vm86", "vm86old", "modify_ldt"};
        _cleanup_(filter_release_at) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        if (!filter)
                return -ENOMEM;
        /* The keeper has CAP_SYS_ADMIN; no_new_privs would be inherited by nodes that run as root. */
        int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(refused); i++) {
                int call = seccomp_syscall_resolve_name(refused[i]);
                if (call == __NR_SCMP_ERROR || call < 0)
                        continue;
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
        }
        return r < 0 ? r : seccomp_load(filter);
}

int keeper_sandbox(void) {
        int r = reduce_capabilities();
        return r < 0 ? r : refuse_calls();
}
