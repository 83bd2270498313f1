#include "archive.h"

#include "../lib/signer.h"
#include "subvolume.h"
#include "tree_count.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/stat.h>

/* Orders of magnitude, so that an operator sees seconds or hours: a file made or an extent shared costs some
 * tens of microseconds on a disk without seeks, a subvolume one commit. */
#define SNAPSHOT_US 50000
#define FILE_US 60
#define EXTENT_US 5
#define COPIED_BYTES_PER_US 200

static int refuse(struct snapshot_plan *plan, int error, const char *format, ...) _printf_(3, 4);
static int plan_hook(const struct state_config *state, struct snapshot_plan *plan);
static int plan_directory(const struct archive *archive, struct snapshot_plan *plan);
static int count(const struct archive *archive, int live_fd, bool with_extents, struct snapshot_plan *plan);
static int try_exchange(const struct archive *archive, struct snapshot_plan *plan);
static int try_kind(const struct archive *archive, int live_fd, enum snapshot_kind kind,
                struct snapshot_plan *plan);
static int try_btrfs(const struct archive *archive, int live_fd, struct snapshot_plan *plan);
static int try_reflink(const struct archive *archive, struct snapshot_plan *plan);
static int try_copy(const struct archive *archive, struct snapshot_plan *plan);
static void estimate(struct snapshot_plan *plan);

int snapshot_plan(const struct state_config *state, struct snapshot_plan *ret_plan) {
        struct snapshot_plan plan = {.kind = SNAPSHOT_NONE};
        _cleanup_free_ char *error = NULL;
        struct archive archive = {.state = state, .name = "", .ret_error = &error};
        int r = 0;
        if (!state->directory)
                (void)refuse(&plan, 0, "the node has no state.directory");
        else if (state->snapshot == SNAPSHOT_NONE)
                (void)refuse(&plan, 0, "state.snapshot is none");
        else if (state->snapshot == SNAPSHOT_HOOK)
                r = plan_hook(state, &plan);
        else {
                r = archive_open(&archive);
                r = r < 0 ? refuse(&plan, r, "%s", error) : plan_directory(&archive, &plan);
                archive_close(&archive);
        }
        /* What `auto` cannot find is an answer; a kind that was asked for and is not to be had is a failure.
         */
        if (r < 0)
                plan.kind = SNAPSHOT_NONE;
        plan.signer_mark = snapshot_signer_mark(state);
        *ret_plan = plan;
        return r < 0 && state->snapshot != SNAPSHOT_AUTO ? -EOPNOTSUPP : 0;
}

const char *snapshot_signer_mark(const struct state_config *state) {
        _cleanup_close_ int fd =
                        state->directory ? open(state->directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        return fd < 0 ? NULL : signer_find_mark(fd);
}

static int refuse(struct snapshot_plan *plan, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(plan->reason, sizeof(plan->reason), format, arguments);
        va_end(arguments);
        return error;
}

static int plan_hook(const struct state_config *state, struct snapshot_plan *plan) {
        if (strv_length(state->hook) == 0)
                return refuse(plan, -EINVAL, "state.snapshot is hook, but state.hook names no command");
        if (access(state->hook[0], X_OK) < 0)
                return refuse(plan, -errno, "the hook %.150s cannot be executed: %s", state->hook[0],
                                strerror(errno));
        plan->kind = SNAPSHOT_HOOK;
        return refuse(plan, 0, "the operator's hook %.150s takes it", state->hook[0]);
}

static int plan_directory(const struct archive *archive, struct snapshot_plan *plan) {
        static const enum snapshot_kind automatic[] = {SNAPSHOT_BTRFS, SNAPSHOT_REFLINK, SNAPSHOT_COPY};
        enum snapshot_kind wanted = archive->state->snapshot;
        char obstacle[256] = "";
        _cleanup_close_ int live = archive_open_directory(archive, archive->live);
        if (live == -ENOENT)
                return refuse(plan, 0, "there is nothing in %.150s yet", archive->state->directory);
        if (live < 0)
                return refuse(plan, live, "%.150s cannot be opened: %s", archive->state->directory,
                                strerror(-live));
        int r = count(archive, live, false, plan);
        if (r == 0)
                r = try_exchange(archive, plan);
        if (r < 0)
                return r;
        if (wanted != SNAPSHOT_AUTO)
                r = try_kind(archive, live, wanted, plan);
        else {
                r = -EOPNOTSUPP;
                for (size_t i = 0; r < 0 && i < ELEMENTS(automatic); i++) {
                        r = try_kind(archive, live, automatic[i], plan);
                        /* Of a plain directory on a plain filesystem, only the last says anything new. */
                        if (r < 0 && r != -ENOTTY)
                                text_copy(obstacle, sizeof(obstacle), plan->reason);
                }
                if (r < 0)
                        text_copy(plan->reason, sizeof(plan->reason), obstacle);
        }
        if (r == 0 && plan->kind == SNAPSHOT_REFLINK)
                r = count(archive, live, true, plan);
        estimate(plan);
        return r;
}

static int count(const struct archive *archive, int live_fd, bool with_extents, struct snapshot_plan *plan) {
        struct tree_count counted;
        int r = archive_is_mount_point(live_fd);
        if (r > 0)
                return refuse(plan, -EXDEV,
                                "%.120s is a mount point, beside which no snapshot can lie; use a directory "
                                "below it",
                                archive->state->directory);
        if (r == 0)
                r = tree_count(live_fd, with_extents, &counted);
        if (r < 0)
                return refuse(plan, r, "%.150s cannot be counted: %s", archive->state->directory,
                                strerror(-r));
        plan->files = counted.files;
        plan->bytes = counted.bytes;
        plan->extents = counted.extents;
        if (counted.mount[0])
                return refuse(plan, -EXDEV, "%s in it is a mount point, which a snapshot cannot hold",
                                counted.mount);
        if (counted.device[0])
                return refuse(plan, -ENOTSUP, "%s in it is a device, which a snapshot cannot hold",
                                counted.device);
        return 0;
}

/* Without an exchange there is no restore, and a snapshot is of no use. */
static int try_exchange(const struct archive *archive, struct snapshot_plan *plan) {
        char names[2][ARCHIVE_NAME_MAX + 2];
        int r = 0;
        for (size_t i = 0; i < 2; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "%s-%zu", archive->scratch, i);
                (void)unlinkat(archive->parent_fd, names[i], AT_REMOVEDIR);
                if (r == 0 && mkdirat(archive->parent_fd, names[i], 0700) < 0)
                        r = -errno;
        }
        if (r == 0 && renameat2(archive->parent_fd, names[0], archive->parent_fd, names[1],
                                      RENAME_EXCHANGE) < 0)
                r = -errno;
        for (size_t i = 0; i < 2; i++)
                (void)unlinkat(archive->parent_fd, names[i], AT_REMOVEDIR);
        return r < 0 ? refuse(plan, r, "directories cannot be exchanged in %.150s: %s", archive->parent,
                                       strerror(-r))
                     : 0;
}

