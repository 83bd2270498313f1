#include "state_access.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ENTER 1U
#define WRITE 2U

static bool is_of(const struct state_user *user, gid_t gid) {
        bool found = user->gid == gid;
        for (size_t i = 0; !found && i < user->n_groups; i++)
                found = user->groups[i] == gid;
        return found;
}

static bool may(const struct state_user *user, const struct stat *st, unsigned access) {
        unsigned shift = st->st_uid == user->uid ? 6 : is_of(user, st->st_gid) ? 3 : 0;
        return (st->st_mode >> shift & access) == access;
}

/* The first folder on the way that it cannot pass. The text is changed and put back. */
static bool find_closed(char *path, const struct state_user *user, char *closed, size_t size) {
        struct stat st;
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                bool is_closed = stat(path, &st) == 0 && !may(user, &st, ENTER);
                if (is_closed)
                        text_copy(closed, size, path);
                *slash = '/';
                if (is_closed)
                        return true;
        }
        return false;
}

bool state_access_is_missing(const char *directory, const struct state_user *user, char *text, size_t size) {
        _cleanup_free_ char *path = realpath(directory, NULL);
        char closed[256];
        struct stat st;
        if (!user->name || user->uid == 0 || !path || stat(path, &st) < 0)
                return false;
        if (find_closed(path, user, closed, sizeof(closed))) {
                (void)snprintf(text, size,
                                "state.directory: %s cannot be reached by %s, because %s is closed to it; "
                                "open that with `chmod o+x %s`, or "
                                "name a folder elsewhere",
                                directory, user->name, closed, closed);
                return true;
        }
        if (may(user, &st, WRITE | ENTER))
                return false;
        (void)snprintf(text, size,
                        "state.directory: %s cannot be written by %s; give it to it with `chown %s %s`",
                        directory, user->name, user->name, directory);
        return true;
}

bool state_keep_is_missing(const struct state_config *state, char *text, size_t size) {
        struct stat st;
        if (state->signer != SIGNER_FILES || !state->keep || !state->directory)
                return false;
        _cleanup_close_ int fd = open(state->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (char *const *entry = state->keep; fd >= 0 && *entry; entry++)
                if (fstatat(fd, *entry, &st, AT_NO_AUTOMOUNT) < 0 && (errno == ENOENT || errno == ELOOP)) {
                        (void)snprintf(text, size,
                                        "state.keep: there is no %.200s in %.200s%s: correct the name, "
                                        "unless the "
                                        "node has "
                                        "yet to make it; until it is there no state is put back, and the "
                                        "node "
                                        "is held where it would have to be",
                                        *entry, state->directory,
                                        errno == ELOOP ? " (its links have no end)" : "");
                        return true;
                }
        return false;
}
