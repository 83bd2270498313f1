/* What the parts of the release library share with each other; others include release.h. */
#pragma once

#include "minisign.h"
#include "release.h"
#include "release_files.h"
#include <sys/stat.h>

#define RELEASE_DEPTH_MAX 64
#define RELEASE_PATH_MAX PATH_BELOW_MAX

/* The names of a release inside the releases' directory. */
struct release_names {
        char directory[VERSION_TEXT_MAX + 16]; /* VERSION */
        char manifest[VERSION_TEXT_MAX + 16];  /* VERSION.json */
        char signature[VERSION_TEXT_MAX + 24]; /* VERSION.minisig; may be missing */
        char rehearsed[VERSION_TEXT_MAX + 24]; /* VERSION.rehearsed: empty; its time says when */
        char failed[VERSION_TEXT_MAX + 24];    /* VERSION.rehearsal-failed: why; its time says when */
        char adding[VERSION_TEXT_MAX + 16];    /* .adding-VERSION: a directory being put together */
        char writing[VERSION_TEXT_MAX + 24];   /* .adding-VERSION.json: a manifest being written */
        char removing[VERSION_TEXT_MAX + 16];  /* .removing-VERSION */
};
void release_names(const char *version_text, struct release_names *ret_names);

/* Opens one of them that is a file, to be read. The descriptor, or -errno. */
int release_open_beside(const char *releases_dir, const char *name);

/* Parses VERSION and sets version, text of an otherwise empty release. */
int release_begin(const char *version, struct release *ret_release);

/* Takes over nothing; MODE of a symbolic link has S_IFLNK and its digest is that of its target. */
int release_push_file(struct release *release, const char *path, uint32_t mode, uint64_t size,
                const uint8_t sha256[32]);
void release_sort_files(struct release *release);
const struct release_file *release_find_file(const struct release *release, const char *path);
bool release_files_equal(const struct release *a, const struct release *b);

/* Writes the manifest durably. -EILSEQ: a path is not UTF-8. */
int release_save(int releases_fd, const struct release *release);

/* The digest of the manifest's canonical text (see release.h). -ENOMEM. */
int release_digest(const struct release *release, uint8_t ret_digest[32]);

/* Copies SOURCE into the empty directory DESTINATION_FD, adds its files to *release (sorted), makes all of
 * it read-only and syncs it. */
int release_copy(const char *source, int destination_fd, struct release *release, bool *ret_is_directory,
                char **ret_error);

/* Opens a file of a release by its path, through links that stay inside. */
int release_open_file(int release_fd, const char *path, int flags);

/* COMMAND inside a release that lies behind RELEASE_FD. */
const char *release_command_path(const struct release *release, const char *command);

/* Can this host execute it? -ENOEXEC and the reason. WHAT names it to the user. */
int release_check_executable(int fd, const char *what, char **ret_error);

/* -ENOEXEC: it is a program that tells of more than the file holds. */
int release_check_whole(int fd, const char *what, char **ret_error);

/* Both for a file of the release that lies behind RELEASE_FD; SOURCE names that to the user. */
int release_check_program(int release_fd, const char *command, const char *source, char **ret_error);

/* Is TEXT a signature that may be for this version? -EINVAL and why not. */
int release_parse_signature(const char *text, const char *version, struct minisign_signature *ret_signature,
                char **ret_error);

/* Did one of KEYS sign the release? FILE_FD: the only file of one that is one. The errors of release_verify_signature(). */
int release_check_signature(const struct release *release, const struct minisign_signature *signature,
                char *const *keys, int file_fd, char **ret_error);

/* release_add_signed(), observed. SIGNING may be NULL. */
int release_add_in_steps(const char *releases_dir, const char *version, const char *source,
                const char *command, const char *sha256_hex, const struct release_signing *signing,
                const struct steps *steps, bool *ret_existed, char **ret_error);
