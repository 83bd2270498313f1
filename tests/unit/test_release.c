/* Releases on disk: what is added is what is found again, and what was changed since is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/lib/release_internal.h"
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/wait.h>

#define SCRIPT "#!/bin/sh\nexit 0\n"

struct scratch {
        char top[64], source[96], releases[96];
        char *error;
};

static const char *in(const struct scratch *scratch, const char *path) {
        static char buffers[4][512];
        static unsigned next;
        char *buffer = buffers[next++ % 4];
        (void)snprintf(buffer, sizeof(buffers[0]), "%s/%s", scratch->top, path);
        return buffer;
}

static void put_bytes(const char *path, const void *data, size_t length, mode_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, length), (ssize_t)length);
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(close(fd), 0);
}

static void put(const char *path, const char *text, mode_t mode) {
        put_bytes(path, text, strlen(text), mode);
}

static int setup(void **state) {
        struct scratch *scratch = calloc(1, sizeof(*scratch));
        assert_non_null(scratch);
        text_copy(scratch->top, sizeof(scratch->top), "/tmp/interrex-release-XXXXXX");
        assert_non_null(mkdtemp(scratch->top));
        (void)snprintf(scratch->source, sizeof(scratch->source), "%s/source", scratch->top);
        (void)snprintf(scratch->releases, sizeof(scratch->releases), "%s/state/node/releases", scratch->top);
        assert_int_equal(mkdir(scratch->source, 0755), 0);
        put(in(scratch, "node"), SCRIPT, 0755);
        *state = scratch;
        return 0;
}

static int teardown(void **state) {
        struct scratch *scratch = *state;
        free(scratch->error);
        assert_int_equal(tree_remove(AT_FDCWD, scratch->top), 0);
        free(scratch);
        return 0;
}

static int add(struct scratch *scratch, const char *version, const char *source, const char *command,
                const char *sha256, bool *ret_existed) {
        bool existed = false;
        free(scratch->error);
        scratch->error = NULL;
        int r = release_add(scratch->releases, version, source, command, sha256, &existed, &scratch->error);
        assert_true((r < 0) == (scratch->error != NULL));
        if (ret_existed)
                *ret_existed = existed;
        return r;
}

/* A tree as real releases have it: a folder, a library, a relative link. */
static void make_tree(const struct scratch *scratch) {
        assert_int_equal(mkdir(in(scratch, "source/bin"), 0700), 0);
        assert_int_equal(mkdir(in(scratch, "source/lib"), 0755), 0);
        assert_int_equal(mkdir(in(scratch, "source/empty"), 0755), 0);
        put(in(scratch, "source/bin/node-real"), SCRIPT, 0700);
        put(in(scratch, "source/lib/data.txt"), "data\n", 0600);
        assert_int_equal(symlink("node-real", in(scratch, "source/bin/node")), 0);
        assert_int_equal(symlink("../bin/node", in(scratch, "source/lib/up")), 0);
}

static int verify(struct scratch *scratch, const char *version) {
        struct release release;
        free(scratch->error);
        scratch->error = NULL;
        int r = release_load(scratch->releases, version, &release);
        if (r < 0)
                return r;
        r = release_verify(scratch->releases, &release, NULL, -1, &scratch->error);
        release_done(&release);
        return r;
}

static size_t count(const struct scratch *scratch) {
        struct release *releases = NULL;
        size_t n = 0;
        assert_int_equal(release_list(scratch->releases, &releases, &n), 0);
        release_list_free(releases, n);
        return n;
}

/* Everything that lies in the releases' directory, hidden names too. */
static size_t count_names(const struct scratch *scratch) {
        size_t n = 0;
        DIR *directory = opendir(scratch->releases);
        assert_non_null(directory);
        while (readdir(directory))
                n++;
        (void)closedir(directory);
        return n - 2;
}

