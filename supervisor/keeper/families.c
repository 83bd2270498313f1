#include "families.h"

#include <seccomp.h>
#include <sys/socket.h>

static void filter_release_at(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

static bool is_allowed(unsigned family) {
        return family <= AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

int families_restrict(void) {
        _cleanup_(filter_release_at) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        if (!filter)
                return -ENOMEM;
        /* no_new_privs would change how a node that runs as root comes up. */
        int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
        for (unsigned family = 0; r >= 0 && family < AF_MAX; family++)
                if (!is_allowed(family))
                        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                        SCMP_A0_32(SCMP_CMP_EQ, family));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0_32(SCMP_CMP_GE, AF_MAX));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
        return r < 0 ? r : seccomp_load(filter);
}
