/* I8 over a restore: what a node signs with is the newest afterwards, also where symbolic links lead to it. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/archivist/archive.h"
#include "../support/state_tree.h"
#include <fcntl.h>
#include <sys/stat.h>

struct stage {
        char top[64], directory[96], hook[96];
        char *error;
        struct state_config state;
};

#define HOOK          \
        "#!/bin/sh\n" \
        "case $1 in take) cp -a $3 %s/copy;; restore) rm -rf $3; cp -a %s/copy $3;; esac\n"

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        char text[512];
        assert_non_null(stage);
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-keep-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->directory, sizeof(stage->directory), "%s/node", stage->top);
        (void)snprintf(stage->hook, sizeof(stage->hook), "%s/hook", stage->top);
        (void)snprintf(text, sizeof(text), HOOK, stage->top, stage->top);
        state_tree_write(stage->top, "hook", text);
        assert_int_equal(chmod(stage->hook, 0755), 0);
        assert_int_equal(mkdir(stage->directory, 0755), 0);
        stage->state = (struct state_config){.directory = stage->directory,
                        .snapshot = SNAPSHOT_COPY,
                        .copy_limit = UINT64_C(1) << 30,
                        .signer = SIGNER_FILES};
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        strv_free(stage->state.hook);
        free(stage->error);
        free(stage);
        return 0;
}

static void run(const struct stage *stage, const char *commands) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "set -e; cd %s; %s", stage->directory, commands);
        assert_int_equal(system(text), 0);
}

static int restored(struct stage *stage, char **keep, const char *before, const char *after) {
        free(stage->error);
        stage->error = NULL;
        stage->state.keep = keep;
        run(stage, "rm -rf -- * ../outside ../copy");
        run(stage, before);
        run(stage, "echo old >chain");
        assert_int_equal(snapshot_take(&stage->state, "swap-1", stage->state.snapshot, &stage->error), 0);
        run(stage, "echo new >chain");
        run(stage, after);
        int r = snapshot_restore(&stage->state, "swap-1", &stage->error);
        run(stage, r == 0 ? "grep -q old chain" : "true");
        char *error = NULL;
        assert_int_equal(snapshot_remove(&stage->state, "swap-1", &error), 0);
        return r;
}

static void assert_restored(
                struct stage *stage, char **keep, const char *before, const char *after, const char *path) {
        int r = restored(stage, keep, before, after);
        if (r < 0)
                fail_msg("%s", stage->error);
        _cleanup_free_ char *found = state_tree_read(stage->directory, path);
        assert_string_equal(found, "200\n");
}

static void assert_refused(struct stage *stage, char **keep, const char *before, const char *after,
                int error, const char *part) {
        assert_int_equal(restored(stage, keep, before, after), error);
        if (!strstr(stage->error, part))
                fail_msg("%s", stage->error);
        run(stage, "grep -q new chain");
}

#define KEEP(...) ((char *[]){__VA_ARGS__, NULL})

static void follow_all(struct stage *stage) {
        assert_restored(stage, KEEP("signed"), "mkdir mem; echo 100 >mem/signed; ln -s mem/signed signed",
                        "echo 200 >mem/signed", "signed");
        assert_restored(stage, KEEP("signed"),
                        "mkdir mem; echo 100 >mem/signed; ln -s $PWD//mem/./signed signed",
                        "echo 200 >mem/signed", "mem/signed");
        assert_restored(stage, KEEP("data/signed"),
                        "mkdir -p a/mem; echo 100 >a/mem/signed; ln -s a/mem data", "echo 200 >a/mem/signed",
                        "data/signed");
        assert_restored(stage, KEEP("a/signed"),
                        "mkdir a b; echo 100 >b/1; ln -s ../b/now a/signed; ln -s ../../${PWD##*/}/b/1 "
                        "b/now",
                        "echo 200 >b/1", "b/1");
        /* The newer release has moved it. */
        assert_restored(stage, KEEP("signed"), "echo 100 >signed",
                        "mkdir mem; echo 200 >mem/signed; ln -sf mem/signed signed", "signed");
        /* Below a directory that is kept, once around included. */
        assert_restored(stage, KEEP("keys/"),
                        "mkdir keys mem; echo 100 >mem/db; ln -s ../mem keys/db; ln -s . keys/all",
                        "echo 200 >mem/db", "keys/db/db");
}

