#include "keep_link.h"

#include "tree_copy.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#define TEXT_MAX (3 * PATH_BELOW_MAX)

static int read_link(int fd, const char *name, char target[PATH_BELOW_MAX]);
static int carry_link(const struct archive *archive, const struct keep_place *place, const char *target);
static int lead(const struct archive *archive, const struct keep_place *place, const char *text,
                char next[PATH_BELOW_MAX]);
static const char *below_state(const struct archive *archive, const char *path);
static const char *below(const char *path, const char *directory);
static int look_outside(const struct archive *archive, const struct keep_place *place, const char *path);
static int look_into(int root, const char *path, char ***links, char ***directories);

int keep_path_normalise(const char *text, char path[PATH_BELOW_MAX]) {
        size_t used = 0;
        for (size_t n; *text; text += n) {
                n = strcspn(text, "/");
                if (n > NAME_MAX || used + n + 1 >= PATH_BELOW_MAX)
                        return -ENAMETOOLONG;
                if (n > 0 && !(n == 1 && *text == '.')) {
                        if (used > 0)
                                path[used++] = '/';
                        memcpy(path + used, text, n);
                        used += n;
                }
                n += text[n] == '/';
        }
        path[used] = '\0';
        return 0;
}

bool keep_is_link(int fd, const char *name) {
        struct stat st;
        return fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

int keep_link_follow(
                const struct archive *archive, const struct keep_place *place, char next[PATH_BELOW_MAX]) {
        char target[PATH_BELOW_MAX], text[TEXT_MAX];
        int r = read_link(place->from_fd, place->name, target);
        if (r < 0)
                return fail_with(archive->ret_error, r, "state.keep: the link %s cannot be read: %s",
                                place->entry, strerror(-r));
        r = carry_link(archive, place, target);
        if (r < 0)
                return r;
        (void)snprintf(text, sizeof(text), "%.*s%s%s%s", *target == '/' ? 0 : (int)place->prefix,
                        place->path, target, *place->rest ? "/" : "", place->rest);
        return lead(archive, place, text, next);
}

int keep_go_up(const struct archive *archive, const struct keep_place *place, char next[PATH_BELOW_MAX]) {
        char text[TEXT_MAX];
        size_t up = place->prefix > 0 ? place->prefix - 1 : 0;
        if (place->from_fd < 0)
                return fail_with(archive->ret_error, -ENOENT,
                                "state.keep: %s leads through a directory that is not there", place->entry);
        while (up > 0 && place->path[up - 1] != '/')
                up--;
        if (place->prefix > 0)
                (void)snprintf(text, sizeof(text), "%.*s%s", (int)up, place->path, place->rest);
        else
                (void)snprintf(text, sizeof(text), "/%s/%s", archive->parent, place->rest);
        return lead(archive, place, text, next);
}

static int read_link(int fd, const char *name, char target[PATH_BELOW_MAX]) {
        ssize_t length = readlinkat(fd, name, target, PATH_BELOW_MAX);
        if (length < 0 || length == PATH_BELOW_MAX)
                return length < 0 ? -errno : -ENAMETOOLONG;
        target[length] = '\0';
        return 0;
}

/* At the end of the way the newest counts, whatever it is. In the middle, other things of the older state may lie that way. */
static int carry_link(const struct archive *archive, const struct keep_place *place, const char *target) {
        char older[PATH_BELOW_MAX];
        int r = read_link(place->to_fd, place->name, older);
        if (r == 0 && strcmp(older, target) == 0)
                return 0;
        if (r != -ENOENT && *place->rest)
                return fail_with(archive->ret_error, -ESTALE,
                                "state.keep: the link %s in the way of %s is another one in the older "
                                "state, "
                                "so nothing was restored; name in state.keep what it leads to",
                                place->name, place->entry);
        r = tree_remove(place->to_fd, place->name);
        if (r < 0)
                return fail_with(archive->ret_error, r, "state.keep: the older %s cannot be replaced: %s",
                                place->entry, strerror(-r));
        return tree_copy(place->from_fd, place->name, place->to_fd, place->name, archive->ret_error);
}

static int lead(const struct archive *archive, const struct keep_place *place, const char *text,
                char next[PATH_BELOW_MAX]) {
        const char *inside = *text == '/' ? below_state(archive, text) : text;
        *next = '\0';
        if (!inside)
                return look_outside(archive, place, text);
        int r = keep_path_normalise(inside, next);
        if (r < 0)
                return fail_with(archive->ret_error, r, "state.keep: the link %s leads to too long a path",
                                place->entry);
        if (!*next)
                return fail_with(archive->ret_error, -ELOOP,
                                "state.keep: the link %s leads to the whole state directory; it cannot be "
                                "kept and put back",
                                place->entry);
        return 1;
}

/* What of an absolute path comes behind the state directory, under either of its names. */
static const char *below_state(const struct archive *archive, const char *path) {
        char resolved[PATH_BELOW_MAX + ARCHIVE_NAME_MAX];
        (void)snprintf(resolved, sizeof(resolved), "%s/%s", archive->parent, archive->live);
        const char *rest = below(path, resolved);
        return rest ? rest : below(path, archive->state->directory);
}

static const char *skip(const char *path) {
        while (*path == '/' || (*path == '.' && (path[1] == '/' || path[1] == '\0')))
                path++;
        return path;
}

static const char *below(const char *path, const char *directory) {
        for (;;) {
                path = skip(path);
                directory = skip(directory);
                size_t n = strcspn(directory, "/");
                if (n == 0)
                        return path;
                if (strncmp(path, directory, n) != 0 || (path[n] != '/' && path[n] != '\0'))
                        return NULL;
                path += n;
                directory += n;
        }
}

/* Nothing outside is rolled back. But the way there may lead back, over links that say something else in the older state. */
static int look_outside(const struct archive *archive, const struct keep_place *place, const char *path) {
        _cleanup_free_ char *found = realpath(path, NULL);
        if (!found)
                return fail_with(archive->ret_error, -errno,
                                "state.keep: %s leads over a link out of the state directory that cannot be "
                                "followed (%s), so nothing was restored",
                                place->entry, strerror(errno));
        if (below_state(archive, found))
                return fail_with(archive->ret_error, -ELOOP,
                                "state.keep: %s leads over a link out of the state directory and back into "
                                "it, so nothing was restored; name %s in state.keep",
                                place->entry, below_state(archive, found));
        return 1;
}

int keep_links_below(int root, const char *path, char ***links) {
        _cleanup_strv_ char **directories = NULL;
        int r = strv_push(&directories, path);
        for (size_t i = 0; r >= 0 && directories[i]; i++)
                r = look_into(root, directories[i], links, &directories);
        return r;
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

/* The tree was copied just now, so its paths are not too long. */
static int look_into(int root, const char *path, char ***links, char ***directories) {
        int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_(closedir_at) DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        int r = directory ? 0 : -errno;
        if (!directory) {
                close_fd(fd);
                return r;
        }
        for (struct dirent *entry; r >= 0 && (errno = 0, entry = readdir(directory));) {
                char below_it[PATH_BELOW_MAX + NAME_MAX + 2];
                struct stat st;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                (void)snprintf(below_it, sizeof(below_it), "%s/%s", path, entry->d_name);
                if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
                if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
                        r = strv_push(S_ISLNK(st.st_mode) ? links : directories, below_it);
        }
        return r < 0 ? r : -errno;
}
