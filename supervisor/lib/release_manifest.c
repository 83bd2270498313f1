#include "release_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>

#define MANIFEST_SIZE_MAX (64 * 1024 * 1024)
#define LINK_MODE_TEXT "link"

static int load_at(int releases_fd, const char *version, struct release *ret_release);
static int parse_manifest(const json_t *manifest, struct release *release);
static int parse_file(const json_t *item, struct release *release);
static void mode_format(uint32_t mode, char text[8]);
static int mode_parse(const char *text, uint32_t *ret_mode);
static int compare_releases(const void *a, const void *b);

static void json_decref_at(json_t **json) {
        json_decref(*json);
}

static void closedir_at(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

void release_done(struct release *release) {
        for (size_t i = 0; i < release->n_files; i++)
                free(release->files[i].path);
        free(release->files);
        *release = (struct release){0};
}

void release_list_free(struct release *releases, size_t n) {
        for (size_t i = 0; i < n; i++)
                release_done(&releases[i]);
        free(releases);
}

int release_load(const char *releases_dir, const char *version, struct release *ret_release) {
        _cleanup_close_ int fd = open(releases_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : load_at(fd, version, ret_release);
}

int release_list(const char *releases_dir, struct release **ret_releases, size_t *ret_n) {
        _cleanup_(closedir_at) DIR *directory = opendir(releases_dir);
        struct release *releases = NULL;
        size_t n = 0;
        if (!directory && errno != ENOENT)
                return -errno;
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
                char *end = strrchr(entry->d_name, '.');
                if (entry->d_name[0] == '.' || !end || strcmp(end, ".json") != 0)
                        continue;
                *end = '\0';
                struct release *grown = reallocarray(releases, n + 1, sizeof(*releases));
                if (!grown) {
                        release_list_free(releases, n);
                        return -ENOMEM;
                }
                releases = grown;
                releases[n] = (struct release){0};
                /* One that cannot be read must not hide the others. */
                if (load_at(dirfd(directory), entry->d_name, &releases[n]) >= 0)
                        n++;
        }
        if (n > 0)
                qsort(releases, n, sizeof(*releases), compare_releases);
        *ret_releases = releases;
        *ret_n = n;
        return 0;
}

int release_save(int releases_fd, const struct release *release) {
        struct release_names names;
        _cleanup_(json_decref_at) json_t *files = json_array();
        for (size_t i = 0; i < release->n_files; i++) {
                const struct release_file *file = &release->files[i];
                char digest[65], mode[8];
                sha256_format(file->sha256, digest);
                mode_format(file->mode, mode);
                json_t *item = json_pack("{s:s, s:s, s:I, s:s}", "path", file->path, "mode", mode, "size",
                                (json_int_t)file->size, "sha256", digest);
                if (!item)
                        return -EILSEQ;
                if (json_array_append_new(files, item) < 0)
                        return -ENOMEM;
        }
        _cleanup_(json_decref_at) json_t *manifest = json_pack("{s:s, s:I, s:O}", "version", release->text,
                        "added_at", (json_int_t)release->added_at, "files", files);
        _cleanup_free_ char *text =
                        manifest ? json_dumps(manifest, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
        if (!text)
                return -ENOMEM;
        release_names(release->text, &names);
        return file_write_durably(releases_fd, names.manifest, names.writing, text, strlen(text));
}

char *release_canonical_text(const struct release *release) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        if (!stream)
                return NULL;
        for (size_t i = 0; i < release->n_files; i++) {
                char digest[65], mode[8];
                sha256_format(release->files[i].sha256, digest);
                mode_format(release->files[i].mode, mode);
                (void)fprintf(stream, "%s %s %s\n", mode, digest, release->files[i].path);
        }
        if (fclose(stream) == 0)
                return text;
        free(text);
        return NULL;
}

int release_digest(const struct release *release, uint8_t ret_digest[32]) {
        _cleanup_free_ char *text = release_canonical_text(release);
        if (!text)
                return -ENOMEM;
        (void)crypto_hash_sha256(ret_digest, (const unsigned char *)text, strlen(text));
        return 0;
}

static int load_at(int releases_fd, const char *version, struct release *ret_release) {
        struct release_names names;
        struct release release;
        struct stat st;
        int r = release_begin(version, &release);
        if (r < 0)
                return r;
        release_names(release.text, &names);
        _cleanup_close_ int fd =
                        openat(releases_fd, names.manifest, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > MANIFEST_SIZE_MAX)
                return -EBADMSG;
        _cleanup_(json_decref_at) json_t *manifest = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
        r = parse_manifest(manifest, &release);
        if (r < 0) {
                release_done(&release);
                return r;
        }
        release_sort_files(&release);
        *ret_release = release;
        return 0;
}

static int parse_manifest(const json_t *manifest, struct release *release) {
        const char *version = json_string_value(json_object_get(manifest, "version"));
        const json_t *added_at = json_object_get(manifest, "added_at"),
                     *files = json_object_get(manifest, "files");
        if (!version || strcmp(version, release->text) != 0 || !json_is_integer(added_at) ||
                        json_integer_value(added_at) < 0 || json_array_size(files) == 0)
                return -EBADMSG;
        release->added_at = (uint64_t)json_integer_value(added_at);
        for (size_t i = 0; i < json_array_size(files); i++) {
                int r = parse_file(json_array_get(files, i), release);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_file(const json_t *item, struct release *release) {
        const char *path = json_string_value(json_object_get(item, "path"));
        const char *mode_text = json_string_value(json_object_get(item, "mode"));
        const char *digest_text = json_string_value(json_object_get(item, "sha256"));
        const json_t *size = json_object_get(item, "size");
        uint8_t digest[32];
        uint32_t mode;
        if (!path || !mode_text || !digest_text || !json_is_integer(size) || json_integer_value(size) < 0 ||
                        !path_stays_below(path) || mode_parse(mode_text, &mode) < 0 ||
                        sha256_parse(digest_text, digest) < 0)
                return -EBADMSG;
        return release_push_file(release, path, mode, (uint64_t)json_integer_value(size), digest);
}

static void mode_format(uint32_t mode, char text[8]) {
        if (S_ISLNK(mode))
                text_copy(text, 8, LINK_MODE_TEXT);
        else
                (void)snprintf(text, 8, "%04" PRIo32, mode & 07777U);
}

/* Nothing but what release_copy() makes. */
static int mode_parse(const char *text, uint32_t *ret_mode) {
        if (strcmp(text, LINK_MODE_TEXT) == 0)
                *ret_mode = S_IFLNK | 0777;
        else if (strcmp(text, "0555") == 0)
                *ret_mode = 0555;
        else if (strcmp(text, "0444") == 0)
                *ret_mode = 0444;
        else
                return -EBADMSG;
        return 0;
}

/* Versions that differ in build metadata only are equal in precedence; their texts make the order one order.
 */
static int compare_releases(const void *a, const void *b) {
        const struct release *left = a, *right = b;
        int order = version_compare(&left->version, &right->version);
        return order != 0 ? order : strcmp(left->text, right->text);
}
