/* `interrex check`: what it prints where, and its exit status. */
#include "cli/check.h"

#include "lib/base.h"
#include "lib/state_access.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define HEAD "node: a\nexec: {command: a}\n"

/* Runs the command with what a caller of the program would give it; *ret_out and *ret_err are malloc'ed. */
static int check_text(const char *text, bool by_stdin, char **ret_out, char **ret_err) {
        char folder[] = "/tmp/interrex-config-XXXXXX";
        const char *const names[] = {"/c.yaml", "/out", "/err"};
        char paths[3][64];
        char *outputs[2] = {calloc(1, 4096), calloc(1, 4096)};
        int saved[2] = {dup(1), dup(2)};
        assert_non_null(mkdtemp(folder));
        for (size_t i = 0; i < 3; i++)
                (void)snprintf(paths[i], sizeof(paths[i]), "%s%s", folder, names[i]);
        if (text) {
                _cleanup_fclose_ FILE *file = fopen(paths[0], "we");
                assert_non_null(file);
                assert_true(fputs(text, file) >= 0);
        }
        (void)fflush(NULL);
        for (int i = 0; i < 2; i++) {
                _cleanup_close_ int fd = open(paths[i + 1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                assert_return_code(dup2(fd, i + 1), errno);
        }
        int saved_stdin = dup(0);
        if (by_stdin) {
                _cleanup_close_ int fd = open(paths[0], O_RDONLY | O_CLOEXEC);
                assert_return_code(dup2(fd, 0), errno);
        }
        int status = command_check(by_stdin ? "-" : paths[0], "/tmp/interrex-state");
        (void)dup2(saved_stdin, 0);
        close_fd(saved_stdin);
        (void)fflush(NULL);
        for (int i = 0; i < 2; i++) {
                assert_true(pread(i + 1, outputs[i], 4095, 0) >= 0);
                (void)dup2(saved[i], i + 1);
                close_fd(saved[i]);
        }
        for (size_t i = 0; i < 3; i++)
                (void)unlink(paths[i]);
        assert_return_code(rmdir(folder), errno);
        *ret_out = outputs[0];
        *ret_err = outputs[1];
        return status;
}

static void test_check_prints_every_mistake_with_file_and_line(void **state) {
        static const struct {
                const char *text;
                int status;
                const char *out, *err;
        } vectors[] = {{"node: anvil\nexec: {command: anvil, user: nobody}\nlisten: [\"tcp:127.0.0.1:1\"]\n",
                                       0,
                                       "node anvil runs anvil as nobody, holds 1 address, one generation at "
                                       "a time\n",
                                       ""},
                        {HEAD "\nprobation: x\nfoo: 1\n", 2, "",
                                        "/c.yaml:4: probation: \"x\" is not a duration"},
                        {HEAD "\nprobation: x\nfoo: 1\n", 2, "", "/c.yaml:5: unknown key \"foo\""},
                        {HEAD "\nprobation: x\nfoo: 1\n", 2, "", "2 mistakes in "},
                        {HEAD "state:\n  directory: /tmp\n", 2, "",
                                        "/c.yaml:4: state.directory: interrex keeps"},
                        {HEAD "state:\n  directory: /tmp/interrex-state/a\n", 2, "",
                                        "/c.yaml:4: state.directory: "},
                        {NULL, 2, "", "cannot read the configuration"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                _cleanup_free_ char *out = NULL, *err = NULL;
                assert_int_equal(check_text(vectors[i].text, false, &out, &err), vectors[i].status);
                assert_non_null(strstr(out, vectors[i].out));
                assert_non_null(strstr(err, vectors[i].err));
                assert_int_equal(*(vectors[i].status ? out : err), '\0');
        }
}

static void test_check_reads_standard_input(void **state) {
        _cleanup_free_ char *out = NULL, *err = NULL, *no_out = NULL, *no_err = NULL;
        (void)state;
        assert_int_equal(check_text(HEAD, true, &out, &err), 0);
        assert_non_null(strstr(out, "node a runs a as root"));
        assert_int_equal(check_text(HEAD "x: 1\n", true, &no_out, &no_err), 2);
        assert_non_null(strstr(no_err, "-:3: unknown key \"x\""));
}

/* The file may be for another host. */
static void what_is_not_on_this_host_is_warned_of(void **state) {
        _cleanup_free_ char *out = NULL, *err = NULL;
        (void)state;
        int status = check_text("node: a\nexec: {command: a, user: interrex-nobody}\n"
                                "listen: [\"tcp:127.0.0.1:1\"]\n"
                                "state: {directory: /nowhere/at-all, fence: exec}\n"
                                "probes: [{name: own, kind: exec, command: [\"/nowhere/probe\"]}]\n",
                        false, &out, &err);
        assert_int_equal(status, 0);
        assert_non_null(strstr(out, "! exec.user: interrex-nobody does not exist here"));
        assert_non_null(strstr(out, "! state.directory: /nowhere/at-all cannot be used here"));
        assert_non_null(strstr(out, "! own: /nowhere/probe cannot be run here"));
}

static void assert_told_of_access(const char *directory, const char *told, const char *not_told) {
        char text[512], *out, *err;
        (void)snprintf(text, sizeof(text),
                        "node: a\nexec: {command: a, user: nobody}\nlisten: [\"tcp:127.0.0.1:1\"]\nstate: "
                        "{directory: %s}\n",
                        directory);
        assert_int_equal(check_text(text, false, &out, &err), EXIT_SUCCESS);
        if (told && !strstr(out, told))
                fail_msg("\"%s\" is not in: %s", told, out);
        assert_null(strstr(out, not_told));
        free(out);
        free(err);
}

/* As a newcomer makes it: as root, or below root's own folder. */
static void a_state_that_the_user_cannot_write_is_warned_of(void **state) {
        char folder[] = "/tmp/interrex-closed-XXXXXX", inside[64], told[200];
        (void)state;
        assert_non_null(mkdtemp(folder));
        (void)snprintf(inside, sizeof(inside), "%s/state", folder);
        assert_return_code(mkdir(inside, 0755), errno);
        (void)snprintf(told, sizeof(told),
                        "! state.directory: %s cannot be reached by nobody, because %s is closed to it; "
                        "open that "
                        "with `chmod o+x %s`",
                        inside, folder, folder);
        assert_told_of_access(inside, told, "cannot be written");
        assert_return_code(chmod(folder, 0711), errno);
        (void)snprintf(told, sizeof(told),
                        "! state.directory: %s cannot be written by nobody; give it to it with `chown "
                        "nobody %s`",
                        inside, inside);
        assert_told_of_access(inside, told, "cannot be reached");
        assert_return_code(chmod(inside, 0777), errno);
        assert_told_of_access(inside, NULL, "! state.directory");
        assert_return_code(rmdir(inside), errno);
        assert_return_code(rmdir(folder), errno);
}

/* As the kernel does it: the first class that fits decides, though another one would allow more. */
static void access_is_what_the_first_matching_class_allows(void **state) {
        char folder[] = "/tmp/interrex-access-XXXXXX", text[512];
        struct stat st;
        (void)state;
        assert_non_null(mkdtemp(folder));
        assert_return_code(stat(folder, &st), errno);
        const gid_t others[] = {st.st_gid + 7, st.st_gid};
        struct state_user user = {.name = "x",
                        .uid = st.st_uid + 1,
                        .gid = st.st_gid + 1,
                        .groups = others,
                        .n_groups = 2};
        assert_return_code(chmod(folder, 0730), errno);
        assert_false(state_access_is_missing(folder, &user, text, sizeof(text)));
        user.n_groups = 1;
        assert_true(state_access_is_missing(folder, &user, text, sizeof(text)));
        user.gid = st.st_gid;
        assert_false(state_access_is_missing(folder, &user, text, sizeof(text)));
        assert_return_code(chmod(folder, 0705), errno);
        assert_true(state_access_is_missing(folder, &user, text, sizeof(text)));
        assert_return_code(rmdir(folder), errno);
}

static void assert_keep_is_missing(const char *signer, const char *directory, const char *missing) {
        char text[512], *out, *err;
        (void)snprintf(text, sizeof(text),
                        HEAD "listen: [\"tcp:127.0.0.1:1\"]\n"
                             "state: {directory: %s, signer: files, keep: [%s]}\n",
                        directory, signer);
        assert_int_equal(check_text(text, false, &out, &err), EXIT_SUCCESS);
        (void)snprintf(text, sizeof(text), "! state.keep: there is no %s in %s: ", missing ? missing : "",
                        directory);
        if (missing ? !strstr(out, text) : strstr(out, "! state.keep") != NULL)
                fail_msg("of %s it says: %s", signer, out);
        free(out);
        free(err);
}

static void what_a_signer_keeps_under_a_wrong_name_is_warned_of(void **state) {
        char folder[] = "/tmp/interrex-keep-XXXXXX", path[64], link[64];
        (void)state;
        assert_non_null(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/signed.json", folder);
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_keep_is_missing("signed.json", folder, NULL);
        assert_keep_is_missing("signed.json, signd.json", folder, "signd.json");
        assert_keep_is_missing("data/signed.json", folder, "data/signed.json");
        (void)snprintf(link, sizeof(link), "%s/link", folder);
        assert_return_code(symlink("signed.json", link), errno);
        assert_keep_is_missing("link", folder, NULL);
        assert_return_code(unlink(path), errno);
        assert_keep_is_missing("link", folder, "link");
        assert_return_code(unlink(link), errno);
        assert_return_code(rmdir(folder), errno);
        assert_keep_is_missing("signed.json", folder, NULL); /* the folder is what is missed */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(what_is_not_on_this_host_is_warned_of),
                        cmocka_unit_test(a_state_that_the_user_cannot_write_is_warned_of),
                        cmocka_unit_test(what_a_signer_keeps_under_a_wrong_name_is_warned_of),
                        cmocka_unit_test(access_is_what_the_first_matching_class_allows),
                        cmocka_unit_test(test_check_prints_every_mistake_with_file_and_line),
                        cmocka_unit_test(test_check_reads_standard_input),
        };
        return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
