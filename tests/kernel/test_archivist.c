/* The archivist as the director meets it: a process with few privileges, an answer in one line of JSON; and
 * the operator's hook. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/archivist/archive.h"
#include "../../supervisor/archivist/confine.h"
#include "../../supervisor/lib/release.h"
#include "../support/state_tree.h"
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Notes how it was called; puts an older signing memory back, as a whole copy does. */
#define HOOK                                                                                         \
        "#!/bin/sh\n"                                                                                \
        "echo \"$1 $2 $3\" >>%s/calls\n"                                                             \
        "echo this is no JSON\n"                                                                     \
        "if [ -e %s/fail ]; then echo first >&2; echo the array is full >&2; exit 3; fi\n"           \
        "case $1 in take) cp -a $3 %s/copy;; restore) rm -rf $3; cp -a %s/copy $3;; remove) rm -rf " \
        "%s/copy;; esac\n"

struct stage {
        char top[64], directory[96], hook[96];
        char *error;
        struct state_config state;
};

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        char text[1024];
        assert_non_null(stage);
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-archivist-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->directory, sizeof(stage->directory), "%s/node", stage->top);
        (void)snprintf(stage->hook, sizeof(stage->hook), "%s/hook", stage->top);
        (void)snprintf(text, sizeof(text), HOOK, stage->top, stage->top, stage->top, stage->top, stage->top);
        state_tree_write(stage->top, "hook", text);
        assert_int_equal(chmod(stage->hook, 0755), 0);
        assert_int_equal(mkdir(stage->directory, 0755), 0);
        state_tree_fill(stage->directory);
        stage->state = (struct state_config){.directory = stage->directory, .snapshot = SNAPSHOT_HOOK};
        assert_int_equal(strv_push(&stage->state.hook, stage->hook), 0);
        assert_int_equal(strv_push(&stage->state.keep, "signer/state.json"), 0);
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;
        strv_free(stage->state.hook);
        strv_free(stage->state.keep);
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage->error);
        free(stage);
        return 0;
}

static void assert_file(const char *directory, const char *path, const char *text) {
        _cleanup_free_ char *found = state_tree_read(directory, path);
        assert_string_equal(found, text);
}

/* Runs the role in a process of its own and reads its answer, which the caller owns. */
static json_t *ask(int expected_status, char *const *arguments) {
        int ends[2], status;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (dup2(ends[1], STDOUT_FILENO) < 0)
                        _exit(9);
                _exit(archivist_main((int)strv_length(arguments), (char **)arguments));
        }
        (void)close(ends[1]);
        json_t *answer = json_loadfd(ends[0], JSON_DISABLE_EOF_CHECK, NULL);
        (void)close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), expected_status);
        assert_non_null(answer);
        assert_true(json_is_true(json_object_get(answer, "ok")) == (expected_status == 0));
        assert_true(json_is_null(json_object_get(answer, "error")) == (expected_status == 0));
        return answer;
}

static void assert_text(json_t *answer, const char *key, const char *part) {
        const char *text = json_string_value(json_object_get(answer, key));
        assert_non_null(text);
        assert_non_null(strstr(text, part));
        json_decref(answer);
}

#define ASK(status, ...) ask(status, (char *[]){"interrex-archivist", __VA_ARGS__, NULL})
#define SETTINGS(stage)                                                                              \
        "--directory", (stage)->directory, "--copy-limit", "1000000000", "--want", "auto", "--keep", \
                        "signer/state.json"

