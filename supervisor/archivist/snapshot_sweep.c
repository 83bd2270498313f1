#include "archive.h"

#include <dirent.h>
#include <fcntl.h>

#define SWAP "swap-"
#define SAME_NUMBER_MAX 9 /* set aside in vain before, one after the other */

struct sweep {
        const struct state_config *state;
        char *text; /* what was set aside */
        size_t size;
        char **ret_error;
};

static int find_all(const struct state_config *state, char ***ret_names, char **ret_error);
static int set_aside(const struct sweep *sweep, const char *name);
static bool swap_number(const char *name, uint64_t *ret_number);

int snapshot_sweep(const struct state_config *state, const char *last, bool keeps_last, char *text,
                size_t size, char **ret_error) {
        struct state_config plain = *state;
        struct sweep sweep = {.state = &plain, .text = text, .size = size, .ret_error = ret_error};
        _cleanup_strv_ char **names = NULL;
        uint64_t last_number, number;
        *text = '\0';
        plain.snapshot = SNAPSHOT_AUTO; /* never the hook, which was not asked for by this name */
        if (!swap_number(last, &last_number))
                return fail_with(ret_error, -EINVAL, "%s is no name of a swap's snapshot", last);
        int r = find_all(&plain, &names, ret_error);
        if (r == -EROFS || r == -ENOENT) { /* where nothing can be made, none was left */
                free(*ret_error);
                *ret_error = NULL;
                return 0;
        }
        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                if (!swap_number(names[i], &number) || (number == last_number && keeps_last))
                        continue;
                r = number > last_number ? set_aside(&sweep, names[i]) : 0;
                if (r >= 0)
                        r = snapshot_remove(&plain, names[i], ret_error);
        }
        return r;
}

static bool swap_number(const char *name, uint64_t *ret_number) {
        size_t length = strlen(SWAP);
        return strncmp(name, SWAP, length) == 0 && parse_u64(name + length, ret_number) == 0;
}

/* The name of the snapshot that an entry belongs to, whole or in part. */
static bool belongs_to_swap(const struct archive *archive, const char *entry, char *name, size_t size) {
        char prefix[ARCHIVE_NAME_MAX + 16];
        int n = snprintf(prefix, sizeof(prefix), ".%s.interrex-", archive->live);
        uint64_t number;
        if (n < 0 || strncmp(entry, prefix, (size_t)n) != 0 || strlen(entry + n) >= size)
                return false;
        text_copy(name, size, entry + n);
        name[strcspn(name, ".")] = '\0';
        return swap_number(name, &number);
}

static int collect(const struct archive *archive, char ***ret_names) {
        _cleanup_strv_ char **names = NULL;
        char name[64];
        int r = 0, copy = openat(archive->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = copy < 0 ? NULL : fdopendir(copy);
        if (!folder) {
                r = -errno;
                close_fd(copy);
                return r;
        }
        for (const struct dirent *entry; r >= 0 && (entry = readdir(folder));)
                if (belongs_to_swap(archive, entry->d_name, name, sizeof(name)) &&
                                !strv_contains(names, name))
                        r = strv_push(&names, name);
        (void)closedir(folder);
        if (r >= 0)
                *ret_names = TAKE_POINTER(names);
        return r;
}

/* None where a filesystem is mounted on the state directory: what lies beside it is another's, as in a rehearsal. */
static int find_all(const struct state_config *state, char ***ret_names, char **ret_error) {
        struct archive archive = {.state = state, .name = SWAP "0", .ret_error = ret_error};
        int r = archive_open(&archive);
        if (r >= 0) {
                _cleanup_close_ int live = archive_open_directory(&archive, archive.live);
                bool is_mounted_on = live >= 0 && archive_is_mount_point(live) != 0;
                r = is_mounted_on ? 0 : collect(&archive, ret_names);
                if (r < 0)
                        r = fail_with(ret_error, r, "%s cannot be looked through for snapshots: %s",
                                        archive.parent, strerror(-r));
        }
        archive_close(&archive);
        return r;
}

static void tell(const struct sweep *sweep, const struct archive *archive, const char *aside) {
        if (*sweep->text) /* the first one stands for all */
                return;
        (void)snprintf(sweep->text, sweep->size,
                        "a snapshot of a swap that the journal does not know was set aside as %.80s/%.80s: "
                        "it may be the "
                        "only way back; remove it when it is not needed",
                        archive->parent, aside);
}

static int move_aside(const struct sweep *sweep, const struct archive *archive) {
        char aside[ARCHIVE_NAME_MAX + 32];
        int r = archive_has(archive, archive->snapshot);
        if (r == 0)
                return 0;
        if (r > 0)
                r = -EEXIST;
        for (unsigned i = 0; r == -EEXIST && i < SAME_NUMBER_MAX; i++) {
                (void)snprintf(aside, sizeof(aside), ".%s.interrex-left-%s-%u", archive->live, archive->name,
                                i);
                r = renameat2(archive->parent_fd, archive->snapshot, archive->parent_fd, aside,
                                    RENAME_NOREPLACE) < 0
                                    ? -errno
                                    : 1;
        }
        if (r < 0)
                return fail_with(sweep->ret_error, r, "the snapshot %s in %s cannot be set aside: %s",
                                archive->snapshot, archive->parent, strerror(-r));
        tell(sweep, archive, aside);
        return 0;
}

static int set_aside(const struct sweep *sweep, const char *name) {
        struct archive archive = {.state = sweep->state, .name = name, .ret_error = sweep->ret_error};
        int r = archive_open(&archive);
        if (r >= 0)
                r = move_aside(sweep, &archive);
        archive_close(&archive);
        return r;
}
