#include "support/cli_stage.h"

#include "lib/control_protocol.h"
#include "lib/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include <cmocka.h>

#define COMMAND_TIMEOUT_US (60 * USEC_PER_SEC)

#define STATUS_TEXT                                                                                     \
        "{\"node\":\"anvil\",\"phase\":\"running\",\"release\":\"1.7.0\",\"generation\":3,\"pid\":812," \
        "\"height\":1234,"                                                                              \
        "\"uptime_s\":5,\"reason\":null}"

const char *stage_executable(void) {
        const char *path = getenv("INTERREX");
        return path ? path : "build/interrex";
}

void stage_make_folder(const char *path) {
        assert_int_equal(mkdir(path, 0755), 0);
}

int stage_make_scratch(void **state) {
        struct scratch *s = calloc(1, sizeof(*s));
        assert_non_null(s);
        strcpy(s->folder, "/tmp/interrex-cli-XXXXXX");
        assert_non_null(mkdtemp(s->folder));
        assert_int_equal(chmod(s->folder, 0755), 0);
        (void)snprintf(s->state, sizeof(s->state), "%s/state", s->folder);
        (void)snprintf(s->run, sizeof(s->run), "%s/run", s->folder);
        (void)snprintf(s->node_state, sizeof(s->node_state), "%s/anvil", s->state);
        (void)snprintf(s->node_run, sizeof(s->node_run), "%s/anvil", s->run);
        stage_make_folder(s->state);
        stage_make_folder(s->run);
        s->lock = s->listener = -1;
        *state = s;
        return 0;
}

void stage_end_director(struct scratch *s) {
        if (s->director <= 0)
                return;
        (void)kill(s->director, SIGKILL);
        (void)waitpid(s->director, NULL, 0);
        s->director = 0;
}

int stage_remove_scratch(void **state) {
        struct scratch *s = *state;
        stage_end_director(s);
        if (s->keeper > 0) {
                (void)kill(s->keeper, SIGKILL);
                (void)waitpid(s->keeper, NULL, 0);
        }
        close_fd(s->lock);
        close_fd(s->listener);
        pid_t pid = fork();
        if (pid == 0) {
                (void)execlp("rm", "rm", "-rf", "--", s->folder, NULL);
                _exit(127);
        }
        (void)waitpid(pid, NULL, 0);
        free(s);
        return 0;
}

static void control_path(const struct scratch *s, char *path, size_t size) {
        (void)snprintf(path, size, "%.90s/control", s->node_run);
}

void stage_bind_control(struct scratch *s) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        control_path(s, address.sun_path, sizeof(address.sun_path));
        close_fd(s->listener);
        s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(s->listener >= 0);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(chmod(address.sun_path, 0660), 0);
        assert_int_equal(listen(s->listener, 8), 0);
}

int stage_take_lock(const struct scratch *s) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/lock", s->node_run);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) < 0 || dprintf(fd, "%d\n", getpid()) < 0))
                return close_fd(fd);
        return fd;
}

/* The keeper's part: folders, the lock, the socket. */
void stage_supervise(struct scratch *s) {
        stage_make_folder(s->node_run);
        stage_make_folder(s->node_state);
        s->lock = stage_take_lock(s);
        assert_true(s->lock >= 0);
        stage_bind_control(s);
}

void stage_let_go_of_lock(struct scratch *s) {
        s->lock = close_fd(s->lock);
}

/* Notes down what was called, for the test to read. */
static void note_call(const struct scratch *s, const char *text) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/calls", s->folder);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0 || dprintf(fd, "%s\n", text) < 0)
                _exit(99);
}

struct stage {
        const struct scratch *scratch;
        const struct script *script;
};

static int answer_swap(sd_bus_message *message, const struct stage *stage) {
        const char *version;
        char text[256];
        const char *member = sd_bus_message_get_member(message);
        uint64_t height;
        int now;
        if (strcmp(member, "Rollback") == 0 || strcmp(member, "Restart") == 0) {
                note_call(stage->scratch, member);
                return sd_bus_reply_method_return(message, "t", UINT64_C(7));
        }
        if (sd_bus_message_read(message, "stb", &version, &height, &now) < 0)
                _exit(98);
        (void)snprintf(text, sizeof(text), "Upgrade %s %ld %d", version, (long)height, now);
        note_call(stage->scratch, text);
        return sd_bus_reply_method_return(message, "t", UINT64_C(7));
}

