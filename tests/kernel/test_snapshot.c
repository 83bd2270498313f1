/* Snapshots on real filesystems: each test runs on btrfs subvolumes, on btrfs and XFS by shared extents, and
 * by copying, in a mount namespace of its own. Needs root; a filesystem that this kernel lacks is skipped by
 * name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/archivist/archive.h"
#include "../support/state_tree.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NAME "swap-7"
#define XFS_SHUTDOWN _IOR('X', 125, uint32_t)
#define XFS_SHUTDOWN_WITHOUT_LOG 2U

/* A filesystem, and the kind of snapshot that `auto` should find on it. */
struct place {
        const char *filesystem; /* NULL: that of the scratch directory, by copying */
        const char *make;       /* mkfs and its options */
        enum snapshot_kind kind;
        enum snapshot_kind want;
};

struct stage {
        const struct place *place;
        char top[64], mount[80], parent[96], directory[112], beside[160];
        char *error;
        struct state_config state;
};

static const struct place copied = {.kind = SNAPSHOT_COPY, .want = SNAPSHOT_COPY};
static const struct place xfs = {"xfs", "mkfs.xfs -q -f -m reflink=1", SNAPSHOT_REFLINK, SNAPSHOT_AUTO};
/* No shared extents: the data itself must have reached the disk. */
static const struct place xfs_plain = {"xfs", "mkfs.xfs -q -f -m reflink=0", SNAPSHOT_COPY, SNAPSHOT_AUTO};
static const struct place btrfs = {"btrfs", "mkfs.btrfs -q -f", SNAPSHOT_BTRFS, SNAPSHOT_AUTO};
static const struct place btrfs_plain = {"btrfs", "mkfs.btrfs -q -f", SNAPSHOT_REFLINK, SNAPSHOT_AUTO};

static int run(const char *format, ...) _printf_(1, 2);
static int run(const char *format, ...) {
        char command[512];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(command, sizeof(command), format, arguments);
        va_end(arguments);
        int status = system(command);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_state_directory(const struct stage *stage) {
        struct btrfs_ioctl_vol_args_v2 arguments = {.name = "node"};
        if (stage->place->kind != SNAPSHOT_BTRFS) {
                assert_int_equal(mkdir(stage->directory, 0755), 0);
                return;
        }
        int fd = open(stage->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(ioctl(fd, BTRFS_IOC_SUBVOL_CREATE_V2, &arguments), 0);
        (void)close(fd);
}

static int setup(void **state) {
        const struct place *place = *state;
        struct stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        stage->place = place;
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-snapshot-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->mount, sizeof(stage->mount), "%s/mount", stage->top);
        (void)snprintf(stage->parent, sizeof(stage->parent), "%s/srv", stage->mount);
        (void)snprintf(stage->directory, sizeof(stage->directory), "%s/node", stage->parent);
        (void)snprintf(stage->beside, sizeof(stage->beside), "%s/.node.interrex-" NAME, stage->parent);
        assert_int_equal(mkdir(stage->mount, 0755), 0);
        if (place->filesystem) {
                assert_int_equal(run("truncate -s 320M %s/image && %s %s/image >/dev/null", stage->top,
                                                 place->make, stage->top),
                                0);
                assert_int_equal(run("mount -t %s -o loop %s/image %s", place->filesystem, stage->top,
                                                 stage->mount),
                                0);
        }
        assert_int_equal(mkdir(stage->parent, 0755), 0);
        stage->state = (struct state_config){.directory = stage->directory,
                        .snapshot = place->want,
                        .copy_limit = UINT64_C(1) << 30};
        make_state_directory(stage);
        state_tree_fill(stage->directory);
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;
        if (stage->place->filesystem)
                assert_int_equal(umount(stage->mount), 0);
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage->error);
        free(stage);
        return 0;
}

static int taken(struct stage *stage) {
        return snapshot_take(&stage->state, NAME, stage->place->kind, &stage->error);
}

static void forget_error(struct stage *stage) {
        free(stage->error);
        stage->error = NULL;
}

