#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define SLOWNESS_MAX 40

static _Noreturn void run_child(const struct process_start *start);

unsigned process_slowness(void) {
        const char *factor = getenv("INTERREX_TEST_PATIENCE");
        unsigned long times = factor ? strtoul(factor, NULL, 10) : 0;
        return times > 1 && times <= SLOWNESS_MAX ? (unsigned)times : 1;
}

uint64_t process_patience(uint64_t timeout_us) {
        return timeout_us * process_slowness();
}

int process_start(const struct process_start *start, struct process *ret_process) {
        int parent = getpid(), pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(127);
                run_child(start);
        }
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
                int error = errno;
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
                return -error;
        }
        *ret_process = (struct process){pid, pidfd};
        return 0;
}

int process_wait(struct process *process, uint64_t timeout_us, int *ret_status) {
        siginfo_t info = {0};
        if (process->pidfd < 0)
                return -ECHILD;
        if (!process_ends_within(process, process_patience(timeout_us)))
                return -ETIMEDOUT;
        if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED) < 0)
                return -errno;
        *ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        process->pidfd = close_fd(process->pidfd);
        process->pid = 0;
        return 0;
}

void process_kill(struct process *process) {
        int status;
        if (process->pidfd < 0)
                return;
        (void)kill(process->pid, SIGKILL);
        (void)process_wait(process, 10 * USEC_PER_SEC, &status);
        process->pidfd = close_fd(process->pidfd);
        process->pid = 0;
}

bool process_ends_within(const struct process *process, uint64_t timeout_us) {
        struct pollfd end = {.fd = process->pidfd, .events = POLLIN};
        uint64_t deadline = now_monotonic() + timeout_us;
        for (;;) {
                uint64_t now = now_monotonic(), left = now < deadline ? deadline - now : 0;
                struct timespec wait = {.tv_sec = (time_t)(left / USEC_PER_SEC),
                                .tv_nsec = (long)(left % USEC_PER_SEC) * 1000};
                int n = ppoll(&end, 1, &wait, NULL);
                if (n > 0)
                        return true;
                if (n == 0)
                        return false;
        }
}

int process_run(const struct process_start *start, uint64_t timeout_us, struct process_result *ret_result) {
        _cleanup_close_ int output = memfd_create("output", MFD_CLOEXEC),
                            error = memfd_create("error", MFD_CLOEXEC);
        struct process_start captured = *start;
        struct process process = {0, -1};
        struct process_result result = {0};
        if (output < 0 || error < 0)
                return -errno;
        captured.output_fd = output;
        captured.error_fd = error;
        int r = process_start(&captured, &process);
        if (r < 0)
                return r;
        r = process_wait(&process, timeout_us, &result.status);
        process_kill(&process);
        if (r < 0)
                return r;
        result.output = read_whole_fd(output);
        result.error = read_whole_fd(error);
        if (!result.output || !result.error) {
                process_result_done(&result);
                return -ENOMEM;
        }
        *ret_result = result;
        return 0;
}

void process_result_done(struct process_result *result) {
        free(result->output);
        free(result->error);
        *result = (struct process_result){0};
}

char *read_whole_fd(int fd) {
        struct stat status;
        if (fstat(fd, &status) < 0)
                return NULL;
        char *text = calloc(1, (size_t)status.st_size + 1);
        ssize_t n = text ? pread(fd, text, (size_t)status.st_size, 0) : -1;
        if (n < 0) {
                free(text);
                return NULL;
        }
        text[n] = '\0';
        return text;
}

static _Noreturn void run_child(const struct process_start *start) {
        if (start->cgroup_fd >= 0) {
                int fd = openat(start->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
                if (fd < 0 || write(fd, "0", 1) != 1)
                        _exit(126);
        }
        if ((start->output_fd >= 0 && dup2(start->output_fd, STDOUT_FILENO) < 0) ||
                        (start->error_fd >= 0 && dup2(start->error_fd, STDERR_FILENO) < 0))
                _exit(126);
        for (size_t i = 0; start->environment && start->environment[i]; i += 2)
                if (setenv(start->environment[i], start->environment[i + 1], 1) < 0)
                        _exit(126);
        (void)execvp(start->arguments[0], (char *const *)(uintptr_t)start->arguments);
        (void)dprintf(STDERR_FILENO, "cannot execute %s: %s\n", start->arguments[0], strerror(errno));
        _exit(127);
}
