#include "sandbox_keeper.h"

#include "../lib/capabilities.h"
#include "../lib/log.h"
#include <seccomp.h>

static void cap_free_at(cap_t *capabilities) {
        if (*capabilities)
                (void) cap_free(*capabilities);
}

/* The bounding set stays: a node that runs as root gets back what it had without interrex. */
static int reduce_capabilities(void) {
        _cleanup_(cap_free_at) cap_t wanted = cap_init();
        if (!wanted)
                return -ENOMEM;
        for (size_t i = 0; i < n_needed_capabilities; i++) {
                const cap_value_t *value = &needed_capabilities[i].value;
                if (!capability_is_permitted(*value))
                        continue;
                if (cap_set_flag(wanted, CAP_PERMITTED, 1, value, CAP_SET) < 0 ||
                                cap_set_flag(wanted, CAP_EFFECTIVE, 1, value, CAP_SET) < 0)
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

int keeper_check_capabilities(void) {
        int r = 0;
        for (size_t i = 0; i < n_needed_capabilities; i++) {
                const struct capability *capability = &needed_capabilities[i];
                if (!capability->is_vital || capability_is_permitted(capability->value))
                        continue;
                r = -EPERM;
                log_error("%s is missing, which interrex needs %s: add it to CapabilityBoundingSet= of the unit, or to the container "
                          "(--cap-add)",
                                capability->name, capability->purpose);
        }
        return r;
}
