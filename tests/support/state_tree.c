#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/lib/release.h"
#include "state_tree.h"
#include <fcntl.h>
#include <fts.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void make_file(const char *directory, const char *path, const void *data, size_t length, off_t at) {
        char absolute[512];
        (void)snprintf(absolute, sizeof(absolute), "%s/%s", directory, path);
        int fd = open(absolute, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, data, length, at), (ssize_t)length);
        assert_int_equal(close(fd), 0);
}

void state_tree_write(const char *directory, const char *path, const char *text) {
        make_file(directory, path, text, strlen(text), 0);
}

char *state_tree_read(const char *directory, const char *path) {
        char absolute[512];
        char *text = calloc(1, 4096);
        assert_non_null(text);
        (void)snprintf(absolute, sizeof(absolute), "%s/%s", directory, path);
        int fd = open(absolute, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                text_copy(text, 4096, "(missing)");
                return text;
        }
        assert_true(read(fd, text, 4095) >= 0);
        (void)close(fd);
        return text;
}

static void make_special(const char *directory) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/fifo", directory);
        assert_int_equal(mkfifo(path, 0620), 0);
        (void)snprintf(path, sizeof(path), "%s/current", directory);
        assert_int_equal(symlink("sub/small", path), 0);
        assert_int_equal(lchown(path, 1234, 4321), 0);
        (void)snprintf(path, sizeof(path), "%s/rpc.sock", directory);
        if (strlen(path) < sizeof(address.sun_path)) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                text_copy(address.sun_path, sizeof(address.sun_path), path);
                assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
                (void)close(fd);
        }
}

static void make_directory(const char *directory, const char *name, mode_t mode, uid_t uid) {
        char path[512];
        const struct timespec times[2] = {
                        {.tv_sec = 1500000000, .tv_nsec = 5}, {.tv_sec = 1400000000, .tv_nsec = 7}};
        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        assert_int_equal(chown(path, uid, uid), 0);
        assert_int_equal(chmod(path, mode), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

void state_tree_fill(const char *directory) {
        static const char *const directories[] = {"sub", "sub/deep", "signer", "keystore", "empty"};
        static char block[200 * 1024];
        char path[512], other[512];
        for (size_t i = 0; i < sizeof(block); i++)
                block[i] = (char)(i * 31 + i / 255);
        for (size_t i = 0; i < ELEMENTS(directories); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", directory, directories[i]);
                assert_int_equal(mkdir(path, 0755), 0);
        }
        make_file(directory, "chain.db", block, sizeof(block), 0);
        make_file(directory, "sparse", block, 4096, 4 * 1024 * 1024);
        (void)snprintf(path, sizeof(path), "%s/sparse", directory);
        assert_int_equal(truncate(path, 8 * 1024 * 1024), 0);
        state_tree_write(directory, "sub/small", "small\n");
        state_tree_write(directory, "sub/empty", "");
        state_tree_write(directory, "signer/state.json", "height 100\n");
        state_tree_write(directory, "keystore/a", "a 100\n");
        state_tree_write(directory, "keystore/b", "b 100\n");
        (void)snprintf(path, sizeof(path), "%s/chain.db", directory);
        (void)snprintf(other, sizeof(other), "%s/sub/deep/same", directory);
        assert_int_equal(link(path, other), 0);
        assert_int_equal(setxattr(path, "user.interrex", "value", 5, 0), 0);
        (void)snprintf(path, sizeof(path), "%s/sub/small", directory);
        assert_int_equal(chown(path, 1234, 4321), 0);
        assert_int_equal(chmod(path, 04750), 0);
        make_special(directory);
        make_directory(directory, "sub/deep", 0700, 77);
        make_directory(directory, "sub", 02770, 78);
        make_directory(directory, "", 0750, 79);
}

static int by_name(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void describe_content(FILE *stream, const char *path, const struct stat *st) {
        char text[4096] = {0};
        uint8_t digest[32];
        if (S_ISLNK(st->st_mode)) {
                assert_true(readlink(path, text, sizeof(text) - 1) >= 0);
                fprintf(stream, " -> %s", text);
        }
        if (S_ISREG(st->st_mode)) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                assert_true(fd >= 0);
                assert_int_equal(sha256_fd(fd, digest, NULL), 0);
                (void)close(fd);
                sha256_format(digest, text);
                fprintf(stream, " size %ld links %lu %s %s", (long)st->st_size, (unsigned long)st->st_nlink,
                                st->st_blocks * 512 < st->st_size / 2 ? "sparse" : "dense", text);
        }
        ssize_t size = lgetxattr(path, "user.interrex", text, sizeof(text) - 1);
        if (size >= 0) {
                text[size] = '\0';
                fprintf(stream, " attribute %s", text);
        }
}

static bool is_left_out(const char *relative, const char *const *left_out) {
        for (size_t i = 0; left_out && left_out[i]; i++)
                if (strcmp(relative, left_out[i]) == 0)
                        return true;
        return false;
}

char *state_tree_describe(const char *directory, const char *const *left_out) {
        char *const roots[] = {(char *)directory, NULL};
        char *text = NULL;
        size_t size = 0, prefix = strlen(directory);
        struct stat st;
        if (stat(directory, &st) < 0)
                return NULL;
        FILE *stream = open_memstream(&text, &size);
        FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
        assert_non_null(stream);
        assert_non_null(walk);
        for (FTSENT *entry; (entry = fts_read(walk));) {
                const char *relative = entry->fts_path + prefix;
                if (entry->fts_info == FTS_DP || S_ISSOCK(entry->fts_statp->st_mode))
                        continue;
                if (is_left_out(*relative ? relative + 1 : ".", left_out)) {
                        if (*relative)
                                (void)fts_set(walk, entry, FTS_SKIP);
                        continue;
                }
                fprintf(stream, "%s mode %o owner %u:%u time %ld.%09ld", *relative ? relative : "/",
                                entry->fts_statp->st_mode, entry->fts_statp->st_uid,
                                entry->fts_statp->st_gid, entry->fts_statp->st_mtim.tv_sec,
                                entry->fts_statp->st_mtim.tv_nsec);
                describe_content(stream, entry->fts_path, entry->fts_statp);
                fputc('\n', stream);
        }
        (void)fts_close(walk);
        assert_int_equal(fclose(stream), 0);
        return text;
}