static void test_file(void **state) {
        struct scratch *scratch = *state;
        struct release release;
        struct stat st;
        char *path = NULL, digest[65];
        int fd = -1;
        put(in(scratch, "node"), SCRIPT, 04755);
        assert_int_equal(add(scratch, "v1.7.0", in(scratch, "node"), "anvil", NULL, NULL), 0);
        assert_int_equal(release_load(scratch->releases, "1.7.0", &release), 0);
        assert_string_equal(release.text, "1.7.0");
        assert_int_equal(release.n_files, 1);
        assert_string_equal(release.files[0].path, "node");
        assert_int_equal(release.files[0].size, strlen(SCRIPT));
        assert_true(release.added_at > 0 && release.added_at <= now_realtime());
        sha256_format(release.files[0].sha256, digest);
        /* printf '#!/bin/sh\nexit 0\n' | sha256sum */
        assert_string_equal(digest, "306c6ca7407560340797866e077e053627ad409277d1b9da58106fce4cf717cb");
        /* Whatever the command is called: a release of one file is its own. */
        assert_int_equal(release_open_command(scratch->releases, &release, "anvil", &path, &fd), 0);
        assert_string_equal(path, in(scratch, "state/node/releases/1.7.0/node"));
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0555);
        assert_int_equal(st.st_uid, geteuid());
        assert_int_equal(stat(in(scratch, "state/node/releases/1.7.0"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0555);
        assert_int_equal(release_verify(scratch->releases, &release, "anvil", fd, &scratch->error), 0);
        (void)close(fd);
        free(path);
        release_done(&release);
}

static void test_directory(void **state) {
        struct scratch *scratch = *state;
        struct release release;
        struct stat st;
        char *path = NULL, target[64] = {0};
        int fd = -1;
        make_tree(scratch);
        assert_int_equal(add(scratch, "2.0.0-rc.1", scratch->source, "bin/node", NULL, NULL), 0);
        assert_int_equal(release_load(scratch->releases, "2.0.0-rc.1", &release), 0);
        assert_int_equal(release.n_files, 4);
        assert_string_equal(release.files[0].path, "bin/node");
        assert_true(S_ISLNK(release.files[0].mode));
        assert_int_equal(release.files[1].mode, 0555);
        assert_int_equal(release.files[2].mode, 0444);
        assert_true(readlink(in(scratch, "state/node/releases/2.0.0-rc.1/bin/node"), target,
                                    sizeof(target)) > 0);
        assert_string_equal(target, "node-real");
        assert_int_equal(stat(in(scratch, "state/node/releases/2.0.0-rc.1/bin"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0555);
        assert_int_equal(stat(in(scratch, "state/node/releases/2.0.0-rc.1/empty"), &st), -1);
        assert_int_equal(release_open_command(scratch->releases, &release, "bin/node", &path, &fd), 0);
        assert_string_equal(path, in(scratch, "state/node/releases/2.0.0-rc.1/bin/node"));
        assert_int_equal(release_verify(scratch->releases, &release, "bin/node", fd, &scratch->error), 0);
        (void)close(fd);
        free(path);
        assert_int_equal(release_open_command(scratch->releases, &release, "bin/none", &path, &fd), -ENOENT);
        assert_int_equal(release_open_command(scratch->releases, &release, "lib/data.txt", &path, &fd),
                        -EACCES);
        assert_true(release_open_command(scratch->releases, &release, "../../../../node", &path, &fd) < 0);
        release_done(&release);
}

static void test_digest(void **state) {
        struct scratch *scratch = *state;
        static const char wrong[] = "406c6ca7407560340797866e077e053627ad409277d1b9da58106fce4cf717cb";
        static const char right[] = "306C6CA7407560340797866e077e053627ad409277d1b9da58106fce4cf717cb";
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, wrong, NULL), -EBADMSG);
        assert_non_null(strstr(scratch->error, "306c6ca7"));
        assert_int_equal(count_names(scratch), 0);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, "12", NULL), -EINVAL);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, right, NULL), 0);
}

/* (printf '0555 %s bin/x\n' $(sha256sum bin/x | cut -c-64); ...) | sha256sum */
static void test_digest_of_directory(void **state) {
        struct scratch *scratch = *state;
        char command[1024], text[65] = {0};
        assert_int_equal(mkdir(in(scratch, "source/bin"), 0755), 0);
        put(in(scratch, "source/bin/node"), SCRIPT, 0755);
        put(in(scratch, "source/readme"), "hello\n", 0644);
        (void)snprintf(command, sizeof(command),
                        "cd %s && { echo 0555 $(sha256sum bin/node); echo 0444 $(sha256sum readme); } | "
                        "sha256sum",
                        scratch->source);
        FILE *stream = popen(command, "r");
        assert_non_null(stream);
        assert_int_equal(fread(text, 1, 64, stream), 64);
        assert_int_equal(pclose(stream), 0);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, "bin/node", text, NULL), 0);
        text[0] = text[0] == '0' ? '1' : '0';
        assert_int_equal(add(scratch, "1.0.1", scratch->source, "bin/node", text, NULL), -EBADMSG);
}