static void links_are_followed(void **state) {
        follow_all(*state);
}

static void links_are_followed_around_a_hook(void **state) {
        struct stage *stage = *state;
        assert_int_equal(strv_push(&stage->state.hook, stage->hook), 0);
        stage->state.snapshot = SNAPSHOT_HOOK;
        follow_all(stage);
}

static void what_lies_outside_is_as_new_as_it_is(void **state) {
        struct stage *stage = *state;
        assert_restored(stage, KEEP("signed"),
                        "mkdir ../outside; echo 100 >../outside/s; ln -s ../outside/s signed",
                        "echo 200 >../outside/s", "signed");
        assert_restored(stage, KEEP("signed"),
                        "mkdir ../outside; echo 100 >../outside/s; ln -s ${PWD%/*}/outside/s signed",
                        "echo 200 >../outside/s", "../outside/s");
}

static void links_that_cannot_be_followed_are_refused(void **state) {
        struct stage *stage = *state;
        assert_refused(stage, KEEP("signed"), "ln -s other signed; ln -s signed other", "true", -ELOOP,
                        "signed");
        assert_refused(stage, KEEP("signed"), "ln -s ../outside/none signed", "true", -ENOENT, "signed");
        assert_refused(stage, KEEP("signed"), "ln -s . signed", "true", -ELOOP, "whole state directory");
        assert_refused(stage, KEEP("signed"),
                        "mkdir mem; echo 100 >mem/s; ln -s $PWD/mem ../outside; ln -s ../outside/s signed",
                        "echo 200 >mem/s", -ELOOP, "mem/s");
        /* The older release reads it elsewhere. */
        assert_refused(stage, KEEP("data/signed"), "mkdir v1; echo 100 >v1/signed; ln -s v1 data",
                        "cp -a v1 v2; echo 200 >v2/signed; ln -sfn v2 data", -ESTALE, "data");
        assert_refused(stage, KEEP("signed"), "mkdir mem; echo 100 >mem/signed; ln -s mem/signed signed",
                        "rm mem/signed", -ESTALE, "signed");
}

/* A name that is wrong, or a file that has yet to be made: from here they look the same. */
static void what_is_in_neither_state_is_refused_for_a_signer(void **state) {
        struct stage *stage = *state;
        assert_refused(stage, KEEP("signed", "signd"), "echo 100 >signed", "echo 200 >signed", -ENOENT,
                        "signd");
        assert_refused(stage, KEEP("mem/signed"), "true", "true", -ENOENT, "mem/signed");
        assert_refused(stage, KEEP("signed"), "ln -s mem/signed signed", "true", -ENOENT, "signed");
        assert_restored(stage, KEEP("signed"), "true", "echo 200 >signed", "signed");
        stage->state.signer = SIGNER_UNSAID;
        assert_restored(stage, KEEP("signed", "signd"), "echo 100 >signed", "echo 200 >signed", "signed");
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {STAGED(links_are_followed),
                        STAGED(links_are_followed_around_a_hook),
                        STAGED(what_lies_outside_is_as_new_as_it_is),
                        STAGED(links_that_cannot_be_followed_are_refused),
                        STAGED(what_is_in_neither_state_is_refused_for_a_signer)};
        if (geteuid() != 0) {
                print_message("keep: skipped, needs root\n");
                return 0;
        }
        return cmocka_run_group_tests_name("what is kept over a restore", tests, NULL, NULL);
}