static void assert_file(const char *directory, const char *path, const char *text) {
        _cleanup_free_ char *found = state_tree_read(directory, path);
        assert_string_equal(found, text);
}

static void assert_same(const char *directory, const char *described, const char *const *left_out) {
        _cleanup_free_ char *now = state_tree_describe(directory, left_out);
        assert_non_null(now);
        assert_string_equal(now, described);
}

/* Only the state directory is left in the folder that holds it. */
static void assert_alone(const struct stage *stage) {
        DIR *directory = opendir(stage->parent);
        assert_non_null(directory);
        for (struct dirent *entry; (entry = readdir(directory));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        assert_string_equal(entry->d_name, "node");
        (void)closedir(directory);
}

/* What a new release does to the state before it fails. */
static void go_on(const struct stage *stage) {
        state_tree_write(stage->directory, "chain.db", "another format\n");
        state_tree_write(stage->directory, "more", "new\n");
        state_tree_write(stage->directory, "signer/state.json", "height 200\n");
        state_tree_write(stage->directory, "keystore/a", "a 200\n");
        state_tree_write(stage->directory, "keystore/c", "c 200\n");
        assert_int_equal(run("rm %s/keystore/b %s/sub/small && mkdir -m 700 -p %s/later/below && echo new "
                             ">%s/later/below/file",
                                         stage->directory, stage->directory, stage->directory,
                                         stage->directory),
                        0);
}

static const char *const kept_names[] = {".", "signer", "keystore", "later", NULL};
static char *keep[] = {"signer/state.json", "keystore/", "nowhere/file", "later/below/file", NULL};

static void assert_kept(const char *directory) {
        assert_file(directory, "signer/state.json", "height 200\n");
        assert_file(directory, "keystore/a", "a 200\n");
        assert_file(directory, "keystore/b", "(missing)");
        assert_file(directory, "keystore/c", "c 200\n");
        assert_file(directory, "later/below/file", "new\n");
        assert_file(directory, "nowhere/file", "(missing)");
}

static void test_there_and_back(void **state) {
        struct stage *stage = *state;
        struct snapshot_plan plan;
        _cleanup_free_ char *before = state_tree_describe(stage->directory, NULL);
        assert_int_equal(snapshot_plan(&stage->state, &plan), 0);
        assert_int_equal(plan.kind, stage->place->kind);
        assert_true(plan.files >= 9 && plan.bytes >= 200 * 1024 && plan.bytes < 1024 * 1024 && *plan.reason);
        assert_true((plan.extents > 0) == (plan.kind == SNAPSHOT_REFLINK));
        assert_alone(stage);
        assert_int_equal(taken(stage), 0);
        go_on(stage);
        assert_same(stage->beside, before, NULL);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
        assert_same(stage->directory, before, NULL);
        assert_file(stage->beside, "chain.db", "another format\n");
        assert_int_equal(snapshot_remove(&stage->state, NAME, &stage->error), 0);
        assert_int_equal(snapshot_remove(&stage->state, NAME, &stage->error), 0);
        assert_alone(stage);
        assert_same(stage->directory, before, NULL);
}

static void test_first_one_stays(void **state) {
        struct stage *stage = *state;
        _cleanup_free_ char *before = state_tree_describe(stage->directory, NULL);
        assert_int_equal(taken(stage), 0);
        go_on(stage);
        assert_int_equal(taken(stage), 0);
        assert_same(stage->beside, before, NULL);
}

static void test_keep(void **state) {
        struct stage *stage = *state;
        struct stat st;
        char path[256];
        _cleanup_free_ char *before = state_tree_describe(stage->directory, kept_names);
        stage->state.keep = keep;
        assert_int_equal(taken(stage), 0);
        go_on(stage);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
        assert_kept(stage->directory);
        assert_same(stage->directory, before, kept_names);
        (void)snprintf(path, sizeof(path), "%s/later/below", stage->directory);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
}

/* Signing memory that is gone is no reason to put an older one back. */
static void test_keep_vanished(void **state) {
        struct stage *stage = *state;
        stage->state.keep = keep;
        assert_int_equal(taken(stage), 0);
        go_on(stage);
        assert_int_equal(run("rm %s/signer/state.json", stage->directory), 0);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), -ESTALE);
        assert_non_null(strstr(stage->error, "signer/state.json"));
        assert_file(stage->directory, "chain.db", "another format\n");
        assert_file(stage->directory, "signer/state.json", "(missing)");
}

