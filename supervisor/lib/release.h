/* Releases on disk: STATE/NODE/releases/VERSION/ with the files as they were added (owned by root,
 * read-only) and STATE/NODE/releases/VERSION.json, the manifest (file, mode, SHA-256). A release is never
 * changed: it is put together in a temporary directory, synced, renamed. Thread safe: no state. */
#pragma once

#include "base.h"
#include "version.h"

struct release_file {
        char *path;    /* relative to the release's directory */
        uint32_t mode; /* 0555 or 0444; S_IFLNK | 0777: a symbolic link */
        uint64_t size;
        uint8_t sha256[32]; /* of the content; of a link: of its target's text */
};

struct release {
        struct version version;
        char text[VERSION_TEXT_MAX];
        uint64_t added_at; /* realtime, usec */
        struct release_file *files;
        size_t n_files;
};

/* Copies SOURCE (file or directory) into RELEASES_DIR (created if missing with those above it, mode 0755) as
 * VERSION. SHA256_HEX (may be NULL) is the digest the operator expects: of the file, or, for a directory, of
 * the manifest's canonical text: for each file, ordered by path as bytes, a line "MODE SHA256 PATH" (MODE is
 * 0555, 0444 or "link"). Set-id bits are dropped, empty directories left out, links that leave the release
 * or lead nowhere refused (-EXDEV, -EINVAL), as are devices, fifos and sockets (-EINVAL). Adding the same
 * again mends a damaged copy. Nothing is logged: *ret_error (malloc'ed, never NULL on failure) says what
 * happened, to what and what to do next. -EEXIST: the version is there already (with the same digests: 0 and
 * *ret_existed). -EBADMSG: digest differs. -ENOEXEC: the command is not executable or for another
 * architecture (ELF machine differs from this host's); COMMAND is exec.command from the configuration, NULL
 * where it is not known: then something in a directory must be executable. */
int release_add(const char *releases_dir, const char *version, const char *source, const char *command,
                const char *sha256_hex, bool *ret_existed, char **ret_error);

/* What comes with a release: the TEXT of its minisign signature (NULL: none), and the KEYS one of which must have made it (NULL: they
 * are not known here, and it is kept unverified). */
struct release_signing {
        const char *text;
        char *const *keys;
};

/* The same, for one that is signed: the signature is kept just before the release is there, and also with one that was there already.
 * A signature that is none, or is for another version (-EINVAL), another key's (-ENOKEY) or one of other bytes (-EKEYREJECTED) is
 * refused, and nothing is added. */
int release_add_signed(const char *releases_dir, const char *version, const char *source,
                const char *command, const char *sha256_hex, const struct release_signing *signing,
                bool *ret_existed, char **ret_error);

/* -ENOENT: no such release. */
int release_remove(const char *releases_dir, const char *version, char **ret_error);

/* All releases, ordered by precedence, oldest first. A missing directory is an empty list; a release whose
 * manifest cannot be read is left out, so that it does not hide the others (release_load says why). */
int release_list(const char *releases_dir, struct release **ret_releases, size_t *ret_n);
void release_list_free(struct release *releases, size_t n);

#define RELEASE_HERE_MAX 320

/* For whoever named one that is not here: "here are 1.0.0 and 1.1.0", the newest if they are many. Gives TEXT. */
const char *release_here(const char *releases_dir, char *text, size_t size);

/* Loads one manifest. -ENOENT; -EBADMSG: it is damaged. */
int release_load(const char *releases_dir, const char *version, struct release *ret_release);
void release_done(struct release *release);

/* Opens the command of a release for execution (O_RDONLY|O_CLOEXEC, never following a link out of the
 * release) and returns its absolute path. COMMAND is relative to the release's directory; a release that is
 * one file is its own command. Does not verify. -ENOENT, -EACCES (not executable). */
int release_open_command(const char *releases_dir, const struct release *release, const char *command,
                char **ret_path, int *ret_fd);

