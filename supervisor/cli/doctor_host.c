#include "doctor.h"

#include "../lib/capabilities.h"
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

/* A swap that takes a second under 1,000 new connections a second fills such a queue. */
#define BACKLOG_WANTED 1024

static void look_at_root(struct findings *findings);
static void look_at_capabilities(struct findings *findings);
static void try_exchange(struct findings *findings, const char *state_dir);
static void look_at_backlog(struct findings *findings);
static void look_at_users(struct findings *findings);
static void look_at_journald(struct findings *findings);

void doctor_host(struct findings *findings, const char *state_dir) {
        look_at_root(findings);
        look_at_capabilities(findings);
        try_exchange(findings, state_dir);
        look_at_backlog(findings);
        look_at_users(findings);
        look_at_journald(findings);
}

static void look_at_root(struct findings *findings) {
        if (geteuid() == 0)
                findings_add(findings, "root", FINDING_OK, NULL, "interrex may be run by this user");
        else
                findings_add(findings, "root", FINDING_MISSING, "run it as root: sudo interrex doctor",
                                "`interrex run` must be root, and most of what stands here can be tried by "
                                "root only");
}

static void look_at_capabilities(struct findings *findings) {
        char lacking[256] = "";
        size_t used = 0;
        for (size_t i = 0; i < n_needed_capabilities && used < sizeof(lacking); i++)
                if (cap_get_bound(needed_capabilities[i].value) != 1) {
                        int n = snprintf(lacking + used, sizeof(lacking) - used, "%s%s", used ? ", " : "",
                                        needed_capabilities[i].name);
                        used += n > 0 ? (size_t)n : 0;
                }
        if (used == 0)
                findings_add(findings, "capabilities", FINDING_OK, NULL,
                                "the bounding set has all that is needed");
        else
                findings_add(findings, "capabilities", FINDING_DEGRADED,
                                "add them to CapabilityBoundingSet= of the unit, or to the container",
                                "the bounding set lacks %s", lacking);
}

/* The nearest folder above PATH that exists; node states and their snapshots usually lie on the same file
 * system. */
static void find_existing(const char *path, char *folder, size_t size) {
        text_copy(folder, size, path);
        while (access(folder, F_OK) < 0) {
                char *slash = strrchr(folder, '/');
                if (!slash || slash == folder) {
                        text_copy(folder, size, "/");
                        return;
                }
                *slash = '\0';
        }
}

static void try_exchange(struct findings *findings, const char *state_dir) {
        char folder[3072], one[3200], two[3200];
        find_existing(state_dir, folder, sizeof(folder));
        (void)snprintf(one, sizeof(one), "%s/.interrex-doctor-%d-1", folder, getpid());
        (void)snprintf(two, sizeof(two), "%s/.interrex-doctor-%d-2", folder, getpid());
        bool made = mkdir(one, 0700) == 0 && mkdir(two, 0700) == 0;
        bool exchanged = made && renameat2(AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE) == 0;
        int error = errno;
        (void)rmdir(one);
        (void)rmdir(two);
        if (exchanged)
                findings_add(findings, "renameat2 exchange", FINDING_OK, NULL,
                                "a snapshot in %.200s can be put back at one blow", folder);
        else if (!made)
                findings_add(findings, "renameat2 exchange", FINDING_DEGRADED,
                                geteuid() == 0 ? "make it writable, or choose another by --state-dir"
                                               : "run it as root: sudo interrex doctor",
                                "could not be tried in %.150s: %s", folder, strerror(error));
        else
                findings_add(findings, "renameat2 exchange", FINDING_DEGRADED,
                                "put node states on ext4, XFS or btrfs",
                                "a snapshot in %.150s cannot be put back: %s", folder, strerror(error));
}

static void look_at_backlog(struct findings *findings) {
        _cleanup_fclose_ FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
        unsigned limit = 0;
        if (file && fscanf(file, "%u", &limit) == 1 && limit >= BACKLOG_WANTED)
                findings_add(findings, "connection queue", FINDING_OK, NULL,
                                "%u connections of one address may wait", limit);
        else
                findings_add(findings, "connection queue", FINDING_DEGRADED,
                                "sysctl -w net.core.somaxconn=4096",
                                "only %u connections of one address may wait during a swap; more are "
                                "dropped and tried again",
                                limit);
}

static void look_at_users(struct findings *findings) {
        bool director = getpwnam("interrex") != NULL, prober = getpwnam("interrex-prober") != NULL;
        if (director && prober)
                findings_add(findings, "users", FINDING_OK, NULL,
                                "the director runs as interrex, the prober as interrex-prober");
        else
                findings_add(findings, "users", FINDING_DEGRADED,
                                "install the package, or: useradd --system interrex; useradd --system "
                                "interrex-prober",
                                "not there: %s%s%s; numbers that nobody should have are used instead",
                                director ? "" : "interrex", director || prober ? "" : ", ",
                                prober ? "" : "interrex-prober");
}

static void look_at_journald(struct findings *findings) {
        if (access("/run/systemd/journal/socket", F_OK) == 0)
                findings_add(findings, "journald", FINDING_OK, NULL,
                                "messages can be found with journalctl");
        else
                findings_add(findings, "journald", FINDING_DEGRADED,
                                "keep what `interrex run` prints on stderr",
                                "there is no journald: messages go to stderr only");
}
