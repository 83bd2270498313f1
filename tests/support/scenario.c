#include "scenario.h"

#include "lib/cgroup.h"
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define PREFIX_MAX 16
#define LOG_TAIL 6000

static int find_programs(struct scenario *s);
static int make_folders(struct scenario *s);
static void watch_accepted(struct scenario *s);
static void print_log(const struct scenario *s);
static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk);

int scenario_setup(void **state) {
        struct scenario *s = calloc(1, sizeof(*s));
        _cleanup_free_ char *own = NULL;
        if (!s)
                return -1;
        s->supervisor.pidfd = s->load.pidfd = s->load_output_fd = s->cgroup_fd = s->cgroup_parent_fd = -1;
        text_copy(s->node, sizeof(s->node), "node");
        *state = s;
        int r = find_programs(s);
        if (r == 0)
                r = make_folders(s);
        if (r == 0 && (r = network_isolate()) < 0)
                print_error("cannot make a network namespace: %s; scenarios need root\n", strerror(-r));
        (void)snprintf(s->cgroup_name, sizeof(s->cgroup_name), "interrex-test%s",
                        strrchr(s->directory, '.'));
        if (r == 0 && ((r = cgroup_open_own(&own, &s->cgroup_parent_fd)) < 0 ||
                                      (r = cgroup_make(s->cgroup_parent_fd, s->cgroup_name, &s->cgroup_fd)) <
                                                      0))
                print_error("cannot make a cgroup: %s; scenarios need a writable cgroup2\n", strerror(-r));
        if (r < 0)
                (void)scenario_teardown(state);
        else
                watch_accepted(s);
        return r < 0 ? -1 : 0;
}

