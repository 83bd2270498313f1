#include "release_internal.h"

#include <fcntl.h>

static int compare_files(const void *a, const void *b) {
        const struct release_file *left = a, *right = b;
        return strcmp(left->path, right->path);
}

void release_names(const char *version_text, struct release_names *ret_names) {
        (void)snprintf(ret_names->directory, sizeof(ret_names->directory), "%s", version_text);
        (void)snprintf(ret_names->manifest, sizeof(ret_names->manifest), "%s.json", version_text);
        (void)snprintf(ret_names->signature, sizeof(ret_names->signature), "%s.minisig", version_text);
        (void)snprintf(ret_names->rehearsed, sizeof(ret_names->rehearsed), "%s.rehearsed", version_text);
        (void)snprintf(ret_names->failed, sizeof(ret_names->failed), "%s.rehearsal-failed", version_text);
        (void)snprintf(ret_names->adding, sizeof(ret_names->adding), ".adding-%s", version_text);
        (void)snprintf(ret_names->writing, sizeof(ret_names->writing), ".adding-%s.json", version_text);
        (void)snprintf(ret_names->removing, sizeof(ret_names->removing), ".removing-%s", version_text);
}

int release_open_beside(const char *releases_dir, const char *name) {
        _cleanup_close_ int directory = directory_open(AT_FDCWD, releases_dir);
        if (directory < 0)
                return directory;
        int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int release_begin(const char *version, struct release *ret_release) {
        struct release release = {0};
        int r = version_parse(version, &release.version);
        if (r < 0)
                return r;
        version_format(&release.version, release.text, sizeof(release.text));
        *ret_release = release;
        return 0;
}

int release_push_file(struct release *release, const char *path, uint32_t mode, uint64_t size,
                const uint8_t sha256[32]) {
        struct release_file *grown = reallocarray(release->files, release->n_files + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        release->files = grown;
        struct release_file *file = &grown[release->n_files];
        *file = (struct release_file){.path = strdup(path), .mode = mode, .size = size};
        if (!file->path)
                return -ENOMEM;
        memcpy(file->sha256, sha256, sizeof(file->sha256));
        release->n_files++;
        return 0;
}

void release_sort_files(struct release *release) {
        if (release->n_files > 0)
                qsort(release->files, release->n_files, sizeof(*release->files), compare_files);
}

const struct release_file *release_find_file(const struct release *release, const char *path) {
        const struct release_file key = {.path = (char *)path};
        if (release->n_files == 0)
                return NULL;
        return bsearch(&key, release->files, release->n_files, sizeof(*release->files), compare_files);
}

bool release_files_equal(const struct release *a, const struct release *b) {
        if (a->n_files != b->n_files)
                return false;
        for (size_t i = 0; i < a->n_files; i++) {
                const struct release_file *left = &a->files[i], *right = &b->files[i];
                if (strcmp(left->path, right->path) != 0 || left->mode != right->mode ||
                                left->size != right->size ||
                                memcmp(left->sha256, right->sha256, sizeof(left->sha256)) != 0)
                        return false;
        }
        return true;
}
