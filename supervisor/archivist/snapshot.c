#include "archive.h"

#include "hook.h"
#include "subvolume.h"
#include "tree_copy.h"
#include "tree_count.h"
#include <fcntl.h>
#include <linux/fs.h>

/* Dying anywhere leaves names that say how far it came:
 *   .NODE.interrex-NAME.part      incomplete, worthless
 *   .NODE.interrex-NAME           complete and durable
 *   .NODE.interrex-NAME.restored  says which directory a restore puts in place: once that one is the state
 * directory, the exchange has happened and must not happen again .NODE.interrex-NAME.gone      being removed
 */

static int choose(const struct state_config *state, enum snapshot_kind *kind, char **ret_error);
static int take(const struct archive *archive, enum snapshot_kind kind);
static int check_state(const struct archive *archive, int live_fd, enum snapshot_kind kind);
static int fill(const struct archive *archive, int live_fd, enum snapshot_kind kind);
static int complete(const struct archive *archive);

int snapshot_take(const struct state_config *state, const char *name, enum snapshot_kind kind,
                char **ret_error) {
        return snapshot_take_in_steps(state, name, kind, NULL, ret_error);
}

int snapshot_take_in_steps(const struct state_config *state, const char *name, enum snapshot_kind kind,
                const struct steps *steps, char **ret_error) {
        struct archive archive = {.state = state, .name = name, .steps = steps, .ret_error = ret_error};
        int r = kind == SNAPSHOT_AUTO ? choose(state, &kind, ret_error) : 0;
        if (r < 0 || kind == SNAPSHOT_NONE)
                return r;
        if (kind == SNAPSHOT_HOOK)
                return hook_run(state->hook, "take", name, state->directory, ret_error);
        r = archive_open(&archive);
        if (r == 0)
                r = take(&archive, kind);
        archive_close(&archive);
        return r;
}

static int choose(const struct state_config *state, enum snapshot_kind *kind, char **ret_error) {
        struct state_config automatic = *state;
        struct snapshot_plan plan;
        automatic.snapshot = SNAPSHOT_AUTO;
        int r = snapshot_plan(&automatic, &plan);
        if (r < 0 || (plan.kind == SNAPSHOT_NONE && access(state->directory, F_OK) == 0))
                return fail_with(ret_error, r < 0 ? r : -EOPNOTSUPP, "%s", plan.reason);
        *kind = plan.kind;
        return 0;
}

static int take(const struct archive *archive, enum snapshot_kind kind) {
        int present = archive_has(archive, archive->snapshot);
        if (present > 0)
                return 0;
        int r = present;
        /* What an earlier snapshot of that name left would say that this one was restored already. */
        if (r == 0 && unlinkat(archive->parent_fd, archive->marker, 0) < 0 && errno != ENOENT)
                r = -errno;
        if (r == 0)
                r = archive_remove(archive, archive->part);
        if (r < 0)
                return fail_with(archive->ret_error, r,
                                "what an interrupted snapshot left in %s cannot be removed: %s",
                                archive->parent, strerror(-r));
        _cleanup_close_ int live = archive_open_directory(archive, archive->live);
        if (live < 0)
                return fail_with(archive->ret_error, live,
                                "the state directory %s/%s cannot be opened: %s; no snapshot was taken",
                                archive->parent, archive->live, strerror(-live));
        r = check_state(archive, live, kind);
        if (r == 0)
                r = fill(archive, live, kind);
        step_reached(archive->steps, "filled");
        if (r == 0)
                r = complete(archive);
        if (r < 0)
                (void)archive_remove(archive, archive->part);
        return r;
}

static int check_state(const struct archive *archive, int live_fd, enum snapshot_kind kind) {
        struct tree_count count;
        int r = archive_is_mount_point(live_fd);
        if (r > 0)
                return fail_with(archive->ret_error, -EXDEV,
                                "%s/%s is a mount point, beside which no snapshot can lie; use a directory "
                                "below it as state.directory",
                                archive->parent, archive->live);
        if (r == 0 && kind == SNAPSHOT_BTRFS) {
                r = subvolume_is(live_fd) ? subvolume_has_nested(live_fd) : -ENOTTY;
                if (r > 0)
                        return fail_with(archive->ret_error, -EXDEV,
                                        "%s/%s has subvolumes below it, which a snapshot would leave out; "
                                        "use state.snapshot: reflink",
                                        archive->parent, archive->live);
        } else if (r == 0) {
                r = tree_count(live_fd, false, &count);
                if (r == 0 && count.mount[0])
                        return fail_with(archive->ret_error, -EXDEV,
                                        "%s is a mount point within the state directory, which a snapshot "
                                        "cannot hold; mount it elsewhere",
                                        count.mount);
                if (r == 0 && kind == SNAPSHOT_COPY)
                        return archive_has_room(archive, count.bytes, archive->ret_error);
        }
        return r < 0 ? fail_with(archive->ret_error, r, "no snapshot of kind %s can be taken of %s/%s: %s",
                                       snapshot_kind_name(kind), archive->parent, archive->live,
                                       strerror(-r))
                     : 0;
}

static int fill(const struct archive *archive, int live_fd, enum snapshot_kind kind) {
        if (kind != SNAPSHOT_BTRFS)
                return tree_copy(archive->parent_fd, archive->live, archive->parent_fd, archive->part,
                                archive->ret_error);
        int r = subvolume_snapshot(live_fd, archive->parent_fd, archive->part);
        return r < 0 ? fail_with(archive->ret_error, r, "btrfs refuses a snapshot of %s/%s: %s",
                                       archive->parent, archive->live, strerror(-r))
                     : 0;
}

/* One sync for all files costs far less than one each; the name comes only after it. */
static int complete(const struct archive *archive) {
        int r = syncfs(archive->parent_fd) < 0 ? -errno : 0;
        step_reached(archive->steps, "synced");
        if (r == 0 && renameat2(archive->parent_fd, archive->part, archive->parent_fd, archive->snapshot,
                                      RENAME_NOREPLACE) < 0)
                r = -errno;
        step_reached(archive->steps, "renamed");
        if (r == 0 && fsync(archive->parent_fd) < 0)
                r = -errno;
        return r < 0 ? fail_with(archive->ret_error, r, "the snapshot %s in %s cannot be made durable: %s",
                                       archive->name, archive->parent, strerror(-r))
                     : 0;
}