/* Could its command be started here? -ENOEXEC and *ret_error (malloc'ed), which says why not. -ENOENT: no such release. */
int release_check_command(
                const char *releases_dir, const char *version, const char *command, char **ret_error);

/* What its command names as what runs it (behind #!, or as an ELF program) and is not on this machine: malloc'ed, printable.
 * NULL: nothing is missing, or it is not known. */
char *release_missing_interpreter(const char *releases_dir, const char *version, const char *command);

/* Reads every file of the release again and compares size, mode and SHA-256; a file that is not in the
 * manifest is a mismatch too. COMMAND_FD (>= 0) is hashed through the descriptor itself, so that what is
 * verified is what will be executed. 0: all equal. -EBADMSG and *ret_error: what differs. */
int release_verify(const char *releases_dir, const struct release *release, const char *command,
                int command_fd, char **ret_error);

/* What the kernel tells of a release's manifest, signature, directories and files: device, inode, mode, owner, size, times of content
 * and of change. No content is read. While it stays the same after release_verify(), so did the contents: the time of change cannot be
 * set by any call, only moved to the present by a change. Who sets the machine's clock back can make it lie; that is root, who
 * could as well write into the process that verifies. */
struct release_identity {
        uint8_t digest[32];
        uint64_t changed_at; /* realtime, usec: the last change of any of them */
};
/* -ENOENT: the release or a part of it is not there. */
int release_identify(const char *releases_dir, const char *version, struct release_identity *ret_identity);

/* Does that hold for the file system, and for an identity TAKEN_AT (realtime, usec)? Not if something changed just before it was taken,
 * or if somebody has a file of it open for writing. */
bool release_identity_counts(const char *releases_dir, const struct release *release,
                const struct release_identity *identity, uint64_t taken_at);

/* Keeps the text of a minisign signature for a release, which may be added after it: whoever waits for the release finds it signed.
 * -EINVAL: it is not a signature, or its trusted comment is about another version. *ret_error (malloc'ed) says why and what to do. */
int release_sign(const char *releases_dir, const char *version, const char *text, char **ret_error);

/* Was the release signed by one of the KEYS (base64 texts, at least one)? A release of one file is signed as that file, whose content is
 * read through COMMAND_FD; another one as its manifest's canonical text. Call it after release_verify(), which ties both to the bytes.
 * -ENOKEY, -EKEYREJECTED, -EBADMSG with *ret_error. */
int release_verify_signature(const char *releases_dir, const struct release *release, char *const *keys,
                int command_fd, char **ret_error);

/* The manifest's canonical text; malloc'ed, NULL: out of memory. */
char *release_canonical_text(const struct release *release);

/* The text of the signature kept with a release, malloc'ed. -ENOENT: there is none. */
int release_read_signature(const char *releases_dir, const char *version, char **ret_text);

/* 0: the signature that is kept with the release names one of KEYS, and this version. -ENOKEY (there is none, or another key's),
 * -EKEYREJECTED (for another version) or -EBADMSG with *ret_error. The bytes are not looked at. */
int release_check_signer(const char *releases_dir, const char *version, char *const *keys, char **ret_error);

/* Is a signature kept with the release? */
bool release_is_signed(const char *releases_dir, const char *version);

/* How a release did on the node's state when it was last rehearsed, for whoever plans an upgrade: FAILURE says why it did
 * not, NULL: it did. Forgotten with the release. */
int release_note_rehearsal(const char *releases_dir, const char *version, const char *failure);
bool release_was_rehearsed(const char *releases_dir, const char *version);
/* False: it did not fail, or was not rehearsed since it was added. */
bool release_failed_rehearsal(const char *releases_dir, const char *version, char *ret_reason, size_t size,
                uint64_t *ret_at);

/* Hex text of 32 bytes, 65 bytes with the end. */
void sha256_format(const uint8_t digest[32], char text[65]);
int sha256_parse(const char *text, uint8_t ret_digest[32]);
/* SHA-256 of the whole file behind FD, by pread; the position is not moved. */
int sha256_fd(int fd, uint8_t ret_digest[32], uint64_t *ret_size);
