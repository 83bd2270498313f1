#include "archive.h"

#include "hook.h"
#include "keep.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#define MARKER_TEXT "restored by the hook\n"

static int set_aside(const struct archive *archive);
static int put_back(const struct archive *archive);

int hooked_restore(struct archive *archive) {
        int r = archive_has(archive, archive->marker);
        if (r > 0)
                return 0;
        if (r == 0)
                r = archive_has(archive, archive->kept);
        if (r < 0)
                return fail_with(archive->ret_error, r, "%s cannot be examined: %s", archive->parent,
                                strerror(-r));
        /* Once set aside, the state directory may already be the older one: what was set aside is newer. */
        r = r > 0 ? 0 : set_aside(archive);
        step_reached(archive->steps, "kept");
        if (r == 0)
                r = hook_run(archive->state->hook, "restore", archive->name, archive->state->directory,
                                archive->ret_error);
        step_reached(archive->steps, "restored");
        return r < 0 ? r : put_back(archive);
}

static int set_aside(const struct archive *archive) {
        int r = archive_remove(archive, archive->kept_part);
        if (r == 0 && mkdirat(archive->parent_fd, archive->kept_part, 0700) < 0)
                r = -errno;
        if (r < 0)
                return fail_with(archive->ret_error, r,
                                "no place can be made in %s for the files of state.keep: %s",
                                archive->parent, strerror(-r));
        _cleanup_close_ int live = archive_open_directory(archive, archive->live);
        _cleanup_close_ int aside = archive_open_directory(archive, archive->kept_part);
        if (aside < 0 || (live < 0 && live != -ENOENT))
                return fail_with(archive->ret_error, aside < 0 ? aside : live,
                                "the state directory cannot be opened: %s",
                                strerror(aside < 0 ? -aside : -live));
        r = live < 0 ? 0 : keep_carry(archive, live, aside);
        if (r < 0)
                return r;
        if (syncfs(archive->parent_fd) < 0 ||
                        renameat2(archive->parent_fd, archive->kept_part, archive->parent_fd, archive->kept,
                                        RENAME_NOREPLACE) < 0 ||
                        fsync(archive->parent_fd) < 0)
                return fail_with(archive->ret_error, -errno,
                                "the files of state.keep cannot be set aside in %s: %s", archive->parent,
                                strerror(errno));
        return 0;
}

/* Opens the state directory afresh: a hook may have put another one, or another filesystem, in its place. */
static int put_back(const struct archive *archive) {
        _cleanup_close_ int live = archive_open_directory(archive, archive->live);
        _cleanup_close_ int aside = archive_open_directory(archive, archive->kept);
        if (live < 0 || aside < 0)
                return fail_with(archive->ret_error, live < 0 ? live : aside,
                                "after the hook's restore %s/%s cannot be opened: %s", archive->parent,
                                archive->live, strerror(live < 0 ? -live : -aside));
        int r = keep_carry(archive, aside, live);
        if (r < 0)
                return r;
        step_reached(archive->steps, "carried");
        r = syncfs(live) < 0 ? -errno : 0;
        if (r == 0)
                r = file_write_durably(archive->parent_fd, archive->marker, archive->writing, MARKER_TEXT,
                                strlen(MARKER_TEXT));
        if (r == 0)
                r = archive_remove(archive, archive->kept);
        return r < 0 ? fail_with(archive->ret_error, r,
                                       "the restored state in %s cannot be made durable: %s",
                                       archive->parent, strerror(-r))
                     : 0;
}

int hooked_remove(struct archive *archive) {
        int r = hook_run(archive->state->hook, "remove", archive->name, archive->state->directory,
                        archive->ret_error);
        if (r < 0)
                return r;
        const char *const names[] = {archive->kept, archive->kept_part, archive->marker, archive->writing};
        for (size_t i = 0; r == 0 && i < ELEMENTS(names); i++)
                r = tree_remove(archive->parent_fd, names[i]);
        return r < 0 ? fail_with(archive->ret_error, r,
                                       "what the restore of %s left in %s cannot be removed: %s",
                                       archive->name, archive->parent, strerror(-r))
                     : 0;
}