int scenario_teardown(void **state) {
        struct scenario *s = *state;
        int r = 0;
        if (!s->passed)
                print_log(s);
        if (s->cgroup_fd >= 0) {
                (void)cgroup_write(s->cgroup_fd, "cgroup.freeze", "0");
                r = cgroup_kill_and_wait(s->cgroup_fd, process_patience(20 * USEC_PER_SEC));
        }
        process_kill(&s->load);
        process_kill(&s->supervisor);
        close_fd(s->cgroup_fd);
        if (s->cgroup_parent_fd >= 0 && r >= 0)
                r = cgroup_remove(s->cgroup_parent_fd, s->cgroup_name);
        if (r < 0)
                print_error("cgroup %s is left behind: %s\n", s->cgroup_name, strerror(-r));
        close_fd(s->cgroup_parent_fd);
        close_fd(s->load_output_fd);
        (void)accepted_close(s->accepted);
        if (*s->directory)
                (void)nftw(s->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(s->interrex);
        free(s->nodes);
        free(s);
        return r < 0 ? -1 : 0;
}

void scenario_need(const char *program) {
        if (access(program, X_OK) < 0) {
                print_message("%s is not installed\n", program);
                skip();
        }
}

void scenario_configure(struct scenario *s, const char *format, ...) {
        va_list arguments;
        _cleanup_fclose_ FILE *file = fopen(s->config, "we");
        assert_non_null(file);
        va_start(arguments, format);
        (void)vfprintf(file, format, arguments);
        va_end(arguments);
        assert_int_equal(fflush(file), 0);
}

/* A default of the configuration, unless MORE has a line of that key. */
static const char *unless_given(const char *more, const char *key, const char *line) {
        size_t n = strlen(key);
        for (const char *at = more; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
                if (strncmp(at, key, n) == 0 && at[n] == ':')
                        return "";
        return line;
}

void scenario_configure_testnode(struct scenario *s, const struct scenario_testnode *testnode) {
        const char *more = testnode->more ? testnode->more : "",
                   *command = testnode->command ? testnode->command : "testnode";
        bool go = strcmp(command, "testnode-go") == 0;
        char release[64] = "", lock[64] = "", probes[96], progress[48];
        unsigned slowness = process_slowness();
        if (testnode->release)
                (void)snprintf(release, sizeof(release), "release: \"%s\"\n", testnode->release);
        (void)snprintf(probes, sizeof(probes),
                        "probes:\n  - {name: rpc, kind: height, every: 100ms, timeout: %ums, failures: 3}\n",
                        500 * slowness);
        (void)snprintf(progress, sizeof(progress), "progress: {blocks: 3, within: %us}\n", 10 * slowness);
        if (!go)
                (void)snprintf(lock, sizeof(lock), ", --lock, %s",
                                testnode->lock ? testnode->lock : "flock");
        scenario_configure(s,
                        "node: %s\n%s"
                        "exec:\n"
                        "  command: %s\n"
                        "  args: [--listen, \"127.0.0.1:%d\", --state, \"{state}\", --block-ms, "
                        "\"%u\"%s%s%s]\n"
                        "%s"
                        "  stop_timeout: %us\n"
                        "  %s\n"
                        "%s"
                        "state: {directory: %s, %s}\n"
                        "%s%s%s%s%s%s\n",
                        s->node, release, command, SCENARIO_PORT,
                        (testnode->block_ms ? testnode->block_ms : 50) * slowness, lock,
                        testnode->arguments ? ", " : "", testnode->arguments ? testnode->arguments : "",
                        unless_given(testnode->exec, "user", "  user: nobody\n"), 5 * slowness,
                        testnode->exec ? testnode->exec : "",
                        unless_given(more, "listen", "listen: [\"tcp:127.0.0.1:8545\"]\n"), s->data,
                        testnode->state ? testnode->state : "fence: lock",
                        unless_given(more, "height",
                                        "height: {source: ethereum, url: \"http://127.0.0.1:8545\", every: "
                                        "50ms}\n"),
                        unless_given(more, "gate",
                                        go ? "gate: {kind: uprobe, symbol: main.commitBlock, argument: 1, "
                                             "abi: go}\n"
                                           : "gate: {kind: uprobe, symbol: commit_block, argument: 1, abi: "
                                             "c}\n"),
                        unless_given(more, "probes", probes), unless_given(more, "progress", progress),
                        unless_given(more, "probation", "probation: 2s\n"), more);
}

static int copy_program(const char *from, const char *to) {
        _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC),
                            out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        struct stat status;
        if (in < 0 || out < 0 || fstat(in, &status) < 0)
                return -errno;
        for (off_t left = status.st_size; left > 0;) {
                ssize_t n = sendfile(out, in, NULL, (size_t)left);
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                left -= n;
        }
        return 0;
}

static void add_release(struct scenario *s, const char *program, const char *version, const char *faults) {
        char folder[256], to[320], from[PATH_MAX];
        (void)snprintf(folder, sizeof(folder), "%s/source-%s", s->directory, version);
        (void)snprintf(from, sizeof(from), "%s/%s", s->nodes, program);
        (void)snprintf(to, sizeof(to), "%s/%s", folder, program);
        assert_int_equal(mkdir(folder, 0755), 0);
        int r = copy_program(from, to);
        if (r < 0)
                fail_msg("cannot copy %s: %s; `make nodes` builds it", from, strerror(-r));
        (void)snprintf(to, sizeof(to), "%s/testnode.args", folder);
        FILE *file = fopen(to, "wex");
        assert_non_null(file);
        (void)fprintf(file, "--version %s %s\n", version, faults);
        assert_int_equal(fclose(file), 0);
        scenario_expect(s, 0, "release", "add", s->node, version, folder, NULL);
}

void scenario_add_testnode(struct scenario *s, const char *version, const char *faults) {
        add_release(s, "testnode", version, faults);
}

void scenario_add_testnodes(struct scenario *s, unsigned first, unsigned last) {
        for (unsigned i = first; i <= last; i++) {
                char version[16];
                (void)snprintf(version, sizeof(version), "%u.0.0", i);
                scenario_add_testnode(s, version, "");
        }
}

void scenario_add_testnode_go(struct scenario *s, const char *version) {
        add_release(s, "testnode-go", version, "");
}

void scenario_add_script(struct scenario *s, const char *version, const char *text) {
        char path[320];
        (void)snprintf(path, sizeof(path), "%s/script-%s", s->directory, version);
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fflush(file), 0);
        assert_int_equal(chmod(path, 0755), 0);
        scenario_expect(s, 0, "release", "add", s->node, version, path, NULL);
}

