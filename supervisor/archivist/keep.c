#include "keep.h"

#include "keep_link.h"
#include "metadata.h"
#include "tree_copy.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#define LINKS_MAX 40 /* as the kernel */

struct carrying {
        const struct archive *archive;
        int from_root, to_root;
        char **links;   /* found below what is kept, still to be followed or followed */
        char **carried; /* paths without a link in them */
        const char *entry;
        bool must_exist;
};

static int carry_one(struct carrying *carrying, const char *entry, bool is_found);
static int walk(struct carrying *carrying, const char *path, char next[PATH_BELOW_MAX]);
static int step(struct carrying *carrying, struct keep_place *place, char next[PATH_BELOW_MAX]);
static int step_into(int *from_fd, int *to_fd, const char *name);
static int replace(struct carrying *carrying, const struct keep_place *place);
static int refuse_missing(const struct carrying *carrying, bool is_old);
static bool is_carried(const struct carrying *carrying, const char *path);
static int note_carried(struct carrying *carrying, const struct keep_place *place);
static int has(int fd, const char *name);

int keep_carry(const struct archive *archive, int from_root, int to_root) {
        const struct state_config *state = archive->state;
        struct carrying carrying = {.archive = archive,
                        .from_root = from_root,
                        .to_root = to_root,
                        .must_exist = state->signer == SIGNER_FILES};
        int r = 0;
        for (size_t i = 0; r >= 0 && state->keep && state->keep[i]; i++)
                r = carry_one(&carrying, state->keep[i], false);
        carrying.must_exist = false;
        for (size_t i = 0; r >= 0 && carrying.links && carrying.links[i]; i++)
                r = carry_one(&carrying, carrying.links[i], true);
        strv_free(carrying.links);
        strv_free(carrying.carried);
        return r;
}

/* What was found below a directory has whatever name the node gave it. */
static int carry_one(struct carrying *carrying, const char *entry, bool is_found) {
        char **ret_error = carrying->archive->ret_error;
        char path[PATH_BELOW_MAX], next[PATH_BELOW_MAX] = "";
        _cleanup_free_ char *plain = strdup(entry);
        for (size_t n = plain ? strlen(plain) : 0; n > 0 && plain[n - 1] == '/'; n--)
                plain[n - 1] = '\0';
        if (!plain || (!is_found && !path_stays_below(plain)) || keep_path_normalise(plain, path) < 0)
                return fail_with(ret_error, -EINVAL,
                                "state.keep: %s is not a path below the state directory", entry);
        carrying->entry = entry;
        for (size_t i = 0; i <= LINKS_MAX; i++) {
                int r = walk(carrying, path, next);
                if (r <= 0 || !*next)
                        return r < 0 ? r : 0;
                text_copy(path, sizeof(path), next);
        }
        return fail_with(ret_error, -ELOOP,
                        "state.keep: %s leads from one symbolic link to another without an end, so nothing "
                        "was "
                        "restored",
                        entry);
}

/* 1: go on with NEXT, where a link leads to; it is empty for what lies outside. */
static int walk(struct carrying *carrying, const char *path, char next[PATH_BELOW_MAX]) {
        _cleanup_close_ int from = directory_open(carrying->from_root, "."),
                            to = directory_open(carrying->to_root, ".");
        if (from < 0 || to < 0)
                return fail_with(carrying->archive->ret_error, from < 0 ? from : to,
                                "the state directory cannot be opened: %s",
                                strerror(from < 0 ? -from : -to));
        struct keep_place place = {
                        .from_fd = from, .to_fd = to, .entry = carrying->entry, .path = path, .rest = path};
        int r = 0;
        do {
                char name[NAME_MAX + 1];
                size_t length = strcspn(place.rest, "/");
                text_copy(name, sizeof(name), place.rest);
                name[length] = '\0';
                place.name = name;
                place.prefix = (size_t)(place.rest - path);
                place.rest += length + (place.rest[length] == '/');
                r = step(carrying, &place, next);
                from = place.from_fd;
                to = place.to_fd;
        } while (r == 0 && *place.rest);
        return r;
}

