#include "release_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>

/* The order that survives dying anywhere. A release exists when its manifest does:
 *   add: files and directories synced under a temporary name; directory renamed; parent synced; manifest
 * written and renamed. So whoever sees the manifest finds every byte of the directory. remove: manifest
 * unlinked; parent synced; directory renamed away and emptied. What dying leaves is a directory without a
 * manifest, or a name with a leading dot; the next add, which holds the lock and therefore knows that nobody
 * is at work, sweeps them up. */

struct addition {
        const char *releases_dir;
        int releases_fd; /* locked */
        const char *source, *command, *sha256_hex;
        const struct release_signing *signing;
        const struct steps *steps;
        struct release release;
        struct release_names names;
        bool is_directory;
        char **ret_error;
};

static int add(struct addition *addition, bool *ret_existed);
static int open_and_lock(const char *releases_dir, bool make, char **ret_error);
static int sweep(int releases_fd);
static bool is_leftover(int releases_fd, const char *name);
static int copy_in(const struct addition *addition, struct release *release, bool *ret_is_directory);
static int check_digest(const struct addition *addition);
static int check_signing(const struct addition *addition);
static int check_command(const struct addition *addition);
static int compare_with_present(
                const struct addition *addition, const struct release *present, bool *ret_existed);
static int publish(const struct addition *addition, bool manifest_is_there);

int release_add(const char *releases_dir, const char *version, const char *source, const char *command,
                const char *sha256_hex, bool *ret_existed, char **ret_error) {
        return release_add_in_steps(releases_dir, version, source, command, sha256_hex, NULL, NULL,
                        ret_existed, ret_error);
}

int release_add_signed(const char *releases_dir, const char *version, const char *source,
                const char *command, const char *sha256_hex, const struct release_signing *signing,
                bool *ret_existed, char **ret_error) {
        return release_add_in_steps(releases_dir, version, source, command, sha256_hex, signing, NULL,
                        ret_existed, ret_error);
}

int release_add_in_steps(const char *releases_dir, const char *version, const char *source,
                const char *command, const char *sha256_hex, const struct release_signing *signing,
                const struct steps *steps, bool *ret_existed, char **ret_error) {
        struct addition addition = {.releases_dir = releases_dir,
                        .source = source,
                        .command = command,
                        .sha256_hex = sha256_hex,
                        .signing = signing,
                        .steps = steps};
        _cleanup_free_ char *error = NULL;
        addition.ret_error = &error;
        int r = release_begin(version, &addition.release);
        size_t length = strlen(addition.release.text);
        /* The manifest of 1.0.0-a would have the name of the directory of 1.0.0-a.json. */
        if (r == 0 && length >= 5 && strcmp(addition.release.text + length - 5, ".json") == 0)
                r = -EINVAL;
        if (r < 0)
                r = fail_with(&error, r,
                                "%s is not a semantic version that can be used here; write it like 1.7.0",
                                version);
        _cleanup_close_ int fd = r < 0 ? -1 : open_and_lock(releases_dir, true, &error);
        if (r == 0 && fd < 0)
                r = fd;
        if (r == 0) {
                addition.releases_fd = fd;
                release_names(addition.release.text, &addition.names);
                r = add(&addition, ret_existed);
        }
        release_done(&addition.release);
        if (r < 0)
                *ret_error = TAKE_POINTER(error);
        return r;
}

static int add(struct addition *addition, bool *ret_existed) {
        struct release present = {0};
        bool existed = false;
        int r = sweep(addition->releases_fd);
        if (r < 0)
                return fail_with(addition->ret_error, r,
                                "what an interrupted `release add` left in %s cannot be removed: %s",
                                addition->releases_dir, strerror(-r));
        r = copy_in(addition, &addition->release, &addition->is_directory);
        step_reached(addition->steps, "copied");
        if (r == 0)
                r = check_digest(addition);
        if (r == 0)
                r = check_signing(addition);
        if (r == 0)
                r = check_command(addition);
        int loaded = r < 0 ? r : release_load(addition->releases_dir, addition->release.text, &present);
        if (r == 0 && loaded == 0)
                r = compare_with_present(addition, &present, &existed);
        /* Before the release itself, which a director may wait for. */
        if (r == 0 && addition->signing && addition->signing->text)
                r = release_sign(addition->releases_dir, addition->release.text, addition->signing->text,
                                addition->ret_error);
        if (r == 0 && !existed)
                r = publish(addition, loaded == 0);
        release_done(&present);
        if (r < 0 || existed)
                (void)tree_remove(addition->releases_fd, addition->names.adding);
        if (r == 0)
                *ret_existed = existed;
        return r;
}

