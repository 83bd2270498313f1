#include "hook.h"

#include "../lib/release_files.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LINE_MAX_KEPT 300

/* What the hook says, line by line. */
struct last_line {
        char whole[LINE_MAX_KEPT]; /* the last one that was not empty */
        char under_way[LINE_MAX_KEPT];
        size_t length;
};

static _Noreturn void become_hook(char *const *arguments, int output);
static int wait_for(pid_t pid, int output, struct last_line *line, int *ret_status);
static bool read_output(int output, struct last_line *line);
static void end_line(struct last_line *line);
static int judge(const char *command, const char *verb, int status, const struct last_line *line,
                char **ret_error);

int hook_run(char *const *hook, const char *verb, const char *name, const char *directory,
                char **ret_error) {
        const char *const added[] = {verb, name, directory};
        _cleanup_strv_ char **arguments = NULL;
        struct last_line line = {0};
        int ends[2] = {-1, -1}, status = 0;
        int r = strv_copy(hook, &arguments);
        for (size_t i = 0; r == 0 && i < ELEMENTS(added); i++)
                r = strv_push(&arguments, added[i]);
        if (r == 0 && strv_length(hook) == 0)
                r = -EINVAL;
        if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
                r = -errno;
        if (r < 0)
                return fail_with(ret_error, r, "the snapshot hook cannot be prepared: %s", strerror(-r));
        _cleanup_close_ int ours = ends[0], theirs = ends[1];
        pid_t pid = fork();
        if (pid < 0)
                return fail_with(ret_error, -errno, "no process can be made for %s: %s", hook[0],
                                strerror(errno));
        if (pid == 0)
                become_hook(arguments, theirs);
        theirs = close_fd(theirs);
        (void)fcntl(ours, F_SETFL, O_NONBLOCK);
        r = wait_for(pid, ours, &line, &status);
        if (r < 0)
                return fail_with(ret_error, r, "the end of %s cannot be awaited: %s", hook[0], strerror(-r));
        return judge(hook[0], verb, status, &line, ret_error);
}

/* stdout of this process carries the answer to the director: the hook must not write into it. */
static _Noreturn void become_hook(char *const *arguments, int output) {
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
                _exit(127);
        (void)close_range(STDERR_FILENO + 1, ~0U, 0);
        (void)execvp(arguments[0], arguments);
        (void)dprintf(STDERR_FILENO, "%s cannot be executed: %s\n", arguments[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
}

/* A process that the hook leaves behind may hold the pipe open: the hook's own end counts. */
static int wait_for(pid_t pid, int output, struct last_line *line, int *ret_status) {
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        struct pollfd polled[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};
        for (;;) {
                if (poll(polled, ELEMENTS(polled), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (polled[1].revents && !read_output(output, line))
                        polled[1].fd = -1;
                if (!polled[0].revents)
                        continue;
                while (polled[1].fd >= 0 && read_output(output, line))
                        ;
                end_line(line);
                return waitpid(pid, ret_status, 0) < 0 ? -errno : 0;
        }
}

/* False when nothing is left for now. */
static bool read_output(int output, struct last_line *line) {
        char buffer[1024];
        ssize_t n = read(output, buffer, sizeof(buffer));
        if (n <= 0)
                return n < 0 && errno == EINTR;
        /* Nobody need be listening; the last line is kept all the same. */
        ssize_t passed_on = write(STDERR_FILENO, buffer, (size_t)n);
        (void)passed_on;
        for (ssize_t i = 0; i < n; i++) {
                if (buffer[i] == '\n')
                        end_line(line);
                else if (line->length < sizeof(line->under_way) - 1)
                        line->under_way[line->length++] = buffer[i];
        }
        return true;
}

static void end_line(struct last_line *line) {
        line->under_way[line->length] = '\0';
        if (line->length > 0)
                text_copy(line->whole, sizeof(line->whole), line->under_way);
        line->length = 0;
}

static int judge(const char *command, const char *verb, int status, const struct last_line *line,
                char **ret_error) {
        const char *said = line->whole[0] ? line->whole : "it said nothing";
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFSIGNALED(status))
                return fail_with(ret_error, -EREMOTEIO,
                                "the snapshot hook `%s %s` was killed by signal %d (%s): %s", command, verb,
                                WTERMSIG(status), strsignal(WTERMSIG(status)), said);
        return fail_with(ret_error, -EREMOTEIO, "the snapshot hook `%s %s` ended with status %d: %s",
                        command, verb, WEXITSTATUS(status), said);
}
