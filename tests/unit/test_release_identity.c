/* What the kernel tells of a release: the same while nothing changes, and another after any change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/lib/release_internal.h"
#include <fcntl.h>

struct scratch {
        char top[64], releases[96];
};

static const char *in(const struct scratch *scratch, const char *path) {
        static char buffers[2][512];
        static unsigned next;
        char *buffer = buffers[next++ % 2];
        (void)snprintf(buffer, sizeof(buffers[0]), "%s/%s", scratch->top, path);
        return buffer;
}

static void put(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int setup(void **state) {
        struct scratch *scratch = calloc(1, sizeof(*scratch));
        char *error = NULL;
        bool existed;
        assert_non_null(scratch);
        text_copy(scratch->top, sizeof(scratch->top), "/tmp/interrex-identity-XXXXXX");
        assert_non_null(mkdtemp(scratch->top));
        (void)snprintf(scratch->releases, sizeof(scratch->releases), "%s/releases", scratch->top);
        assert_int_equal(directory_make(in(scratch, "source/a/b"), 0755), 0);
        put(in(scratch, "source/node"), "#!/bin/sh\n");
        put(in(scratch, "source/a/b/deep"), "deep");
        put(in(scratch, "source/a-file"), "file");
        assert_int_equal(symlink("a-file", in(scratch, "source/link")), 0);
        assert_int_equal(release_add(scratch->releases, "1.0.0", in(scratch, "source"), "node", NULL,
                                         &existed, &error),
                        0);
        *state = scratch;
        return 0;
}

static int teardown(void **state) {
        struct scratch *scratch = *state;
        assert_int_equal(tree_remove(AT_FDCWD, scratch->top), 0);
        free(scratch);
        return 0;
}

static struct release_identity identify(const struct scratch *scratch) {
        struct release_identity identity;
        assert_int_equal(release_identify(scratch->releases, "1.0.0", &identity), 0);
        return identity;
}

static void assert_changed(const struct scratch *scratch, struct release_identity *before) {
        struct release_identity now = identify(scratch), again = identify(scratch);
        assert_memory_not_equal(now.digest, before->digest, sizeof(now.digest));
        assert_memory_equal(now.digest, again.digest, sizeof(now.digest));
        *before = now;
}

static void any_change_shows(void **state) {
        struct scratch *scratch = *state;
        struct release_identity before = identify(scratch);
        assert_int_equal(chmod(in(scratch, "releases/1.0.0/a/b/deep"), 0555), 0);
        assert_changed(scratch, &before);
        put(in(scratch, "releases/1.0.0/a/b/beside"), "");
        assert_changed(scratch, &before);
        put(in(scratch, "releases/1.0.0/a/beside"), "");
        assert_changed(scratch, &before);
        put(in(scratch, "releases/1.0.0/beside"), "");
        assert_changed(scratch, &before);
        put(in(scratch, "releases/1.0.0.minisig"), "");
        assert_changed(scratch, &before);
        assert_int_equal(unlink(in(scratch, "releases/1.0.0/link")), 0);
        assert_int_equal(symlink("a-node", in(scratch, "releases/1.0.0/link")), 0);
        assert_changed(scratch, &before);
        struct release_identity none;
        assert_int_equal(unlink(in(scratch, "releases/1.0.0/a-file")), 0);
        assert_int_equal(release_identify(scratch->releases, "1.0.0", &none), -ENOENT);
        assert_int_equal(release_identify(scratch->releases, "2.0.0", &none), -ENOENT);
}

static bool counts(const struct scratch *scratch, uint64_t taken_at) {
        struct release release;
        struct release_identity identity = identify(scratch);
        assert_int_equal(release_load(scratch->releases, "1.0.0", &release), 0);
        bool result = release_identity_counts(scratch->releases, &release, &identity, taken_at);
        release_done(&release);
        return result;
}

/* Whether it does at all is the file system's: then not right after a change, nor while a file is open for writing. */
static void it_counts_only_where_a_change_would_show(void **state) {
        struct scratch *scratch = *state;
        uint64_t later = now_realtime() + USEC_PER_SEC;
        if (!counts(scratch, later))
                skip();
        assert_false(counts(scratch, identify(scratch).changed_at + 1000));
        int fd = open(in(scratch, "releases/1.0.0/a/b/deep"), O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_false(counts(scratch, later));
        assert_int_equal(close(fd), 0);
        assert_true(counts(scratch, later));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test_setup_teardown(any_change_shows, setup, teardown),
                        cmocka_unit_test_setup_teardown(
                                        it_counts_only_where_a_change_would_show, setup, teardown),
        };
        return cmocka_run_group_tests_name("identity of releases", tests, NULL, NULL);
}