static int answer_schedule(sd_bus_message *message, const struct stage *stage) {
        char text[256] = "Schedule";
        const char *range, *protocol;
        uint32_t unit, mode;
        uint64_t height, from;
        if (sd_bus_message_enter_container(message, 'a', "(uuttss)") < 0)
                _exit(98);
        while (sd_bus_message_read(message, "(uuttss)", &unit, &mode, &height, &from, &range, &protocol) >
                        0) {
                size_t used = strlen(text);
                (void)snprintf(text + used, sizeof(text) - used, " %lu:%s", (unsigned long)height, range);
        }
        note_call(stage->scratch, text);
        return sd_bus_reply_method_return(message, "");
}

/* The director does not look into the document; this one finds a mistake in those that begin with "wrong". */
static int answer_document(sd_bus_message *message, const struct stage *stage) {
        char text[256] = "ScheduleDocument ", document[64] = "", signature[64] = "";
        int document_fd, signature_fd, is_signed;
        if (sd_bus_message_read(message, "hhb", &document_fd, &signature_fd, &is_signed) < 0 ||
                        pread(document_fd, document, sizeof(document) - 1, 0) < 0 ||
                        (is_signed && pread(signature_fd, signature, sizeof(signature) - 1, 0) < 0))
                _exit(98);
        (void)snprintf(text, sizeof(text), "ScheduleDocument %.*s%s%.*s", (int)strcspn(document, "\n"),
                        document, is_signed ? " signed " : "", (int)strcspn(signature, "\n"), signature);
        note_call(stage->scratch, text);
        if (strncmp(document, "wrong", 5) == 0)
                return sd_bus_reply_method_return(message, "uta(us)", 0, UINT64_MAX, 1, 5, "so it is");
        return sd_bus_reply_method_return(message, "uta(us)", 2, UINT64_MAX, 0);
}

static _Noreturn void die(const struct stage *stage) {
        char path[108];
        note_call(stage->scratch, "died");
        control_path(stage->scratch, path, sizeof(path));
        if (stage->script->unlinks_socket && unlink(path) < 0)
                _exit(93);
        if (stage->script->writes_swap)
                stage_write_swap(stage->scratch, "", "");
        _exit(0);
}

static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const struct stage *stage = userdata;
        const struct script *script = stage->script;
        const char *member = sd_bus_message_get_member(message);
        if (!member || !sd_bus_message_is_method_call(message, CONTROL_INTERFACE, NULL))
                return 0;
        if (script->dies_at && strcmp(script->dies_at, member) == 0)
                die(stage);
        if (script->error)
                return sd_bus_error_set(error, script->error, "that cannot be done now: try later");
        if (strcmp(member, "Status") == 0)
                return sd_bus_reply_method_return(
                                message, "s", script->status ? script->status : STATUS_TEXT);
        if (strcmp(member, "Plan") == 0 && script->plan)
                return sd_bus_reply_method_return(message, "s", script->plan);
        if (strcmp(member, "Wait") == 0 && script->never_ends_wait)
                return 1;
        if (strcmp(member, "Wait") == 0)
                return sd_bus_reply_method_return(message, "ss", script->outcome, script->reason);
        if (strcmp(member, "ScheduleDocument") == 0)
                return answer_document(message, stage);
        if (strncmp(member, "Schedule", 8) == 0)
                return answer_schedule(message, stage);
        if (strcmp(member, "Cancel") == 0 || strcmp(member, "Refresh") == 0 || strcmp(member, "Stop") == 0) {
                note_call(stage->scratch, member);
                if (strcmp(member, "Stop") == 0)
                        return sd_bus_reply_method_return(message, "s", "1.7.0 was killed");
                return sd_bus_reply_method_return(message, "");
        }
        if (strcmp(member, "Upgrade") == 0 || strcmp(member, "Rollback") == 0 ||
                        strcmp(member, "Restart") == 0)
                return answer_swap(message, stage);
        return sd_bus_error_setf(
                        error, SD_BUS_ERROR_UNKNOWN_METHOD, "the director of this test has no %s", member);
}

static void serve(int connection, struct stage *stage) {
        sd_bus *bus = NULL;
        sd_id128_t id = SD_ID128_NULL;
        id.bytes[0] = 1;
        if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, connection, connection) < 0 ||
                        sd_bus_set_server(bus, 1, id) < 0 ||
                        sd_bus_add_filter(bus, NULL, on_call, stage) < 0 || sd_bus_start(bus) < 0)
                _exit(97);
        for (;;) {
                int r = sd_bus_process(bus, NULL);
                if (r < 0 || !sd_bus_is_open(bus))
                        break;
                if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
                        break;
        }
        sd_bus_flush_close_unref(bus);
}

/* One connection after the other, as the command opens them. */
void stage_start_director(struct scratch *s, const struct script *script) {
        s->director = fork();
        assert_true(s->director >= 0);
        if (s->director > 0)
                return;
        struct stage stage = {.scratch = s, .script = script};
        s->lock = close_fd(s->lock);
        for (;;) {
                int connection = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (connection < 0)
                        _exit(96);
                serve(connection, &stage);
        }
}

