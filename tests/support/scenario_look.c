/* What a scenario asks and asserts: commands, status, load, ledger, roles. */
#include "scenario.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define LOOK_AGAIN_US (20 * USEC_PER_MSEC)
#define CLI_ARGUMENTS_MAX 32

static struct process_result run_command(struct scenario *s, const char *first, va_list more);
static const json_t *member(const json_t *object, const char *path);
static void fail_with(const json_t *object, const char *what);

struct process_result scenario_cli(struct scenario *s, const char *first, ...) {
        va_list more;
        va_start(more, first);
        struct process_result result = run_command(s, first, more);
        va_end(more);
        return result;
}

void scenario_expect(struct scenario *s, int wanted, const char *first, ...) {
        va_list more;
        va_start(more, first);
        struct process_result result = run_command(s, first, more);
        va_end(more);
        if (result.status != wanted)
                fail_msg("`interrex %s` ended with status %d, not %d: %s%s", first, result.status, wanted,
                                result.output, result.error);
        process_result_done(&result);
}

json_t *scenario_status(struct scenario *s) {
        struct process_result result = scenario_cli(s, "status", s->node, "--json", NULL);
        json_t *status = result.status == 0 ? json_loads(result.output, 0, NULL) : NULL;
        process_result_done(&result);
        return status;
}

int scenario_node_pid(struct scenario *s) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        int pid = (int)scenario_number(status, "pid");
        json_decref(status);
        return pid;
}

json_t *scenario_wait_status(struct scenario *s, scenario_predicate predicate, const void *userdata,
                uint64_t timeout_us) {
        uint64_t deadline = now_monotonic() + process_patience(timeout_us);
        for (;;) {
                json_t *status = scenario_status(s);
                if (status && predicate(status, userdata))
                        return status;
                if (process_ends_within(&s->supervisor, LOOK_AGAIN_US))
                        fail_msg("the supervisor has ended, which was not to be");
                if (now_monotonic() > deadline)
                        fail_with(status, "the status that was waited for did not come; the last one");
                json_decref(status);
        }
}

bool scenario_is_held(const json_t *status, const void *words) {
        const char *reason = json_string_value(json_object_get(status, "reason"));
        return strcmp(scenario_text(status, "phase"), "held") == 0 && reason &&
               (!words || strstr(reason, words));
}

bool scenario_is_degraded(const json_t *status, const void *words) {
        const json_t *item;
        size_t i;
        json_array_foreach(json_object_get(status, "degraded"), i, item) {
                if (strstr(json_string_value(item), words))
                        return true;
        }
        return false;
}

static bool is_in_phase(const json_t *status, const void *userdata) {
        return strcmp(scenario_text(status, "phase"), userdata) == 0;
}

void scenario_wait_phase(struct scenario *s, const char *phase, uint64_t timeout_us) {
        json_decref(scenario_wait_status(s, is_in_phase, phase, timeout_us));
}

static bool is_at_height(const json_t *status, const void *userdata) {
        const json_t *height = json_object_get(status, "height");
        return json_is_integer(height) &&
               (uint64_t)json_integer_value(height) >= *(const uint64_t *)userdata;
}

void scenario_wait_height(struct scenario *s, uint64_t height, uint64_t timeout_us) {
        json_decref(scenario_wait_status(s, is_at_height, &height, timeout_us));
}

const char *scenario_text(const json_t *object, const char *path) {
        const json_t *value = member(object, path);
        if (!json_is_string(value))
                fail_with(object, path);
        return json_string_value(value);
}

int64_t scenario_number(const json_t *object, const char *path) {
        const json_t *value = member(object, path);
        if (!json_is_number(value))
                fail_with(object, path);
        return (int64_t)json_number_value(value);
}

/* A slow machine is asked more slowly: where more is asked than it can answer, a longer deadline helps nobody. */
void scenario_start_load(struct scenario *s, unsigned rate, unsigned keepalive) {
        char program[4096], target[64], rate_text[16], keepalive_text[16], interval[16], timeout[16];
        unsigned slowness = process_slowness();
        (void)snprintf(program, sizeof(program), "%s/load", s->nodes);
        (void)snprintf(target, sizeof(target), "127.0.0.1:%d", SCENARIO_PORT);
        if (s->target)
                text_copy(target, sizeof(target), s->target);
        (void)snprintf(rate_text, sizeof(rate_text), "%u", (rate + slowness - 1) / slowness);
        (void)snprintf(keepalive_text, sizeof(keepalive_text), "%u", keepalive);
        (void)snprintf(interval, sizeof(interval), "%u", 100 * slowness);
        (void)snprintf(timeout, sizeof(timeout), "%u", 15000 * slowness);
        const char *arguments[] = {program, "--target", target, "--rate", rate_text, "--keepalive",
                        keepalive_text, "--interval-ms", interval, "--timeout-ms", timeout, "--json",
                        s->get ? "--get" : NULL, s->get, NULL};
        s->load_output_fd = memfd_create("load", MFD_CLOEXEC);
        struct process_start start = {.arguments = arguments,
                        .output_fd = s->load_output_fd,
                        .error_fd = -1,
                        .cgroup_fd = -1};
        assert_true(s->load_output_fd >= 0);
        assert_int_equal(process_start(&start, &s->load), 0);
}