static void test_live_vanished(void **state) {
        struct stage *stage = *state;
        _cleanup_free_ char *before = state_tree_describe(stage->directory, NULL);
        assert_int_equal(taken(stage), 0);
        assert_int_equal(run("rm -rf %s/* && rmdir %s", stage->directory, stage->directory), 0);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
        assert_same(stage->directory, before, NULL);
        assert_int_equal(snapshot_restore(&stage->state, "swap-8", &stage->error), -ENOENT);
}

static void die_at(const char *step, void *userdata) {
        if (strcmp(step, userdata) == 0)
                (void)raise(SIGKILL);
}

typedef int (*verb_t)(const struct stage *stage, const struct steps *steps, char **ret_error);

static int do_take(const struct stage *stage, const struct steps *steps, char **ret_error) {
        return snapshot_take_in_steps(&stage->state, NAME, stage->place->kind, steps, ret_error);
}
static int do_restore(const struct stage *stage, const struct steps *steps, char **ret_error) {
        return snapshot_restore_in_steps(&stage->state, NAME, steps, ret_error);
}
static int do_remove(const struct stage *stage, const struct steps *steps, char **ret_error) {
        return snapshot_remove_in_steps(&stage->state, NAME, steps, ret_error);
}

/* Runs VERB in a process that is killed at STEP. */
static void die(const struct stage *stage, verb_t verb, const char *step) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct steps steps = {.reached = die_at, .userdata = (void *)step};
                char *error = NULL;
                (void)verb(stage, &steps, &error);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_die_while_taking(void **state) {
        struct stage *stage = *state;
        static const char *const steps[] = {"filled", "synced", "renamed"};
        _cleanup_free_ char *before = state_tree_describe(stage->directory, NULL);
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                die(stage, do_take, steps[i]);
                _cleanup_free_ char *left = state_tree_describe(stage->beside, NULL);
                assert_true((left != NULL) == (strcmp(steps[i], "renamed") == 0));
                assert_int_equal(taken(stage), 0);
                assert_same(stage->beside, before, NULL);
                assert_same(stage->directory, before, NULL);
                assert_int_equal(snapshot_remove(&stage->state, NAME, &stage->error), 0);
                assert_alone(stage);
        }
}

/* At no instruction does the state directory show an older signing memory; repeated, the restore happens
 * once. */
static void test_die_while_restoring(void **state) {
        struct stage *stage = *state;
        static const char *const steps[] = {"kept", "marked", "exchanged"};
        _cleanup_free_ char *before = state_tree_describe(stage->directory, kept_names);
        stage->state.keep = keep;
        assert_int_equal(run("cp -a %s %s/original", stage->directory, stage->top), 0);
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                assert_int_equal(taken(stage), 0);
                go_on(stage);
                die(stage, do_restore, steps[i]);
                assert_kept(stage->directory);
                /* What was newest when it died need not be when it is repeated. */
                assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
                assert_kept(stage->directory);
                assert_same(stage->directory, before, kept_names);
                state_tree_write(stage->directory, "chain.db", "the old release goes on\n");
                assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
                assert_file(stage->directory, "chain.db", "the old release goes on\n");
                assert_int_equal(snapshot_remove(&stage->state, NAME, &stage->error), 0);
                assert_alone(stage);
                assert_int_equal(run("find %s -mindepth 1 -delete && cp -a %s/original/. %s/",
                                                 stage->directory, stage->top, stage->directory),
                                0);
        }
}