static int step(struct carrying *carrying, struct keep_place *place, char next[PATH_BELOW_MAX]) {
        const struct archive *archive = carrying->archive;
        if (strcmp(place->name, "..") == 0)
                return keep_go_up(archive, place, next);
        if (keep_is_link(place->from_fd, place->name))
                return keep_link_follow(archive, place, next);
        if (!*place->rest)
                return replace(carrying, place);
        int r = step_into(&place->from_fd, &place->to_fd, place->name);
        return r < 0 ? fail_with(archive->ret_error, r,
                                       "state.keep: the directory %s of %s cannot be entered: %s",
                                       place->name, carrying->entry, strerror(-r))
                     : 0;
}

/* A side that has no such directory becomes -1; the target gets one where the source has it. */
static int step_into(int *from_fd, int *to_fd, const char *name) {
        struct stat st;
        _cleanup_close_ int from = *from_fd < 0 ? -ENOENT : directory_open(*from_fd, name);
        _cleanup_close_ int to = *to_fd < 0 ? -ENOENT : directory_open(*to_fd, name);
        if ((from < 0 && from != -ENOENT) || (to < 0 && to != -ENOENT))
                return from < 0 && from != -ENOENT ? from : to;
        if (from >= 0 && to < 0) {
                if (mkdirat(*to_fd, name, 0700) < 0)
                        return -errno;
                to = directory_open(*to_fd, name);
                if (to < 0)
                        return to;
                int r = fstat(from, &st) < 0 ? -errno : metadata_copy(from, to, &st);
                if (r < 0)
                        return r;
        }
        close_fd(*from_fd);
        close_fd(*to_fd);
        *from_fd = from < 0 ? -1 : TAKE_FD(from);
        *to_fd = to < 0 ? -1 : TAKE_FD(to);
        return 0;
}

static int replace(struct carrying *carrying, const struct keep_place *place) {
        char **ret_error = carrying->archive->ret_error;
        int is_new = has(place->from_fd, place->name), is_old = has(place->to_fd, place->name);
        int r = is_new < 0 ? is_new : is_old < 0 ? is_old : 0;
        if (r < 0)
                return fail_with(ret_error, r, "state.keep: %s cannot be examined: %s", carrying->entry,
                                strerror(-r));
        if (!is_new)
                return refuse_missing(carrying, is_old);
        if (is_carried(carrying, place->path))
                return 0;
        r = tree_remove(place->to_fd, place->name);
        if (r < 0)
                return fail_with(ret_error, r, "state.keep: the older %s cannot be replaced: %s",
                                carrying->entry, strerror(-r));
        r = tree_copy(place->from_fd, place->name, place->to_fd, place->name, ret_error);
        return r < 0 ? r : note_carried(carrying, place);
}

/* What is in neither may be misspelt: a file that was never signed with, and one that is called otherwise, look the same from here. */
static int refuse_missing(const struct carrying *carrying, bool is_old) {
        char **ret_error = carrying->archive->ret_error;
        if (is_old)
                return fail_with(ret_error, -ESTALE,
                                "state.keep names %s, which the newer state no longer has and the older one "
                                "does; an older one is never put back, so nothing was restored: decide "
                                "which is right, then put that file into the state directory and try again",
                                carrying->entry);
        if (!carrying->must_exist)
                return 0;
        return fail_with(ret_error, -ENOENT,
                        "state.keep names %s, which is not there: what the node has signed is not known to "
                        "be "
                        "kept, so nothing was restored; correct the name, or put the snapshot back yourself "
                        "if "
                        "it has signed nothing",
                        carrying->entry);
}

/* Itself, or with a directory above it. */
static bool is_carried(const struct carrying *carrying, const char *path) {
        for (size_t i = 0; carrying->carried && carrying->carried[i]; i++) {
                size_t n = strlen(carrying->carried[i]);
                if (strncmp(carrying->carried[i], path, n) == 0 && (path[n] == '/' || path[n] == '\0'))
                        return true;
        }
        return false;
}

static int note_carried(struct carrying *carrying, const struct keep_place *place) {
        struct stat st;
        int r = strv_push(&carrying->carried, place->path);
        if (r >= 0 && fstatat(place->from_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        if (r >= 0 && S_ISDIR(st.st_mode))
                r = keep_links_below(carrying->from_root, place->path, &carrying->links);
        return r < 0 ? fail_with(carrying->archive->ret_error, r,
                                       "state.keep: the links below %s cannot be read: %s", place->path,
                                       strerror(-r))
                     : 0;
}

static int has(int fd, const char *name) {
        struct stat st;
        if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return fd < 0 || errno == ENOENT ? 0 : -errno;
}
