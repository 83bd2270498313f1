#include "release_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>

#define ADVICE                                                                                            \
        "put back what was added with `interrex release add` and the same source, or add what it is now " \
        "as another version"

struct check {
        const struct release *release;
        bool *seen;
        int command_fd;
        struct stat command; /* of command_fd */
        char **ret_error;
};

static int check_command(const char *releases_dir, const struct check *check, const char *command);
static int check_directory(struct check *check, int fd, const char *path, unsigned depth);
static int check_entry(
                struct check *check, int parent_fd, const char *name, const char *path, unsigned depth);
static int check_content(const struct check *check, int parent_fd, const char *name,
                const struct release_file *file, const struct stat *st);
static int check_link(
                const struct check *check, int parent_fd, const char *name, const struct release_file *file);
static bool is_command(const struct check *check, const struct stat *st);
static int differs(const struct check *check, const char *path, const char *how);

int release_verify(const char *releases_dir, const struct release *release, const char *command,
                int command_fd, char **ret_error) {
        struct check check = {.release = release, .command_fd = command_fd, .ret_error = ret_error};
        _cleanup_free_ bool *seen = calloc(release->n_files + 1, sizeof(bool));
        _cleanup_free_ char *path = NULL;
        struct stat st;
        check.seen = seen;
        if (!seen || asprintf(&path, "%s/%s", releases_dir, release->text) < 0)
                return fail_with(
                                ret_error, -ENOMEM, "no memory is left to verify release %s", release->text);
        _cleanup_close_ int fd = directory_open(AT_FDCWD, path);
        if (fd < 0)
                return fail_with(ret_error, fd == -ENOENT ? -EBADMSG : fd,
                                "release %s: %s cannot be read: %s; " ADVICE, release->text, path,
                                strerror(-fd));
        int r = command_fd >= 0 ? check_command(releases_dir, &check, command) : 0;
        if (r < 0)
                return r;
        if (command_fd >= 0 && fstat(command_fd, &check.command) < 0)
                return fail_with(ret_error, -errno, "the descriptor of the command is not one: %s",
                                strerror(errno));
        if (fstat(fd, &st) < 0 || (st.st_mode & 07777) != 0555)
                return differs(&check, ".", "has another mode");
        r = check_directory(&check, fd, "", 0);
        if (r < 0)
                return r;
        for (size_t i = 0; i < release->n_files; i++)
                if (!seen[i])
                        return differs(&check, release->files[i].path, "is missing");
        return 0;
}

/* The descriptor is what will be executed: it must be the very file that the release calls its command. */
static int check_command(const char *releases_dir, const struct check *check, const char *command) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        struct stat wanted, given;
        int r = release_open_command(releases_dir, check->release, command, &path, &fd);
        if (r == -ENOENT || r == -EACCES)
                return differs(check, command ? command : "its command", "is missing or not executable");
        if (r < 0)
                return fail_with(check->ret_error, r, "the command of release %s cannot be opened: %s",
                                check->release->text, strerror(-r));
        if (fstat(fd, &wanted) < 0 || fstat(check->command_fd, &given) < 0)
                return fail_with(check->ret_error, -errno,
                                "the command of release %s cannot be examined: %s", check->release->text,
                                strerror(errno));
        if (wanted.st_dev != given.st_dev || wanted.st_ino != given.st_ino)
                return differs(check, path, "was replaced while the release was verified");
        /* A release of several files was added without knowing which of them is the command. */
        return release_check_executable(check->command_fd, path, check->ret_error);
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static int check_directory(struct check *check, int fd, const char *path, unsigned depth) {
        int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        _cleanup_(closedir_at) DIR *directory = duplicate < 0 ? NULL : fdopendir(duplicate);
        if (!directory) {
                int r = -errno;
                close_fd(duplicate);
                return fail_with(check->ret_error, r, "release %s: %s cannot be read: %s",
                                check->release->text, path, strerror(-r));
        }
        for (;;) {
                char below[RELEASE_PATH_MAX + 256];
                errno = 0;
                struct dirent *entry = readdir(directory);
                if (!entry && errno != 0)
                        return fail_with(check->ret_error, -errno, "release %s: %s cannot be read: %s",
                                        check->release->text, path, strerror(errno));
                if (!entry)
                        return 0;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                (void)snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", entry->d_name);
                int r = check_entry(check, fd, entry->d_name, below, depth);
                if (r < 0)
                        return r;
        }
}

static int check_entry(
                struct check *check, int parent_fd, const char *name, const char *path, unsigned depth) {
        struct stat st;
        if (strlen(path) >= RELEASE_PATH_MAX || depth > RELEASE_DEPTH_MAX)
                return differs(check, name, "lies deeper than anything that was added");
        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return differs(check, path, "disappeared while the release was verified");
        if (S_ISDIR(st.st_mode)) {
                if ((st.st_mode & 07777) != 0555)
                        return differs(check, path, "has another mode");
                _cleanup_close_ int fd = directory_open(parent_fd, name);
                return fd < 0 ? differs(check, path, "cannot be read")
                              : check_directory(check, fd, path, depth + 1);
        }
        const struct release_file *file = release_find_file(check->release, path);
        if (!file)
                return differs(check, path, "was not in what was added");
        check->seen[file - check->release->files] = true;
        if (S_ISLNK(st.st_mode) != S_ISLNK(file->mode) || (!S_ISLNK(st.st_mode) && !S_ISREG(st.st_mode)))
                return differs(check, path, "is another kind of file");
        if (S_ISLNK(st.st_mode))
                return check_link(check, parent_fd, name, file);
        if ((st.st_mode & 07777) != file->mode)
                return differs(check, path, "has another mode");
        if ((uint64_t)st.st_size != file->size)
                return differs(check, path, "has another size");
        return check_content(check, parent_fd, name, file, &st);
}

static int check_content(const struct check *check, int parent_fd, const char *name,
                const struct release_file *file, const struct stat *st) {
        uint8_t digest[32];
        uint64_t size;
        _cleanup_close_ int opened = -1;
        int fd = check->command_fd;
        if (!is_command(check, st)) {
                opened = openat(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                if (opened < 0)
                        return fail_with(check->ret_error, -errno, "release %s: %s cannot be read: %s",
                                        check->release->text, file->path, strerror(errno));
                fd = opened;
        }
        int r = sha256_fd(fd, digest, &size);
        if (r < 0)
                return fail_with(check->ret_error, r, "release %s: %s cannot be read: %s",
                                check->release->text, file->path, strerror(-r));
        if (size != file->size || memcmp(digest, file->sha256, sizeof(digest)) != 0)
                return differs(check, file->path, "has another content");
        return 0;
}

static int check_link(const struct check *check, int parent_fd, const char *name,
                const struct release_file *file) {
        char target[RELEASE_PATH_MAX];
        uint8_t digest[32];
        ssize_t length = readlinkat(parent_fd, name, target, sizeof(target));
        if (length < 0)
                return differs(check, file->path, "cannot be read");
        (void)crypto_hash_sha256(digest, (unsigned char *)target, (unsigned long long)length);
        return memcmp(digest, file->sha256, sizeof(digest)) != 0
                               ? differs(check, file->path, "leads elsewhere")
                               : 0;
}

static bool is_command(const struct check *check, const struct stat *st) {
        return check->command_fd >= 0 && st->st_dev == check->command.st_dev &&
               st->st_ino == check->command.st_ino;
}

static int differs(const struct check *check, const char *path, const char *how) {
        return fail_with(check->ret_error, -EBADMSG, "release %s is not what was added: %s %s; " ADVICE,
                        check->release->text, path, how);
}