static void test_not_executable(void **state) {
        struct scratch *scratch = *state;
        put(in(scratch, "node"), SCRIPT, 0644);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, NULL), -ENOEXEC);
        assert_non_null(strstr(scratch->error, "chmod"));
        put(in(scratch, "node"), "<html>not found</html>", 0755);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, NULL), -ENOEXEC);
        make_tree(scratch);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, "lib/data.txt", NULL, NULL), -ENOEXEC);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, "bin/none", NULL, NULL), -ENOEXEC);
        /* Whatever exec.command will be. */
        assert_int_equal(chmod(in(scratch, "source/bin/node-real"), 0600), 0);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, NULL, NULL, NULL), -ENOEXEC);
        assert_non_null(strstr(scratch->error, "nothing that is executable"));
        assert_int_equal(count(scratch), 0);
        assert_int_equal(count_names(scratch), 0);
}

static void test_architecture(void **state) {
        struct scratch *scratch = *state;
        ElfW(Ehdr) header = {.e_type = ET_DYN};
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
        (void)close(fd);
        header.e_phnum = header.e_shnum = 0;
        put_bytes(in(scratch, "node"), &header, sizeof(header), 0755);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, NULL), 0);
        header.e_machine = header.e_machine == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
        put_bytes(in(scratch, "node"), &header, sizeof(header), 0755);
        assert_int_equal(add(scratch, "1.0.1", in(scratch, "node"), NULL, NULL, NULL), -ENOEXEC);
        assert_non_null(strstr(scratch->error, header.e_machine == EM_AARCH64 ? "arm64" : "x86-64"));
        put_bytes(in(scratch, "node"), &header, 20, 0755);
        assert_int_equal(add(scratch, "1.0.1", in(scratch, "node"), NULL, NULL, NULL), -ENOEXEC);
        assert_int_equal(count(scratch), 1);
}

static void test_again(void **state) {
        struct scratch *scratch = *state;
        bool existed = true;
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, &existed), 0);
        assert_false(existed);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, &existed), 0);
        assert_true(existed);
        put(in(scratch, "node"), SCRIPT "# other\n", 0755);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, NULL), -EEXIST);
        assert_int_equal(verify(scratch, "1.0.0"), 0);
        assert_int_equal(count_names(scratch), 2);
}

/* What `interrex release add` is recommended for: the same release heals a damaged copy. */
static void test_mend(void **state) {
        struct scratch *scratch = *state;
        bool existed = true;
        const char *copy = in(scratch, "state/node/releases/1.0.0/node");
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, NULL), 0);
        assert_int_equal(chmod(copy, 0700), 0);
        put(copy, "#!/bin/sh\nexit 1\n", 0555);
        assert_int_equal(verify(scratch, "1.0.0"), -EBADMSG);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, &existed), 0);
        assert_false(existed);
        assert_int_equal(verify(scratch, "1.0.0"), 0);
        assert_int_equal(count_names(scratch), 2);
}

static void test_remove(void **state) {
        struct scratch *scratch = *state;
        assert_int_equal(release_remove(scratch->releases, "1.0.0", &scratch->error), -ENOENT);
        make_tree(scratch);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, "bin/node", NULL, NULL), 0);
        assert_int_equal(release_remove(scratch->releases, "1.0.0", &scratch->error), 0);
        assert_int_equal(count_names(scratch), 0);
        assert_int_equal(release_remove(scratch->releases, "1.0.0", &scratch->error), -ENOENT);
        assert_non_null(strstr(scratch->error, "1.0.0"));
}

static void test_list(void **state) {
        struct scratch *scratch = *state;
        static const char *const added[] = {"1.10.0", "1.9.0", "2.0.0", "1.9.0-rc.2"};
        static const char *const wanted[] = {"1.9.0-rc.2", "1.9.0", "1.10.0", "2.0.0"};
        struct release *releases = NULL;
        size_t n = 7;
        assert_int_equal(release_list(scratch->releases, &releases, &n), 0);
        assert_int_equal(n, 0);
        free(releases);
        for (size_t i = 0; i < ELEMENTS(added); i++)
                assert_int_equal(add(scratch, added[i], in(scratch, "node"), NULL, NULL, NULL), 0);
        put(in(scratch, "state/node/releases/3.0.0.json"), "{\"version\": \"3.0.0\"}", 0444);
        assert_int_equal(release_list(scratch->releases, &releases, &n), 0);
        assert_int_equal(n, ELEMENTS(wanted));
        for (size_t i = 0; i < n; i++)
                assert_string_equal(releases[i].text, wanted[i]);
        release_list_free(releases, n);
}