static void redirect(const char *folder, const char *name, int to) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || dup2(fd, to) < 0)
                _exit(95);
}

/* LINE is split at spaces. */
pid_t stage_start_cli(struct scratch *s, const char *line, uid_t uid) {
        static char text[512];
        char *argv[16] = {(char *)stage_executable()};
        int argc = 1;
        text_copy(text, sizeof(text), line);
        for (char *word = strtok(text, " "); word && argc < 15; word = strtok(NULL, " "))
                argv[argc++] = word;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        redirect(s->folder, "out", STDOUT_FILENO);
        redirect(s->folder, "err", STDERR_FILENO);
        (void)setenv("INTERREX_STATE_DIR", s->state, 1);
        (void)setenv("INTERREX_RUN_DIR", s->run, 1);
        (void)setenv("NO_COLOR", "1", 1);
        if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
                _exit(94);
        (void)execv(argv[0], argv);
        _exit(127);
}

static void read_back(const struct scratch *s, const char *name, char text[OUTPUT_MAX]) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", s->folder, name);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, OUTPUT_MAX - 1);
        assert_true(n >= 0);
        text[n] = '\0';
}

/* A director that gave up is not reaped here: the teardown does that. */
static bool gave_up(pid_t director) {
        siginfo_t end = {0};
        return director > 0 && waitid(P_PID, (id_t)director, &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               end.si_pid == director && (end.si_code != CLD_EXITED || end.si_status != 0);
}

/* While the test holds the listener, a command whose director is gone would wait for the next one for ever. */
static void wait_for_end(struct scratch *s, pid_t pid) {
        _cleanup_close_ int command = pidfd_open(pid, 0),
                            director = s->director > 0 ? pidfd_open(s->director, 0) : -1;
        struct pollfd ends[] = {{.fd = command, .events = POLLIN}, {.fd = director, .events = POLLIN}};
        uint64_t deadline = now_monotonic() + COMMAND_TIMEOUT_US;
        assert_true(command >= 0);
        while (!(ends[0].revents & POLLIN)) {
                bool is_late = now_monotonic() >= deadline;
                if (is_late || gave_up(s->director)) {
                        (void)kill(pid, SIGKILL);
                        (void)waitpid(pid, NULL, 0);
                        fail_msg("the command was ended, because %s",
                                        is_late ? "it came to no end"
                                                : "the director of the test gave up on what it was asked");
                }
                if (ends[1].revents)
                        ends[1].fd = -1; /* it ended as it was told to */
                (void)poll(ends, ELEMENTS(ends), COMMAND_TIMEOUT_US / USEC_PER_MSEC);
        }
}

int stage_finish_cli(struct scratch *s, pid_t pid) {
        int status = 0;
        wait_for_end(s, pid);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        read_back(s, "out", s->out);
        read_back(s, "err", s->err);
        if (!WIFEXITED(status))
                fail_msg("the command was killed by signal %d: %s", WTERMSIG(status), s->err);
        return WEXITSTATUS(status);
}

int stage_run_cli(struct scratch *s, const char *line) {
        return stage_finish_cli(s, stage_start_cli(s, line, 0));
}

void stage_assert_says(const char *text, const char *sentence) {
        if (!strstr(text, sentence))
                fail_msg("\"%s\" does not say \"%s\"", text, sentence);
}

void stage_assert_calls(const struct scratch *s, const char *expected) {
        char calls[OUTPUT_MAX];
        read_back(s, "calls", calls);
        assert_string_equal(calls, expected);
}

void stage_write_swap(const struct scratch *s, const char *outcome, const char *reason) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        char path[128];
        struct journal_swap swap = {.kind = "upgrade",
                        .from = "1.7.0",
                        .to = "1.7.1",
                        .at_height = 1300,
                        .mode = "exclusive",
                        .started_at = 1,
                        .ended_at = *outcome ? 2 : 0};
        struct journal_step step = {.at = 1, .phase = "preparing", .event = "upgrade"};
        text_copy(swap.outcome, sizeof(swap.outcome), outcome);
        text_copy(swap.reason, sizeof(swap.reason), reason);
        (void)snprintf(path, sizeof(path), "%s/journal.db", s->node_state);
        assert_int_equal(journal_open(path, true, &journal), 0);
        for (uint64_t id = 0; id < 7;)
                assert_int_equal(journal_swap_begin(journal, &swap, &id), 0);
        step.swap = 7;
        assert_int_equal(journal_step_add(journal, &step), 0);
}