void scenario_start_supervisor(struct scenario *s) {
        const char *arguments[PREFIX_MAX + 8], *const run[] = {s->interrex, "run", s->config, "--state-dir",
                                                               s->state_dir, "--run-dir", s->run_dir, NULL};
        size_t n = 0;
        for (; s->prefix && s->prefix[n]; n++) {
                assert_true(n < PREFIX_MAX);
                arguments[n] = s->prefix[n];
        }
        memcpy(&arguments[n], run, sizeof(run));
        _cleanup_close_ int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        assert_true(log >= 0);
        struct process_start start = {.arguments = arguments,
                        .output_fd = log,
                        .error_fd = log,
                        .cgroup_fd = s->cgroup_fd};
        assert_int_equal(process_start(&start, &s->supervisor), 0);
}

/* Near a boundary "running" may be over before it is looked at: what follows it is a start as well. */
/* A node that writes a ledger has also made its first block: else the ledger would not tell of its release. */
static bool has_started(const json_t *status, const void *userdata) {
        const struct scenario *s = userdata;
        const char *phase = scenario_text(status, "phase");
        struct stat ledger;
        if (stat(s->ledger, &ledger) >= 0 && ledger.st_size == 0)
                return false;
        return strcmp(phase, "stopped") != 0 && strcmp(phase, "starting") != 0 && strcmp(phase, "held") != 0;
}

void scenario_start(struct scenario *s) {
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(s, has_started, s, SCENARIO_START_TIMEOUT_US));
}

void scenario_stop(struct scenario *s) {
        int status = -1;
        scenario_expect(s, 0, "stop", s->node, NULL);
        if (process_wait(&s->supervisor, 30 * USEC_PER_SEC, &status) < 0)
                fail_msg("the supervisor did not end after `interrex stop`");
        assert_int_equal(status, 0);
}

static int find_programs(struct scenario *s) {
        const char *given = getenv("INTERREX");
        s->interrex = realpath(given ? given : "build/interrex", NULL);
        const char *slash = s->interrex ? strrchr(s->interrex, '/') : NULL;
        if (!slash || asprintf(&s->nodes, "%.*s/tests/nodes", (int)(slash - s->interrex), s->interrex) < 0) {
                print_error("there is no %s; run `make`, or name the program in INTERREX\n",
                                given ? given : "build/interrex");
                return -ENOENT;
        }
        return 0;
}

static int make_folders(struct scenario *s) {
        const struct passwd *nobody = getpwnam("nobody");
        char path[] = "/tmp/interrex-scenario.XXXXXX";
        /* 0755: the roles and the node run as users of their own. */
        if (!nobody || !mkdtemp(path) || chmod(path, 0755) < 0)
                return -errno;
        text_copy(s->directory, sizeof(s->directory), path);
        (void)snprintf(s->state_dir, sizeof(s->state_dir), "%s/state", path);
        (void)snprintf(s->run_dir, sizeof(s->run_dir), "%s/run", path);
        (void)snprintf(s->data, sizeof(s->data), "%s/data", path);
        (void)snprintf(s->config, sizeof(s->config), "%s/node.yaml", path);
        (void)snprintf(s->log, sizeof(s->log), "%s/log", path);
        (void)snprintf(s->ledger, sizeof(s->ledger), "%s/ledger", s->data);
        return mkdir(s->data, 0755) < 0 || chown(s->data, nobody->pw_uid, nobody->pw_gid) < 0 ? -errno : 0;
}

/* Before a node runs, whose height would go on meanwhile: this takes half a second on a busy machine. Without it
 * the test is stricter. */
static void watch_accepted(struct scenario *s) {
        int r = accepted_open(SCENARIO_PORT, &s->accepted);
        if (r < 0)
                (void)fprintf(stderr,
                                "cannot watch which connections the node accepts, so that all it resets "
                                "count: "
                                "%s; the kernel must have BTF\n",
                                strerror(-r));
}

static void print_log(const struct scenario *s) {
        _cleanup_close_ int fd = open(s->log, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = fd >= 0 ? read_whole_fd(fd) : NULL;
        size_t length = text ? strlen(text) : 0;
        size_t skipped = length > LOG_TAIL ? length - LOG_TAIL : 0;
        if (length > 0) /* not by print_error(), which cuts at 1 KiB */
                (void)fprintf(stderr, "---- the end of the supervisor's log ----\n%s----\n", text + skipped);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
        (void)status;
        (void)type;
        (void)walk;
        /* A supervisor that was killed leaves its gate mounted. */
        if (remove(path) < 0 && errno == EBUSY && umount2(path, MNT_DETACH) == 0)
                (void)remove(path);
        return 0;
}