static void assert_here(const struct scratch *scratch, const char *said) {
        char here[RELEASE_HERE_MAX];
        assert_string_equal(release_here(scratch->releases, here, sizeof(here)), said);
}

static void test_here(void **state) {
        struct scratch *scratch = *state;
        static const char *const more[] = {"1.0.0", "3.0.0", "4.0.0", "5.0.0", "6.0.0", "7.0.0"};
        assert_here(scratch, "none is here yet");
        assert_int_equal(add(scratch, "2.0.0", in(scratch, "node"), NULL, NULL, NULL), 0);
        assert_here(scratch, "here is 2.0.0");
        for (size_t i = 0; i < ELEMENTS(more); i++) {
                assert_int_equal(add(scratch, more[i], in(scratch, "node"), NULL, NULL, NULL), 0);
                if (i == 0)
                        assert_here(scratch, "here are 1.0.0 and 2.0.0");
                if (i == 1)
                        assert_here(scratch, "here are 1.0.0, 2.0.0 and 3.0.0");
        }
        assert_here(scratch, "here are 2.0.0, 3.0.0, 4.0.0, 5.0.0, 6.0.0, 7.0.0 and 1 older");
}

static void rewrite(const struct scratch *scratch, const char *path, const char *text, mode_t mode) {
        const char *absolute = in(scratch, path);
        (void)chmod(absolute, 0600);
        put(absolute, text, mode);
}

static void change_byte(const struct scratch *scratch) {
        rewrite(scratch, "state/node/releases/1.0.0/lib/data.txt", "dota\n", 0444);
}
static void truncate_file(const struct scratch *scratch) {
        rewrite(scratch, "state/node/releases/1.0.0/lib/data.txt", "dat", 0444);
}
static void add_file(const struct scratch *scratch) {
        (void)chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0700);
        put(in(scratch, "state/node/releases/1.0.0/lib/more"), "", 0444);
        (void)chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0555);
}
static void remove_file(const struct scratch *scratch) {
        (void)chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0700);
        assert_int_equal(unlink(in(scratch, "state/node/releases/1.0.0/lib/data.txt")), 0);
        (void)chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0555);
}
static void change_mode(const struct scratch *scratch) {
        assert_int_equal(chmod(in(scratch, "state/node/releases/1.0.0/lib/data.txt"), 0555), 0);
}
static void change_directory_mode(const struct scratch *scratch) {
        assert_int_equal(chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0777), 0);
}
static void change_link(const struct scratch *scratch) {
        (void)chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0700);
        assert_int_equal(unlink(in(scratch, "state/node/releases/1.0.0/lib/up")), 0);
        assert_int_equal(symlink("../bin/none", in(scratch, "state/node/releases/1.0.0/lib/up")), 0);
        (void)chmod(in(scratch, "state/node/releases/1.0.0/lib"), 0555);
}
static void remove_all(const struct scratch *scratch) {
        assert_int_equal(tree_remove(AT_FDCWD, in(scratch, "state/node/releases/1.0.0")), 0);
}

static void test_verify(void **state) {
        struct scratch *scratch = *state;
        static const struct {
                void (*damage)(const struct scratch *scratch);
                const char *named;
        } cases[] = {
                        {change_byte, "lib/data.txt"},
                        {truncate_file, "lib/data.txt"},
                        {add_file, "lib/more"},
                        {remove_file, "lib/data.txt"},
                        {change_mode, "lib/data.txt"},
                        {change_directory_mode, "lib"},
                        {change_link, "lib/up"},
                        {remove_all, "1.0.0"},
        };
        make_tree(scratch);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                /* Adding again mends what the case before broke. */
                assert_int_equal(add(scratch, "1.0.0", scratch->source, "bin/node", NULL, NULL), 0);
                assert_int_equal(verify(scratch, "1.0.0"), 0);
                cases[i].damage(scratch);
                assert_int_equal(verify(scratch, "1.0.0"), -EBADMSG);
                assert_non_null(strstr(scratch->error, cases[i].named));
        }
}

/* A file with the right bytes under the right name is not enough: the descriptor must be that file. */
static void test_verify_descriptor(void **state) {
        struct scratch *scratch = *state;
        struct release release;
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "node"), NULL, NULL, NULL), 0);
        assert_int_equal(release_load(scratch->releases, "1.0.0", &release), 0);
        int fd = open(in(scratch, "node"), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(release_verify(scratch->releases, &release, "node", fd, &scratch->error), -EBADMSG);
        (void)close(fd);
        release_done(&release);
}