static void test_die_while_removing(void **state) {
        struct stage *stage = *state;
        static const char *const steps[] = {"moved", "unmarked"};
        _cleanup_free_ char *before = state_tree_describe(stage->directory, NULL);
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                assert_int_equal(taken(stage), 0);
                assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
                die(stage, do_remove, steps[i]);
                assert_int_equal(snapshot_remove(&stage->state, NAME, &stage->error), 0);
                assert_alone(stage);
                assert_same(stage->directory, before, NULL);
        }
}

static void cut_power(const struct stage *stage) {
        uint32_t how = XFS_SHUTDOWN_WITHOUT_LOG;
        int fd = open(stage->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(ioctl(fd, XFS_SHUTDOWN, &how), 0);
        (void)close(fd);
        assert_int_equal(umount(stage->mount), 0);
        assert_int_equal(run("mount -t xfs -o loop %s/image %s", stage->top, stage->mount), 0);
}

static void test_power_cut(void **state) {
        struct stage *stage = *state;
        _cleanup_free_ char *before = state_tree_describe(stage->directory, NULL);
        _cleanup_free_ char *without_kept = state_tree_describe(stage->directory, kept_names);
        stage->state.keep = keep;
        assert_int_equal(taken(stage), 0);
        cut_power(stage);
        assert_same(stage->beside, before, NULL);
        go_on(stage);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
        cut_power(stage);
        assert_kept(stage->directory);
        assert_same(stage->directory, without_kept, kept_names);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
        assert_same(stage->directory, without_kept, kept_names);
}

/* A subvolume below would be an empty directory in the snapshot: files by shared extents are complete. */
static void test_nested_subvolume(void **state) {
        struct stage *stage = *state;
        struct snapshot_plan plan;
        assert_int_equal(run("btrfs -q subvolume create %s/nested && echo deep >%s/nested/file",
                                         stage->directory, stage->directory),
                        0);
        assert_int_equal(snapshot_plan(&stage->state, &plan), 0);
        assert_int_equal(plan.kind, SNAPSHOT_REFLINK);
        assert_int_equal(snapshot_take(&stage->state, NAME, SNAPSHOT_BTRFS, &stage->error), -EXDEV);
        forget_error(stage);
        assert_int_equal(snapshot_take(&stage->state, NAME, SNAPSHOT_REFLINK, &stage->error), 0);
        assert_file(stage->beside, "nested/file", "deep\n");
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), 0);
        assert_int_equal(snapshot_remove(&stage->state, NAME, &stage->error), 0);
        assert_file(stage->directory, "nested/file", "deep\n");
        assert_alone(stage);
}

static void test_nothing_yet(void **state) {
        struct stage *stage = *state;
        struct snapshot_plan plan;
        assert_int_equal(run("rm -rf %s", stage->directory), 0);
        assert_int_equal(snapshot_plan(&stage->state, &plan), 0);
        assert_int_equal(plan.kind, SNAPSHOT_NONE);
        assert_non_null(strstr(plan.reason, "nothing"));
        assert_int_equal(snapshot_take(&stage->state, NAME, SNAPSHOT_AUTO, &stage->error), 0);
        assert_int_equal(snapshot_take(&stage->state, NAME, SNAPSHOT_NONE, &stage->error), 0);
        assert_alone(stage);
        assert_int_equal(snapshot_take(&stage->state, NAME, SNAPSHOT_COPY, &stage->error), -ENOENT);
}

static void test_too_large(void **state) {
        struct stage *stage = *state;
        struct snapshot_plan plan;
        stage->state.copy_limit = 100 * 1024;
        assert_int_equal(snapshot_plan(&stage->state, &plan), -EOPNOTSUPP);
        assert_int_equal(plan.kind, SNAPSHOT_NONE);
        assert_non_null(strstr(plan.reason, "copy_limit"));
        assert_int_equal(taken(stage), -EFBIG);
        forget_error(stage);
        stage->state.copy_limit = UINT64_C(1) << 30;
        assert_int_equal(run("mount -t tmpfs -o size=16M none %s && mkdir %s && head -c 9M /dev/zero "
                             ">%s/file",
                                         stage->parent, stage->directory, stage->directory),
                        0);
        assert_int_equal(taken(stage), -ENOSPC);
        assert_non_null(strstr(stage->error, "9 MiB"));
        assert_non_null(strstr(stage->error, "7 MiB free"));
        assert_alone(stage);
        assert_int_equal(umount(stage->parent), 0);
}