static int64_t count_accepted(const struct scenario *s, const json_t *load) {
        int64_t n = 0;
        size_t i;
        json_t *reset;
        json_array_foreach(json_object_get(load, "reset"), i, reset) {
                n += s->accepted && accepted_and_closed(s->accepted, scenario_text(reset, "address"),
                                                    (uint16_t)scenario_number(reset, "port"),
                                                    (uint64_t)scenario_number(reset, "began_us"),
                                                    (uint64_t)scenario_number(reset, "ended_us"));
        }
        return n;
}

json_t *scenario_stop_load(struct scenario *s) {
        int status = -1;
        assert_int_equal(kill(s->load.pid, SIGTERM), 0);
        assert_int_equal(process_wait(&s->load, 30 * USEC_PER_SEC, &status),
                        0); /* it waits for answers, half that long */
        assert_int_equal(status, 0);
        _cleanup_free_ char *text = read_whole_fd(s->load_output_fd);
        s->load_output_fd = close_fd(s->load_output_fd);
        json_t *load = text ? json_loads(text, 0, NULL) : NULL;
        assert_non_null(load);
        assert_int_equal(json_object_set_new(load, "reset_accepted", json_integer(count_accepted(s, load))),
                        0);
        return load;
}

void scenario_assert_unharmed(const json_t *load) {
        static const char *const harms[] = {"refused", "reset_new", "broken_answers", "timed_out",
                        "http_status_bad", "local_errors"};
        int64_t accepted = scenario_number(load, "reset_accepted");
        for (size_t i = 0; i < ELEMENTS(harms); i++) {
                bool is_reset = strcmp(harms[i], "reset_new") == 0;
                if (scenario_number(load, harms[i]) != (is_reset ? accepted : 0))
                        fail_with(load, "clients were harmed");
        }
        assert_true(scenario_number(load, "ok") > 0);
        if (accepted > 0)
                (void)fprintf(stderr,
                                "%" PRId64 " new connections were reset by the node that had accepted them "
                                "already; they do not count.\n",
                                accepted);
}

void scenario_end_load_unharmed(struct scenario *s) {
        json_t *load = scenario_stop_load(s);
        scenario_assert_unharmed(load);
        json_decref(load);
}

void scenario_assert_release(struct scenario *s, const char *version) {
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_string_equal(scenario_text(status, "release"), version);
        json_decref(status);
}

static void assert_ledger(int r, struct ledger *ledger, char *why) {
        if (r < 0)
                fail_msg("the ledger is wrong: %s", why ? why : strerror(-r));
        free(why);
        ledger_done(ledger);
}

void scenario_assert_order(struct scenario *s, const char *const *versions) {
        struct ledger ledger = {0};
        char *why = NULL;
        int r = ledger_read(s->ledger, &ledger);
        if (r == 0)
                r = ledger_check_order(&ledger, versions, &why);
        assert_ledger(r, &ledger, why);
}

void scenario_assert_ranges(struct scenario *s, const struct ledger_range *ranges, size_t n) {
        struct ledger ledger = {0};
        char *why = NULL;
        int r = ledger_read(s->ledger, &ledger);
        if (r == 0)
                r = ledger_check(&ledger, ranges, n, &why);
        assert_ledger(r, &ledger, why);
}

static bool is_role(const char *pid, int parent, const char *role) {
        char path[64], text[512] = "";
        int of = 0;
        (void)snprintf(path, sizeof(path), "/proc/%.16s/cmdline", pid);
        _cleanup_close_ int command = open(path, O_RDONLY | O_CLOEXEC);
        if (command < 0 || read(command, text, sizeof(text) - 1) <= 0 || strcmp(text, role) != 0)
                return false;
        (void)snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
        _cleanup_close_ int status = open(path, O_RDONLY | O_CLOEXEC);
        if (status < 0 || read(status, text, sizeof(text) - 1) <= 0)
                return false;
        const char *end = strrchr(text, ')');
        return end && sscanf(end + 1, " %*c %d", &of) == 1 && of == parent;
}

