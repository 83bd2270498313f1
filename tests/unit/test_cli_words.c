/* What the operator's command says of releases, nodes and swaps, where leaving it out has misled somebody. */
#include "lib/control_protocol.h"
#include "lib/journal.h"
#include "support/cli_stage.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Form only: nothing here checks it. */
#define SIGNATURE                                                       \
        "untrusted comment: signature from minisign secret key\n"       \
        "RWSWjSgZe2WhWTBJJfo8ZgQ6gRRJXnsnIjGdti+u+"                     \
        "yinhlKWsGhflX6B3VYflWsGMY4wFjk8XFYn3ONrIxj4WPW0JcjGj5FEBQk=\n" \
        "trusted comment: legacy\n"                                     \
        "nwhZr1SJJUl161Nsb6qILJ38/ph4/hZ3RqctGbumtW9fpaKkV/JhL7Qt+ekRsOwRqa2tqb09VLdp0Lit0wvNBw==\n"

static void write_file(const char *path, const char *text) {
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static void assert_silent_about(const char *text, const char *sentence) {
        if (strstr(text, sentence))
                fail_msg("\"%s\" says \"%s\"", text, sentence);
}

static void a_release_is_told_by_the_name_it_is_listed_under(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil v1.7.0 /bin/true"), EXIT_DONE);
        stage_assert_says(s->out, "release 1.7.0 of node anvil is added\n");
}

static void a_signature_that_is_added_is_told(void **state) {
        struct scratch *s = *state;
        char path[128], line[256];
        if (geteuid() != 0)
                skip();
        (void)snprintf(path, sizeof(path), "%s/signature", s->folder);
        write_file(path, SIGNATURE);
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        (void)snprintf(line, sizeof(line), "release add anvil 1.7.0 /bin/true --signature %s", path);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->out, "there already, with the same bytes; its signature was added\n");
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->out, "there already, with the same bytes\n");
}

static void a_release_whose_files_are_gone_is_marked(void **state) {
        struct scratch *s = *state;
        char path[160];
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        assert_silent_about(s->out, "gone");
        assert_int_equal(stage_run_cli(s, "release list --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"files_are_gone\": false");
        (void)snprintf(path, sizeof(path), "%s/releases/1.7.0", s->node_state);
        char moved[200];
        (void)snprintf(moved, sizeof(moved), "%s/elsewhere", s->folder);
        assert_return_code(rename(path, moved), errno);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        stage_assert_says(s->out, "its files are gone: add it again\n");
        assert_int_equal(stage_run_cli(s, "release list --json"), EXIT_DONE);
        stage_assert_says(s->out, "\"files_are_gone\": true");
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        assert_int_equal(stage_run_cli(s, "release list"), EXIT_DONE);
        assert_silent_about(s->out, "gone");
}

static void a_node_that_is_made_is_told(void **state) {
        struct scratch *s = *state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.0 /bin/true"), EXIT_DONE);
        stage_assert_says(s->out, "this makes a new node, anvil: ");
        assert_int_equal(stage_run_cli(s, "release add anvil 1.7.1 /bin/true"), EXIT_DONE);
        assert_silent_about(s->out, "new node");
        assert_int_equal(stage_run_cli(s, "schedule set anivl 100 >=1.7.1"), EXIT_DONE);
        stage_assert_says(s->out, "this makes a new node, anivl: ");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_make_scratch, stage_remove_scratch)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(a_release_is_told_by_the_name_it_is_listed_under),
                        TEST(a_signature_that_is_added_is_told),
                        TEST(a_release_whose_files_are_gone_is_marked),
                        TEST(a_node_that_is_made_is_told),
        };
        if (access(stage_executable(), X_OK) < 0) {
                (void)fprintf(stderr, "there is no %s to test: run make first, or set INTERREX\n",
                                stage_executable());
                return 77;
        }
        return cmocka_run_group_tests_name("cli words", tests, NULL, NULL);
}