static void test_mount_points(void **state) {
        struct stage *stage = *state;
        struct snapshot_plan plan;
        char path[160];
        assert_int_equal(mount(stage->top, stage->directory, NULL, MS_BIND, NULL), 0);
        assert_int_equal(snapshot_plan(&stage->state, &plan), -EOPNOTSUPP);
        assert_non_null(strstr(plan.reason, "mount point"));
        assert_int_equal(taken(stage), -EXDEV);
        forget_error(stage);
        assert_int_equal(umount(stage->directory), 0);
        (void)snprintf(path, sizeof(path), "%s/sub/deep", stage->directory);
        assert_int_equal(mount(stage->top, path, NULL, MS_BIND, NULL), 0);
        assert_int_equal(snapshot_plan(&stage->state, &plan), -EOPNOTSUPP);
        assert_non_null(strstr(plan.reason, "sub/deep"));
        assert_int_equal(taken(stage), -EXDEV);
        assert_int_equal(umount(path), 0);
        assert_alone(stage);
}

static void test_bad_names(void **state) {
        struct stage *stage = *state;
        stage->state.keep = (char *[]){"../../etc/passwd", NULL};
        assert_int_equal(snapshot_take(&stage->state, "../x", SNAPSHOT_COPY, &stage->error), -EINVAL);
        forget_error(stage);
        assert_int_equal(taken(stage), 0);
        assert_int_equal(snapshot_restore(&stage->state, NAME, &stage->error), -EINVAL);
        assert_non_null(strstr(stage->error, "passwd"));
}

static int mounts_are_private(void **state) {
        (void)state;
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
                return -1;
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static bool kernel_has(const char *filesystem) {
        return run("modprobe -q %s 2>/dev/null; grep -qw %s /proc/filesystems && command -v mkfs.%s "
                   ">/dev/null",
                               filesystem, filesystem, filesystem) == 0;
}

#define AT(function, place) \
        { #function " on " #place, function, setup, teardown, (void *)&(place) }
#define EVERYWHERE(place)                                                                      \
        AT(test_there_and_back, place), AT(test_first_one_stays, place), AT(test_keep, place), \
                        AT(test_keep_vanished, place), AT(test_live_vanished, place),          \
                        AT(test_die_while_taking, place), AT(test_die_while_restoring, place), \
                        AT(test_die_while_removing, place)

int main(void) {
        const struct CMUnitTest by_copy[] = {EVERYWHERE(copied), AT(test_nothing_yet, copied),
                        AT(test_too_large, copied), AT(test_mount_points, copied),
                        AT(test_bad_names, copied)};
        const struct CMUnitTest on_xfs[] = {
                        EVERYWHERE(xfs), AT(test_power_cut, xfs), AT(test_power_cut, xfs_plain)};
        const struct CMUnitTest on_btrfs[] = {
                        EVERYWHERE(btrfs), EVERYWHERE(btrfs_plain), AT(test_nested_subvolume, btrfs)};
        if (geteuid() != 0) {
                print_message("snapshot: skipped, mounting filesystems needs root\n");
                return 0;
        }
        int failed = cmocka_run_group_tests_name("snapshot by copy", by_copy, mounts_are_private, NULL);
        if (kernel_has("xfs"))
                failed += cmocka_run_group_tests_name("snapshot on xfs", on_xfs, mounts_are_private, NULL);
        else
                print_message("snapshot on xfs: skipped, this host has no xfs or no mkfs.xfs\n");
        if (kernel_has("btrfs"))
                failed += cmocka_run_group_tests_name(
                                "snapshot on btrfs", on_btrfs, mounts_are_private, NULL);
        else
                print_message("snapshot on btrfs: skipped, this host has no btrfs or no mkfs.btrfs\n");
        return failed;
}