int scenario_role(struct scenario *s, const char *role) {
        DIR *directory = opendir("/proc");
        int found = 0;
        assert_non_null(directory);
        for (const struct dirent *entry; !found && (entry = readdir(directory));)
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
                                is_role(entry->d_name, s->supervisor.pid, role))
                        found = atoi(entry->d_name);
        (void)closedir(directory);
        return found;
}

static unsigned count_pipes(int pid) {
        char path[64], target[64] = "";
        unsigned n = 0;
        (void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        DIR *directory = opendir(path);
        assert_non_null(directory);
        for (const struct dirent *entry; (entry = readdir(directory));)
                n += readlinkat(dirfd(directory), entry->d_name, target, sizeof(target)) > 0 &&
                     strncmp(target, "pipe:", strlen("pipe:")) == 0;
        (void)closedir(directory);
        return n;
}

void scenario_wait_jobs(struct scenario *s, uint64_t timeout_us) {
        uint64_t deadline = now_monotonic() + process_patience(timeout_us);
        int director = scenario_role(s, "interrex-director");
        while (count_pipes(director) > 1)
                if (process_ends_within(&s->supervisor, LOOK_AGAIN_US) || now_monotonic() > deadline)
                        fail_msg("what the director has begun does not come to an end");
}

void scenario_kill(int pid) {
        assert_true(pid > 1);
        struct process process = {pid, (int)syscall(SYS_pidfd_open, pid, 0)};
        assert_true(process.pidfd >= 0);
        assert_int_equal(syscall(SYS_pidfd_send_signal, process.pidfd, SIGKILL, NULL, 0), 0);
        assert_true(process_ends_within(&process, process_patience(10 * USEC_PER_SEC)));
        close_fd(process.pidfd);
}

void scenario_kill_somebody(struct scenario *s, unsigned *seed) {
        static const char *const roles[] = {"interrex-director", "interrex-prober"};
        unsigned whom = (unsigned)rand_r(seed) % 4;
        json_t *status = whom == 3 ? scenario_status(s) : NULL;
        int pid = whom < 2 ? scenario_role(s, roles[whom]) : 0;
        if (whom == 2) {
                process_kill(&s->supervisor);
                scenario_start_supervisor(s);
        } else if (status && json_is_integer(json_object_get(status, "pid")))
                pid = (int)scenario_number(status, "pid");
        if (pid > 1)
                (void)kill(pid, SIGKILL);
        json_decref(status);
}

int scenario_wait_role(struct scenario *s, const char *role, int before, uint64_t timeout_us) {
        uint64_t deadline = now_monotonic() + process_patience(timeout_us);
        for (;;) {
                int pid = scenario_role(s, role);
                if (pid > 0 && pid != before)
                        return pid;
                if (process_ends_within(&s->supervisor, LOOK_AGAIN_US) || now_monotonic() > deadline)
                        fail_msg("no new %s was started", role);
        }
}

void scenario_wait_port(struct scenario *s, uint16_t port, uint64_t timeout_us) {
        uint64_t deadline = now_monotonic() + process_patience(timeout_us);
        while (network_try_connect(port, USEC_PER_SEC) < 0)
                if (process_ends_within(&s->supervisor, LOOK_AGAIN_US) || now_monotonic() > deadline)
                        fail_msg("nothing accepts on port %u", port);
}

static struct process_result run_command(struct scenario *s, const char *first, va_list more) {
        const char *arguments[CLI_ARGUMENTS_MAX + 2] = {s->interrex, first};
        const char *environment[] = {
                        "INTERREX_STATE_DIR", s->state_dir, "INTERREX_RUN_DIR", s->run_dir, NULL};
        struct process_result result = {0};
        for (size_t n = 2; n < CLI_ARGUMENTS_MAX && (arguments[n] = va_arg(more, const char *)); n++)
                continue;
        struct process_start start = {.arguments = arguments, .environment = environment, .cgroup_fd = -1};
        int r = process_run(&start, SCENARIO_CLI_TIMEOUT_US, &result);
        if (r < 0)
                fail_msg("`interrex %s` did not end: %s", first, strerror(-r));
        return result;
}

static const json_t *member(const json_t *object, const char *path) {
        for (const char *dot = path; object && dot; path = dot + 1) {
                char name[64];
                dot = strchr(path, '.');
                text_copy(name, sizeof(name), path);
                name[strcspn(name, ".")] = '\0';
                object = json_object_get(object, name);
                if (!dot)
                        break;
        }
        return object;
}

static void fail_with(const json_t *object, const char *what) {
        char *text = json_dumps(object, JSON_INDENT(2));
        (void)fprintf(stderr, "%s\n", text ? text : "nothing"); /* cmocka cuts its messages at 1 KiB */
        fail_msg("%s: see the object above", what);
}