static void test_role(void **state) {
        struct stage *stage = *state;
        static const char *const kept[] = {"signer", NULL};
        _cleanup_free_ char *before = state_tree_describe(stage->directory, kept);
        json_t *answer = ASK(0, "plan", SETTINGS(stage));
        _cleanup_free_ char *kind = strdup(json_string_value(json_object_get(answer, "kind")));
        assert_true(json_integer_value(json_object_get(answer, "files")) >= 9);
        assert_true(json_integer_value(json_object_get(answer, "bytes")) >= 200 * 1024);
        assert_true(json_is_integer(json_object_get(answer, "elapsed_us")));
        assert_text(answer, "reason", "filesystem");
        assert_text(ASK(0, "take", "swap-1", kind, SETTINGS(stage)), "kind", kind);
        state_tree_write(stage->directory, "chain.db", "newer\n");
        state_tree_write(stage->directory, "signer/state.json", "height 200\n");
        json_decref(ASK(0, "restore", "swap-1", SETTINGS(stage)));
        assert_file(stage->directory, "signer/state.json", "height 200\n");
        _cleanup_free_ char *after = state_tree_describe(stage->directory, kept);
        assert_string_equal(after, before);
        json_decref(ASK(0, "remove", "swap-1", SETTINGS(stage)));
        assert_text(ASK(1, "restore", "swap-1", SETTINGS(stage)), "error", "no snapshot swap-1");
}

static void test_role_misused(void **state) {
        struct stage *stage = *state;
        assert_text(ASK(1, "dance"), "error", "dance");
        json_decref(ASK(1, "take", "swap-1"));
        assert_text(ASK(1, "take", "swap-1", "zfs", SETTINGS(stage)), "error", "zfs");
        json_decref(ASK(1, "take", "../x", "copy", SETTINGS(stage)));
        json_decref(ASK(1, "remove", "", SETTINGS(stage)));
        assert_text(ASK(1, "plan", "--directory"), "error", "--directory");
        assert_text(ASK(0, "plan", "--directory", "relative"), "reason", "not an absolute path");
        assert_text(ASK(1, "verify", "/tmp", "1.0.0", "x", "-1"), "error", "verify");
        /* An answer stays one that can be read, whatever the names are. */
        json_decref(ASK(1, "take", "swap-1", "copy", "--directory", "/nowhere/\xff\xfe"));
}

static void test_role_verifies(void **state) {
        struct stage *stage = *state;
        struct release release;
        char releases[96], fd_text[16], *path = NULL;
        int fd = -1;
        bool existed;
        (void)snprintf(releases, sizeof(releases), "%s/releases", stage->top);
        assert_int_equal(
                        release_add(releases, "1.0.0", stage->hook, NULL, NULL, &existed, &stage->error), 0);
        assert_int_equal(release_load(releases, "1.0.0", &release), 0);
        assert_int_equal(release_open_command(releases, &release, "hook", &path, &fd), 0);
        release_done(&release);
        (void)snprintf(fd_text, sizeof(fd_text), "%d", fd);
        json_decref(ASK(0, "verify", releases, "1.0.0", "hook", fd_text));
        assert_text(ASK(1, "verify", releases, "2.0.0", "hook", fd_text), "error", "2.0.0");
        assert_int_equal(truncate(path, 10), 0);
        assert_text(ASK(1, "verify", releases, "1.0.0", "hook", fd_text), "error", "hook");
        (void)close(fd);
        free(path);
}

static void test_hook(void **state) {
        struct stage *stage = *state;
        struct snapshot_plan plan;
        char expected[512];
        assert_int_equal(snapshot_plan(&stage->state, &plan), 0);
        assert_int_equal(plan.kind, SNAPSHOT_HOOK);
        json_decref(ASK(0, "take", "swap-1", "hook", "--directory", stage->directory, "--want", "hook",
                        "--hook", stage->hook));
        state_tree_write(stage->directory, "sub/small", "newer\n");
        state_tree_write(stage->directory, "signer/state.json", "height 200\n");
        assert_int_equal(snapshot_restore(&stage->state, "swap-1", &stage->error), 0);
        assert_file(stage->directory, "sub/small", "small\n");
        assert_file(stage->directory, "signer/state.json", "height 200\n");
        assert_int_equal(snapshot_restore(&stage->state, "swap-1", &stage->error), 0);
        assert_int_equal(snapshot_remove(&stage->state, "swap-1", &stage->error), 0);
        (void)snprintf(expected, sizeof(expected), "take swap-1 %s\nrestore swap-1 %s\nremove swap-1 %s\n",
                        stage->directory, stage->directory, stage->directory);
        assert_file(stage->top, "calls", expected);
        (void)snprintf(expected, sizeof(expected), "ls -A %s", stage->top);
        FILE *left = popen(expected, "r");
        char text[256] = {0};
        assert_non_null(left);
        assert_true(fread(text, 1, sizeof(text) - 1, left) > 0);
        (void)pclose(left);
        assert_string_equal(text, "calls\nhook\nnode\n");
}

