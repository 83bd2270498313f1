#include "sandbox.h"

#include "capabilities.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void cap_free_at(cap_t *capabilities) {
        if (*capabilities)
                (void)cap_free(*capabilities);
}

/* Of those wanted, the ones there are: the keeper has said what does not work without the others. */
static int set_capabilities(const cap_value_t *wanted, size_t n) {
        _cleanup_(cap_free_at) cap_t set = cap_init();
        if (!set)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (capability_is_permitted(wanted[i]) &&
                                (cap_set_flag(set, CAP_PERMITTED, 1, &wanted[i], CAP_SET) < 0 ||
                                                cap_set_flag(set, CAP_EFFECTIVE, 1, &wanted[i], CAP_SET) <
                                                                0))
                        return -errno;
        return cap_set_proc(set) < 0 ? -errno : 0;
}

static bool is_among(cap_value_t value, const cap_value_t *capabilities, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (capabilities[i] == value)
                        return true;
        return false;
}

/* The kernel may know more capabilities than the headers: stop where it says there are no more. */
static int drop_bounding_set(const cap_value_t *keep, size_t n) {
        for (cap_value_t value = 0; value < 64; value++) {
                int present = prctl(PR_CAPBSET_READ, value, 0, 0, 0);
                if (present < 0)
                        return 0;
                if (present == 1 && !is_among(value, keep, n) && prctl(PR_CAPBSET_DROP, value, 0, 0, 0) < 0)
                        return -errno;
        }
        return 0;
}

int sandbox_become(uid_t uid, gid_t gid, const cap_value_t *capabilities, size_t n_capabilities) {
        int r = drop_bounding_set(NULL, 0);
        if (r < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
                        setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        r = set_capabilities(capabilities, n_capabilities);
        if (r < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

int sandbox_keep_capabilities(const cap_value_t *capabilities, size_t n_capabilities) {
        int r = drop_bounding_set(capabilities, n_capabilities);
        return r < 0 ? r : set_capabilities(capabilities, n_capabilities);
}

static int add_rules(scmp_filter_ctx filter, uint32_t action, const char *const *names) {
        for (size_t i = 0; names && names[i]; i++) {
                int call = seccomp_syscall_resolve_name(names[i]);
                if (call == __NR_SCMP_ERROR)
                        continue;
                int r = seccomp_rule_add(filter, action, call, 0);
                if (r < 0 && r != -EDOM && r != -EEXIST)
                        return r;
        }
        return 0;
}

static void filter_release_at(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

/* O_TMPFILE has O_DIRECTORY in it, which reading may have. */
static int add_reading(scmp_filter_ctx filter) {
        const scmp_datum_t mask = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                        SCMP_A2(SCMP_CMP_MASKED_EQ, mask, O_RDONLY));
}

static int load_filter(const char *const *allowed, const char *const *denied, bool may_read) {
        _cleanup_(filter_release_at) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        if (!filter)
                return -ENOMEM;
        /* A binary tree keeps a long list of calls at a few comparisons each. */
        int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r < 0)
                return r;
        r = add_rules(filter, SCMP_ACT_ALLOW, allowed);
#ifdef INTERREX_SANITIZED
        /* AddressSanitizer looks at the stacks before a function that does not return. */
        static const char *const of_sanitizers[] = {"sigaltstack", NULL};
        if (r >= 0)
                r = add_rules(filter, SCMP_ACT_ALLOW, of_sanitizers);
#endif
        if (r >= 0)
                r = add_rules(filter, SCMP_ACT_ERRNO(EPERM), denied);
        if (r >= 0 && may_read)
                r = add_reading(filter);
        return r < 0 ? r : seccomp_load(filter);
}

int sandbox_allow_calls(const char *const *allowed, const char *const *denied) {
        return load_filter(allowed, denied, false);
}

int sandbox_allow_calls_and_reading(const char *const *allowed, const char *const *denied) {
        return load_filter(allowed, denied, true);
}

int sandbox_limit(size_t memory, unsigned seconds, size_t file, unsigned n_files) {
#ifdef INTERREX_SANITIZED
        memory = RLIM_INFINITY; /* AddressSanitizer reserves terabytes */
#endif
        const struct {
                __rlimit_resource_t resource;
                rlim_t value;
        } limits[] = {{RLIMIT_AS, memory}, {RLIMIT_CPU, seconds}, {RLIMIT_FSIZE, file},
                        {RLIMIT_NOFILE, n_files}, {RLIMIT_CORE, 0}};
        for (size_t i = 0; i < ELEMENTS(limits); i++) {
                struct rlimit limit;
                if (getrlimit(limits[i].resource, &limit) < 0)
                        return -errno;
                if (limits[i].value < limit.rlim_max)
                        limit.rlim_max = limits[i].value;
                limit.rlim_cur = limit.rlim_max;
                if (setrlimit(limits[i].resource, &limit) < 0)
                        return -errno;
        }
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