static void test_refused(void **state) {
        struct scratch *scratch = *state;
        make_tree(scratch);
        assert_int_equal(symlink("../../node", in(scratch, "source/lib/out")), 0);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, NULL, NULL, NULL), -EXDEV);
        assert_non_null(strstr(scratch->error, "lib/out"));
        assert_int_equal(unlink(in(scratch, "source/lib/out")), 0);
        assert_int_equal(symlink("/bin/sh", in(scratch, "source/lib/out")), 0);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, NULL, NULL, NULL), -EXDEV);
        assert_int_equal(unlink(in(scratch, "source/lib/out")), 0);
        assert_int_equal(mkfifo(in(scratch, "source/lib/fifo"), 0600), 0);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, NULL, NULL, NULL), -EINVAL);
        assert_int_equal(unlink(in(scratch, "source/lib/fifo")), 0);
        put(in(scratch, "source/lib/a\nb"), "", 0644);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, NULL, NULL, NULL), -EINVAL);
        assert_int_equal(unlink(in(scratch, "source/lib/a\nb")), 0);
        put(in(scratch, "source/lib/\xff"), "", 0644);
        assert_int_equal(add(scratch, "1.0.0", scratch->source, NULL, NULL, NULL), -EILSEQ);
        assert_int_equal(add(scratch, "1.0.0", "/dev/null", NULL, NULL, NULL), -EINVAL);
        assert_int_equal(add(scratch, "1.0.0", in(scratch, "none"), NULL, NULL, NULL), -ENOENT);
        assert_int_equal(add(scratch, "1.0.0-a.json", in(scratch, "node"), NULL, NULL, NULL), -EINVAL);
        assert_true(add(scratch, "../1.0.0", in(scratch, "node"), NULL, NULL, NULL) < 0);
        assert_int_equal(count(scratch), 0);
}

static void test_path(void **state) {
        (void)state;
        assert_true(path_stays_below("bin/..node/.x"));
        static const char *const bad[] = {
                        "", "/", "/bin", "bin/", "bin//x", ".", "..", "bin/../x", "bin/./x", "a\tb"};
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(path_stays_below(bad[i]));
}

static void die_at(const char *step, void *userdata) {
        if (strcmp(step, userdata) == 0)
                _exit(9);
}

/* Dead at each step, the release is there as a whole or not at all, and the next add works and leaves
 * nothing. */
static void test_die(void **state) {
        struct scratch *scratch = *state;
        static const char *const points[] = {"copied", "renamed", "saved"};
        make_tree(scratch);
        for (size_t i = 0; i < ELEMENTS(points); i++) {
                int status;
                pid_t pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        struct steps steps = {.reached = die_at, .userdata = (void *)points[i]};
                        bool existed;
                        char *error = NULL;
                        (void)release_add_in_steps(scratch->releases, "1.0.0", scratch->source, "bin/node",
                                        NULL, NULL, &steps, &existed, &error);
                        _exit(1);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
                assert_int_equal(count(scratch), strcmp(points[i], "saved") == 0 ? 1 : 0);
                if (count(scratch) == 1)
                        assert_int_equal(verify(scratch, "1.0.0"), 0);
                assert_int_equal(add(scratch, "9.0.0", in(scratch, "node"), NULL, NULL, NULL), 0);
                assert_int_equal(count_names(scratch), 2 * count(scratch));
                assert_int_equal(add(scratch, "1.0.0", scratch->source, "bin/node", NULL, NULL), 0);
                assert_int_equal(verify(scratch, "1.0.0"), 0);
                assert_int_equal(count_names(scratch), 4);
                assert_int_equal(release_remove(scratch->releases, "1.0.0", &scratch->error), 0);
                assert_int_equal(release_remove(scratch->releases, "9.0.0", &scratch->error), 0);
        }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                        CASE(test_file),
                        CASE(test_directory),
                        CASE(test_digest),
                        CASE(test_digest_of_directory),
                        CASE(test_not_executable),
                        CASE(test_architecture),
                        CASE(test_again),
                        CASE(test_mend),
                        CASE(test_remove),
                        CASE(test_list),
                        CASE(test_here),
                        CASE(test_verify),
                        CASE(test_verify_descriptor),
                        CASE(test_refused),
                        CASE(test_path),
                        CASE(test_die),
        };
        return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