static int try_kind(const struct archive *archive, int live_fd, enum snapshot_kind kind,
                struct snapshot_plan *plan) {
        int r = kind == SNAPSHOT_BTRFS     ? try_btrfs(archive, live_fd, plan)
                : kind == SNAPSHOT_REFLINK ? try_reflink(archive, plan)
                                           : try_copy(archive, plan);
        if (r == 0)
                plan->kind = kind;
        return r;
}

static int try_btrfs(const struct archive *archive, int live_fd, struct snapshot_plan *plan) {
        if (!subvolume_is(live_fd))
                return refuse(plan, -ENOTTY, "%.150s is no btrfs subvolume", archive->state->directory);
        int r = subvolume_has_nested(live_fd);
        if (r > 0)
                return refuse(plan, -EXDEV,
                                "%.150s has subvolumes below it, which a snapshot would leave out",
                                archive->state->directory);
        if (r == 0)
                r = subvolume_try(archive->parent_fd, archive->scratch);
        if (r < 0)
                return refuse(plan, r, "subvolumes cannot be made and removed in %.150s: %s",
                                archive->parent, strerror(-r));
        return refuse(plan, 0, "the state directory is a btrfs subvolume");
}

static int try_reflink(const struct archive *archive, struct snapshot_plan *plan) {
        int r = file_can_share(archive->parent_fd, archive->scratch);
        if (r < 0)
                return refuse(plan, r, "no file can be made in %.150s: %s", archive->parent, strerror(-r));
        if (r == 0)
                return refuse(plan, -ENOTTY, "the filesystem of %.150s cannot share extents",
                                archive->parent);
        return refuse(plan, 0, "the filesystem shares extents between files");
}

static int try_copy(const struct archive *archive, struct snapshot_plan *plan) {
        _cleanup_free_ char *error = NULL;
        int r = archive_has_room(archive, plan->bytes, &error);
        return r < 0 ? refuse(plan, r, "the filesystem shares no extents, and %.200s", error)
                     : refuse(plan, 0,
                                       "the filesystem shares no extents, and the state is small enough to "
                                       "be copied");
}

static void estimate(struct snapshot_plan *plan) {
        switch (plan->kind) {
        case SNAPSHOT_BTRFS:
                plan->estimated_us = SNAPSHOT_US;
                break;
        case SNAPSHOT_REFLINK:
                plan->estimated_us = plan->files * FILE_US + plan->extents * EXTENT_US;
                break;
        case SNAPSHOT_COPY:
                plan->estimated_us = plan->files * FILE_US + plan->bytes / COPIED_BYTES_PER_US;
                break;
        default:
                plan->estimated_us = 0;
        }
}
