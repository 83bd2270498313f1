#include "config.h"
#include "release_internal.h"
#include <fcntl.h>

int release_parse_signature(const char *text, const char *version, struct minisign_signature *ret_signature,
                char **ret_error) {
        if (minisign_parse(text, ret_signature) < 0)
                return fail_with(ret_error, -EINVAL,
                                "that is not a minisign signature: make one with `minisign -S -m FILE`, "
                                "whose result is FILE.minisig");
        if (minisign_is_for_other_version(ret_signature, version))
                return fail_with(ret_error, -EINVAL,
                                "the signature is for another version (its trusted comment: %s), not for %s",
                                ret_signature->trusted_comment, version);
        return 0;
}

int release_sign(const char *releases_dir, const char *version, const char *text, char **ret_error) {
        struct minisign_signature signature;
        struct release release;
        struct release_names names;
        char writing[VERSION_TEXT_MAX + 32];
        int r = release_begin(version, &release);
        if (r < 0)
                return fail_with(ret_error, r, "%s is not a version; write it like 1.7.1", version);
        release_names(release.text, &names);
        (void)snprintf(writing, sizeof(writing), ".adding-%s.minisig", release.text);
        r = release_parse_signature(text, version, &signature, ret_error);
        if (r < 0)
                return r;
        r = directory_make(releases_dir, 0755);
        _cleanup_close_ int fd = r < 0 ? r : directory_open(AT_FDCWD, releases_dir);
        r = fd < 0 ? fd : file_write_durably(fd, names.signature, writing, text, strlen(text));
        return r < 0 ? fail_with(ret_error, r, "the signature cannot be written to %s: %s", releases_dir,
                                       strerror(-r))
                     : 0;
}

bool release_is_signed(const char *releases_dir, const char *version) {
        _cleanup_free_ char *text = NULL;
        return release_read_signature(releases_dir, version, &text) >= 0;
}

/* Releases lie in STATE/NODE/releases. */
static void node_of(const char *releases_dir, char *node, size_t size) {
        const char *end = strrchr(releases_dir, '/'), *start = end;
        while (start && start > releases_dir && start[-1] != '/')
                start--;
        text_copy(node, size, "NODE");
        if (start && end > start && (size_t)(end - start) < size)
                (void)snprintf(node, size, "%.*s", (int)(end - start), start);
}

/* One that is kept, and names this version. */
static int load_signature(const char *releases_dir, const char *version,
                struct minisign_signature *ret_signature, char **ret_error) {
        char node[NODE_NAME_MAX];
        _cleanup_free_ char *text = NULL;
        node_of(releases_dir, node, sizeof(node));
        int r = release_read_signature(releases_dir, version, &text);
        if (r == -ENOENT)
                return fail_with(ret_error, -ENOKEY,
                                "release %s is not signed, and trust.keys asks for it: add it again with "
                                "`interrex release add %s %s PATH --signature FILE.minisig`",
                                version, node, version);
        if (r >= 0)
                r = minisign_parse(text, ret_signature);
        if (r < 0)
                return fail_with(ret_error, -EBADMSG, "the signature of release %s cannot be read: %s",
                                version, strerror(-r));
        if (minisign_is_for_other_version(ret_signature, version))
                return fail_with(ret_error, -EKEYREJECTED,
                                "the signature of release %s is for another version (its trusted comment: "
                                "%s)",
                                version, ret_signature->trusted_comment);
        return 0;
}

static int tell_stranger(const char *version, char **ret_error) {
        return fail_with(ret_error, -ENOKEY, "release %s was signed by a key that is not among trust.keys",
                        version);
}

int release_check_signer(
                const char *releases_dir, const char *version, char *const *keys, char **ret_error) {
        struct minisign_signature signature;
        int r = load_signature(releases_dir, version, &signature, ret_error);
        return r < 0 ? r : minisign_is_by_one_of(&signature, keys) ? 0 : tell_stranger(version, ret_error);
}

int release_check_signature(const struct release *release, const struct minisign_signature *signature,
                char *const *keys, int file_fd, char **ret_error) {
        _cleanup_free_ char *manifest = NULL;
        int r;
        if (release->n_files == 1)
                r = minisign_verify_fd(signature, keys, file_fd);
        else {
                manifest = release_canonical_text(release);
                r = manifest ? minisign_verify(signature, keys, manifest, strlen(manifest)) : -ENOMEM;
        }
        if (r == -ENOKEY)
                return tell_stranger(release->text, ret_error);
        if (r == -EKEYREJECTED)
                return fail_with(ret_error, r,
                                "release %s is not what was signed: get it and its signature again",
                                release->text);
        return r < 0 ? fail_with(ret_error, r, "the signature of release %s cannot be checked: %s",
                                       release->text, strerror(-r))
                     : 0;
}

int release_verify_signature(const char *releases_dir, const struct release *release, char *const *keys,
                int command_fd, char **ret_error) {
        struct minisign_signature signature;
        int r = load_signature(releases_dir, release->text, &signature, ret_error);
        return r < 0 ? r : release_check_signature(release, &signature, keys, command_fd, ret_error);
}

int release_read_signature(const char *releases_dir, const char *version, char **ret_text) {
        struct release_names names;
        release_names(version, &names);
        _cleanup_close_ int fd = release_open_beside(releases_dir, names.signature);
        if (fd < 0)
                return fd;
        char *text = calloc(1, MINISIGN_TEXT_MAX);
        if (!text)
                return -ENOMEM;
        ssize_t n = pread(fd, text, MINISIGN_TEXT_MAX - 1, 0);
        if (n < 0) {
                int r = -errno;
                free(text);
                return r;
        }
        *ret_text = text;
        return 0;
}
