#include "archive.h"

#include "keep.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

static int restore(const struct archive *archive);
static int is_done(const struct archive *archive);
static int read_marker(const struct archive *archive, char text[64]);
static int make_missing_state(const struct archive *archive);
static int prepare(const struct archive *archive);
static int exchange(const struct archive *archive);

int snapshot_restore(const struct state_config *state, const char *name, char **ret_error) {
        return snapshot_restore_in_steps(state, name, NULL, ret_error);
}

int snapshot_restore_in_steps(const struct state_config *state, const char *name, const struct steps *steps,
                char **ret_error) {
        struct archive archive = {.state = state, .name = name, .steps = steps, .ret_error = ret_error};
        int r = archive_open(&archive);
        if (r == 0)
                r = state->snapshot == SNAPSHOT_HOOK ? hooked_restore(&archive) : restore(&archive);
        archive_close(&archive);
        return r;
}

static int restore(const struct archive *archive) {
        int r = is_done(archive);
        if (r < 0)
                return r;
        if (r > 0) {
                if (fsync(archive->parent_fd) < 0)
                        return fail_with(archive->ret_error, -errno,
                                        "the restored state in %s cannot be made durable: %s",
                                        archive->parent, strerror(errno));
                return 0;
        }
        r = archive_has(archive, archive->snapshot);
        if (r <= 0)
                return fail_with(archive->ret_error, r < 0 ? r : -ENOENT,
                                "there is no snapshot %s of %s/%s; the state is left as it is",
                                archive->name, archive->parent, archive->live);
        r = make_missing_state(archive);
        if (r == 0)
                r = prepare(archive);
        return r < 0 ? r : exchange(archive);
}

/* The marker names the directory that is to be in place. 1: it is. 0: it still lies under the snapshot's
 * name, or nothing was begun. */
static int is_done(const struct archive *archive) {
        char wanted[64], live[64] = "", snapshot[64] = "";
        int r = read_marker(archive, wanted);
        if (r <= 0)
                return r < 0 ? fail_with(archive->ret_error, r, "%s/%s cannot be read: %s", archive->parent,
                                               archive->marker, strerror(-r))
                             : 0;
        _cleanup_close_ int live_fd = archive_open_directory(archive, archive->live);
        _cleanup_close_ int snapshot_fd = archive_open_directory(archive, archive->snapshot);
        if (live_fd >= 0)
                (void)archive_identity(live_fd, live);
        if (snapshot_fd >= 0)
                (void)archive_identity(snapshot_fd, snapshot);
        if (strcmp(wanted, live) == 0)
                return 1;
        if (strcmp(wanted, snapshot) == 0)
                return 0;
        return fail_with(archive->ret_error, -ESTALE,
                        "a restore of snapshot %s was under way, but neither %s/%s nor %s beside it is what "
                        "it was then; someone moved or replaced them: look which one holds the state, put "
                        "it in place and remove %s/%s",
                        archive->name, archive->parent, archive->live, archive->snapshot, archive->parent,
                        archive->marker);
}

static int read_marker(const struct archive *archive, char text[64]) {
        _cleanup_close_ int fd =
                        openat(archive->parent_fd, archive->marker, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        ssize_t n = read(fd, text, 63);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return 1;
}

/* A release that removed its state needs the snapshot most of all; an exchange needs two sides. */
static int make_missing_state(const struct archive *archive) {
        if (mkdirat(archive->parent_fd, archive->live, 0700) < 0 && errno != EEXIST)
                return fail_with(archive->ret_error, -errno,
                                "the missing state directory %s/%s cannot be made: %s", archive->parent,
                                archive->live, strerror(errno));
        return 0;
}

/* The snapshot gets the newest of what is kept, durably, before anything shows the snapshot to a node. */
static int prepare(const struct archive *archive) {
        char identity[64];
        _cleanup_close_ int live = archive_open_directory(archive, archive->live);
        _cleanup_close_ int snapshot = archive_open_directory(archive, archive->snapshot);
        int r = live < 0 ? live : snapshot < 0 ? snapshot : archive_is_mount_point(live);
        if (r == 0)
                r = archive_identity(snapshot, identity);
        if (r != 0)
                return fail_with(archive->ret_error, r < 0 ? r : -EXDEV,
                                "%s/%s cannot be exchanged with its snapshot: %s", archive->parent,
                                archive->live, r < 0 ? strerror(-r) : "it is a mount point");
        r = keep_carry(archive, live, snapshot);
        if (r < 0)
                return r;
        step_reached(archive->steps, "kept");
        r = syncfs(archive->parent_fd) < 0 ? -errno : 0;
        if (r == 0)
                r = file_write_durably(archive->parent_fd, archive->marker, archive->writing, identity,
                                strlen(identity));
        step_reached(archive->steps, "marked");
        return r < 0 ? fail_with(archive->ret_error, r,
                                       "snapshot %s in %s cannot be prepared for its restore: %s",
                                       archive->name, archive->parent, strerror(-r))
                     : 0;
}

static int exchange(const struct archive *archive) {
        int r = 0;
        if (renameat2(archive->parent_fd, archive->live, archive->parent_fd, archive->snapshot,
                            RENAME_EXCHANGE) < 0)
                r = -errno;
        step_reached(archive->steps, "exchanged");
        if (r == 0 && fsync(archive->parent_fd) < 0)
                r = -errno;
        return r < 0 ? fail_with(archive->ret_error, r, "%s/%s cannot be exchanged with its snapshot %s: %s",
                                       archive->parent, archive->live, archive->name, strerror(-r))
                     : 0;
}