static void test_hook_fails(void **state) {
        struct stage *stage = *state;
        state_tree_write(stage->top, "fail", "");
        assert_int_equal(snapshot_take(&stage->state, "swap-1", SNAPSHOT_HOOK, &stage->error), -EREMOTEIO);
        assert_non_null(strstr(stage->error, "status 3: the array is full"));
        free(stage->error);
        free(stage->state.hook[0]);
        stage->state.hook[0] = strdup("/nowhere/hook");
        assert_int_equal(snapshot_take(&stage->state, "swap-1", SNAPSHOT_HOOK, &stage->error), -EREMOTEIO);
        assert_non_null(strstr(stage->error, "/nowhere/hook cannot be executed"));
        struct snapshot_plan plan;
        assert_int_equal(snapshot_plan(&stage->state, &plan), -EOPNOTSUPP);
}

static void die_at(const char *step, void *userdata) {
        if (strcmp(step, userdata) == 0)
                (void)raise(SIGKILL);
}

/* The hook has put an older signing memory in place when the archivist dies: the newest comes back all the
 * same. */
static void test_hook_and_death(void **state) {
        struct stage *stage = *state;
        static const char *const points[] = {"kept", "restored", "carried"};
        for (size_t i = 0; i < ELEMENTS(points); i++) {
                int status;
                state_tree_write(stage->directory, "signer/state.json", "height 100\n");
                assert_int_equal(snapshot_take(&stage->state, "swap-1", SNAPSHOT_HOOK, &stage->error), 0);
                state_tree_write(stage->directory, "signer/state.json", "height 200\n");
                pid_t pid = fork();
                if (pid == 0) {
                        struct steps steps = {.reached = die_at, .userdata = (void *)points[i]};
                        char *error = NULL;
                        (void)snapshot_restore_in_steps(&stage->state, "swap-1", &steps, &error);
                        _exit(1);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                assert_int_equal(snapshot_restore(&stage->state, "swap-1", &stage->error), 0);
                assert_file(stage->directory, "signer/state.json", "height 200\n");
                assert_int_equal(snapshot_remove(&stage->state, "swap-1", &stage->error), 0);
        }
}

static int signal_of(enum confinement confinement, void (*forbidden)(void)) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (confine(confinement) < 0)
                        _exit(9);
                forbidden();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void open_socket(void) {
        (void)socket(AF_INET, SOCK_STREAM, 0);
}
static void execute(void) {
        (void)execl("/bin/true", "true", NULL);
}
static void make_device(void) {
        _exit(mknod("/tmp/interrex-never-made", S_IFCHR | 0600, 0x103) < 0 && errno == EPERM ? 3 : 4);
}
static void read_only(void) {
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _exit(fd >= 0 ? 5 : 6);
}

static void test_confined(void **state) {
        (void)state;
        assert_int_equal(signal_of(CONFINE_READING, open_socket), SIGSYS);
        assert_int_equal(signal_of(CONFINE_WRITING, open_socket), SIGSYS);
        assert_int_equal(signal_of(CONFINE_WRITING_AS_ADMIN, execute), SIGSYS);
        assert_int_equal(signal_of(CONFINE_WRITING, make_device), -3);
        assert_int_equal(signal_of(CONFINE_READING, read_only), -5);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                        CASE(test_role),
                        CASE(test_role_misused),
                        CASE(test_role_verifies),
                        CASE(test_hook),
                        CASE(test_hook_fails),
                        CASE(test_hook_and_death),
                        CASE(test_confined),
        };
        if (geteuid() != 0) {
                print_message("archivist: skipped, files of other owners need root\n");
                return 0;
        }
        return cmocka_run_group_tests_name("archivist", tests, NULL, NULL);
}