static int open_and_lock(const char *releases_dir, bool make, char **ret_error) {
        int r = make ? directory_make(releases_dir, 0755) : 0;
        _cleanup_close_ int fd = -1;
        if (r == 0)
                fd = open(releases_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (r == 0 && (fd < 0 || flock(fd, LOCK_EX) < 0))
                r = -errno;
        if (r < 0)
                return fail_with(ret_error, r, "the releases' directory %s cannot be used: %s", releases_dir,
                                strerror(-r));
        return TAKE_FD(fd);
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static int sweep(int releases_fd) {
        /* A duplicate would share the position, and a second sweep would begin at the end. */
        int again = directory_open(releases_fd, ".");
        if (again < 0)
                return again;
        _cleanup_(closedir_at) DIR *directory = fdopendir(again);
        if (!directory) {
                int r = -errno;
                close_fd(again);
                return r;
        }
        for (struct dirent *entry; (entry = readdir(directory));) {
                if (!is_leftover(releases_fd, entry->d_name))
                        continue;
                int r = tree_remove(releases_fd, entry->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_leftover(int releases_fd, const char *name) {
        struct release_names names;
        struct release release;
        struct stat st;
        if (strncmp(name, ".adding-", 8) == 0 || strncmp(name, ".removing-", 10) == 0)
                return true;
        if (release_begin(name, &release) < 0 || strcmp(release.text, name) != 0)
                return false;
        release_names(name, &names);
        return fstatat(releases_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
               fstatat(releases_fd, names.manifest, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static int copy_in(const struct addition *addition, struct release *release, bool *ret_is_directory) {
        if (mkdirat(addition->releases_fd, addition->names.adding, 0700) < 0)
                return fail_with(addition->ret_error, -errno, "no directory can be made in %s: %s",
                                addition->releases_dir, strerror(errno));
        _cleanup_close_ int fd = directory_open(addition->releases_fd, addition->names.adding);
        if (fd < 0)
                return fail_with(addition->ret_error, fd, "%s cannot be opened: %s", addition->names.adding,
                                strerror(-fd));
        return release_copy(addition->source, fd, release, ret_is_directory, addition->ret_error);
}

static int check_digest(const struct addition *addition) {
        uint8_t expected[32], digest[32];
        char text[65];
        if (!addition->sha256_hex)
                return 0;
        if (sha256_parse(addition->sha256_hex, expected) < 0)
                return fail_with(addition->ret_error, -EINVAL,
                                "%s is no SHA-256; it must be 64 hexadecimal digits", addition->sha256_hex);
        if (addition->is_directory) {
                if (release_digest(&addition->release, digest) < 0)
                        return fail_with(addition->ret_error, -ENOMEM, "no memory is left to add %s",
                                        addition->source);
        } else
                memcpy(digest, addition->release.files[0].sha256, sizeof(digest));
        if (memcmp(expected, digest, sizeof(digest)) == 0)
                return 0;
        sha256_format(digest, text);
        return fail_with(addition->ret_error, -EBADMSG,
                        "%s has the SHA-256 %s, not %s; nothing was added, get the release again from a "
                        "source you trust",
                        addition->source, text, addition->sha256_hex);
}

static int check_signing(const struct addition *addition) {
        const struct release_signing *signing = addition->signing;
        const struct release *release = &addition->release;
        struct minisign_signature signature;
        if (!signing || !signing->text)
                return 0;
        int r = release_parse_signature(signing->text, release->text, &signature, addition->ret_error);
        if (r < 0 || !signing->keys || !*signing->keys)
                return r;
        _cleanup_close_ int directory = directory_open(addition->releases_fd, addition->names.adding);
        _cleanup_close_ int fd =
                        directory < 0 ? directory
                                      : release_open_file(directory, release->files[0].path, O_RDONLY);
        if (fd < 0)
                return fail_with(addition->ret_error, fd, "%s cannot be opened: %s", addition->names.adding,
                                strerror(-fd));
        return release_check_signature(release, &signature, signing->keys, fd, addition->ret_error);
}

/* Links are followed to where they lead, which is a file of the release as well. */
static bool has_program(const struct release *release) {
        for (size_t i = 0; i < release->n_files; i++)
                if (!S_ISLNK(release->files[i].mode) && (release->files[i].mode & 0111) != 0)
                        return true;
        return false;
}

static int check_command(const struct addition *addition) {
        if (addition->is_directory && !addition->command)
                return has_program(&addition->release)
                                       ? 0
                                       : fail_with(addition->ret_error, -ENOEXEC,
                                                         "%s holds nothing that is executable; run `chmod "
                                                         "+x` on "
                                                         "the node's program and add it again",
                                                         addition->source);
        const char *command = addition->is_directory
                                              ? release_command_path(&addition->release, addition->command)
                                              : addition->release.files[0].path;
        _cleanup_close_ int directory = directory_open(addition->releases_fd, addition->names.adding);
        if (directory < 0)
                return fail_with(addition->ret_error, directory, "%s cannot be opened: %s",
                                addition->names.adding, strerror(-directory));
        return release_check_program(directory, command, addition->source, addition->ret_error);
}

/* The same again is no error, and mends a copy that was damaged since. */
static int compare_with_present(
                const struct addition *addition, const struct release *present, bool *ret_existed) {
        char *damage = NULL;
        if (!release_files_equal(present, &addition->release))
                return fail_with(addition->ret_error, -EEXIST,
                                "release %s is there already with other files, and a release never changes; "
                                "remove it first with `interrex release remove`, or add this one as another "
                                "version",
                                present->text);
        *ret_existed = release_verify(addition->releases_dir, present, NULL, -1, &damage) == 0;
        free(damage);
        return 0;
}

static int publish(const struct addition *addition, bool manifest_is_there) {
        const struct release_names *names = &addition->names;
        int fd = addition->releases_fd, r = 0;
        struct release release = addition->release;
        /* Only a directory whose manifest cannot be used, or a damaged one, can be in the way. */
        if (renameat2(fd, names->adding, fd, names->directory, RENAME_NOREPLACE) < 0) {
                if (errno != EEXIST ||
                                renameat2(fd, names->adding, fd, names->directory, RENAME_EXCHANGE) < 0)
                        r = -errno;
                else
                        r = tree_remove(fd, names->adding);
        }
        step_reached(addition->steps, "renamed");
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        release.added_at = now_realtime();
        if (r == 0 && unlinkat(fd, names->failed, 0) < 0 && errno != ENOENT)
                r = -errno;
        if (r == 0 && !manifest_is_there)
                r = release_save(fd, &release);
        step_reached(addition->steps, "saved");
        if (r == -EILSEQ)
                return fail_with(addition->ret_error, r, "%s has a file whose name is not UTF-8; rename it",
                                addition->source);
        return r < 0 ? fail_with(addition->ret_error, r, "release %s cannot be written to %s: %s",
                                       release.text, addition->releases_dir, strerror(-r))
                     : 0;
}

int release_remove(const char *releases_dir, const char *version, char **ret_error) {
        struct release release;
        struct release_names names;
        char here[RELEASE_HERE_MAX];
        _cleanup_free_ char *error = NULL;
        int r = release_begin(version, &release);
        if (r < 0)
                return fail_with(ret_error, -ENOENT,
                                "%s is not a version; `interrex release list` shows what there is", version);
        release_names(release.text, &names);
        _cleanup_close_ int fd = open_and_lock(releases_dir, false, &error);
        if (fd < 0)
                r = fd;
        else if (unlinkat(fd, names.manifest, 0) < 0 ||
                        (unlinkat(fd, names.signature, 0) < 0 && errno != ENOENT) ||
                        (unlinkat(fd, names.rehearsed, 0) < 0 && errno != ENOENT) ||
                        (unlinkat(fd, names.failed, 0) < 0 && errno != ENOENT))
                r = -errno;
        else if (fsync(fd) < 0 || tree_remove(fd, names.removing) < 0)
                r = -EIO;
        else if (renameat(fd, names.directory, fd, names.removing) < 0)
                r = errno == ENOENT ? 0 : -errno;
        if (r == 0)
                r = tree_remove(fd, names.removing);
        if (r == 0)
                return 0;
        if (r == -ENOENT)
                return fail_with(ret_error, r, "there is no release %s (%s)", release.text,
                                release_here(releases_dir, here, sizeof(here)));
        return fail_with(ret_error, r, "release %s cannot be removed from %s: %s", release.text,
                        releases_dir, strerror(-r));
}
