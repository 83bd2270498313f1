#include "archive.h"

#include <fcntl.h>

static int remove_all(const struct archive *archive);
static int move_away(const struct archive *archive);

int snapshot_remove(const struct state_config *state, const char *name, char **ret_error) {
        return snapshot_remove_in_steps(state, name, NULL, ret_error);
}

int snapshot_remove_in_steps(const struct state_config *state, const char *name, const struct steps *steps,
                char **ret_error) {
        struct archive archive = {.state = state, .name = name, .steps = steps, .ret_error = ret_error};
        int r = archive_open(&archive);
        if (r == 0)
                r = state->snapshot == SNAPSHOT_HOOK ? hooked_remove(&archive) : remove_all(&archive);
        archive_close(&archive);
        return r;
}

static int remove_all(const struct archive *archive) {
        int r = archive_remove(archive, archive->gone);
        if (r == 0)
                r = move_away(archive);
        step_reached(archive->steps, "moved");
        if (r == 0 && unlinkat(archive->parent_fd, archive->marker, 0) < 0 && errno != ENOENT)
                r = -errno;
        step_reached(archive->steps, "unmarked");
        if (r == 0)
                r = archive_remove(archive, archive->gone);
        if (r == 0)
                r = archive_remove(archive, archive->part);
        if (r == 0)
                r = tree_remove(archive->parent_fd, archive->writing);
        return r < 0 ? fail_with(archive->ret_error, r, "snapshot %s in %s cannot be removed: %s",
                                       archive->name, archive->parent, strerror(-r))
                     : 0;
}

/* At once and durably: half a snapshot must never stand under the name of a whole one, and without its
 * marker it could be restored a second time. */
static int move_away(const struct archive *archive) {
        if (renameat(archive->parent_fd, archive->snapshot, archive->parent_fd, archive->gone) < 0)
                return errno == ENOENT ? 0 : -errno;
        return fsync(archive->parent_fd) < 0 ? -errno : 0;
}
