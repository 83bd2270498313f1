#include "jobs.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "aiming.h"
#include "archive_jobs.h"
#include "events.h"
#include "keeper_link.h"
#include "probing.h"
#include "reading_jobs.h"
#include "spawn_request.h"
#include "steering.h"
#include "unit.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>

#define JOB_FDS_MAX 3

static void job_done(struct job *job) {
        struct keeper_forget forget = {.generation = job->number, .kind = job->spawn_kind};
        keeper_tell(job->director, KEEPER_FORGET, &forget, sizeof(forget), NULL, 0);
        job->output_source = sd_event_source_disable_unref(job->output_source);
        job->deadline = sd_event_source_disable_unref(job->deadline);
        job->output_fd = close_fd(job->output_fd);
        job->command_fd = close_fd(job->command_fd);
        job->document_fd = close_fd(job->document_fd);
        job->signature_fd = close_fd(job->signature_fd);
        job->result_fd = close_fd(job->result_fd);
        job->asked_by = sd_bus_message_unref(job->asked_by);
        if (job->aimed_port)
                steering_unaim(job->director, job->aimed_port);
        if (job->spawn_kind == SPAWN_HELPER && job->for_generation != 0)
                aiming_end(job->director, job->number);
        job->aim_fd = close_fd(job->aim_fd);
        job->kind = JOB_NONE;
}

static struct job *job_find(struct director *director, uint64_t number) {
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (director->jobs[i].kind != JOB_NONE && director->jobs[i].number == number)
                        return &director->jobs[i];
        return NULL;
}

/* A command that writes more than fits is not stopped by a full pipe: the rest is read and dropped. */
static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct job *job = userdata;
        char rest[1024];
        (void) revents;
        size_t room = sizeof(job->output) - 1 - job->output_size;
        ssize_t n = read(fd, room > 0 ? job->output + job->output_size : rest, room > 0 ? room : sizeof(rest));
        if (n <= 0) {
                if (n == 0 || errno != EAGAIN)
                        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
                return 0;
        }
        if (room > 0)
                job->output_size += (size_t) n;
        return 0;
}

static int on_job_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct job *job = userdata;
        struct keeper_cgroup kill = {.serial = keeper_serial(job->director),
                        .generation = job->number,
                        .kind = job->spawn_kind,
                        .verb = CGROUP_KILL};
        (void) source;
        (void) usec;
        job->was_killed = true;
        (void) keeper_ask(job->director, KEEPER_CGROUP, &kill, sizeof(kill), NULL, 0, kill.serial, NULL);
        return 0;
}

static struct job *job_new(struct director *director, enum job_kind kind, enum keeper_spawn_kind spawn_kind) {
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (director->jobs[i].kind == JOB_NONE) {
                        director->jobs[i] = (struct job){.kind = kind,
                                        .number = ++director->last_job,
                                        .spawn_kind = spawn_kind,
                                        .command_fd = -1,
                                        .document_fd = -1,
                                        .signature_fd = -1,
                                        .result_fd = -1,
                                        .output_fd = -1,
                                        .aim_fd = -1,
                                        .director = director};
                        return &director->jobs[i];
                }
        return NULL;
}

static int job_start(struct job *job, struct keeper_spawn *request, int command_fd, const int *more_fds, size_t n_more) {
        struct director *director = job->director;
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        _cleanup_close_ int write_end = ends[1];
        job->output_fd = ends[0];
        (void) fcntl(job->output_fd, F_SETFL, O_NONBLOCK);
        int r = sd_event_add_io(director->event, &job->output_source, job->output_fd, EPOLLIN, on_output, job);
        if (r < 0)
                return r;
        int fds[2 + JOB_FDS_MAX] = {command_fd, write_end};
        INVARIANT(n_more <= JOB_FDS_MAX);
        for (size_t i = 0; i < n_more; i++)
                fds[2 + i] = more_fds[i];
        request->n_listen = (uint32_t) n_more;
        request->serial = keeper_serial(director);
        return keeper_ask(director, KEEPER_SPAWN, request, sizeof(*request), fds, 2 + n_more, request->serial, NULL);
}

struct job *jobs_start_archivist(struct director *director, enum job_kind kind, char *const *arguments, int extra_fd) {
        _cleanup_free_ struct keeper_spawn *request = calloc(1, sizeof(*request));
        struct job *job = request ? job_new(director, kind, SPAWN_ARCHIVIST) : NULL;
        if (!job)
                return NULL;
        int r = spawn_request_for_role(SPAWN_ARCHIVIST, job->number, arguments, request);
        if (r >= 0)
                r = job_start(job, request, director->self_fd, &extra_fd, extra_fd >= 0 ? 1 : 0);
        if (r >= 0)
                return job;
        log_errno(r, "cannot start the archivist to %s", arguments[1]);
        job_done(job);
        return NULL;
}

struct job *jobs_start_reading(struct director *director, enum job_kind kind, char *const *arguments, const int *fds, size_t n_fds,
                uint64_t timeout_us) {
        _cleanup_free_ struct keeper_spawn *request = calloc(1, sizeof(*request));
        enum keeper_spawn_kind spawn_kind = kind == JOB_FETCH ? SPAWN_FETCHER : SPAWN_READER;
        struct job *job = request ? job_new(director, kind, spawn_kind) : NULL;
        if (!job)
                return NULL;
        int r = spawn_request_for_role(spawn_kind, job->number, arguments, request);
        if (r >= 0)
                r = job_start(job, request, director->self_fd, fds, n_fds);
        if (r >= 0)
                r = sd_event_add_time_relative(director->event, &job->deadline, CLOCK_MONOTONIC, timeout_us, 0, on_job_deadline,
                                job);
        if (r >= 0)
                return job;
        log_errno(r, "cannot start %s", arguments[0]);
        job_done(job);
        return NULL;
}

void jobs_forget_caller(struct director *director, const sd_bus *bus) {
        for (size_t i = 0; i < JOBS_MAX; i++) {
                struct job *job = &director->jobs[i];
                if (job->kind != JOB_NONE && job->asked_by && sd_bus_message_get_bus(job->asked_by) == bus) {
                        job->asked_by = sd_bus_message_unref(job->asked_by);
                        job->kind = JOB_DROPPED;
                }
        }
}

/* The operator's command as execvp would find it, in the standard folders only. */
static int open_command(const char *name, char *path, size_t size) {
        static const char *const folders[] = {"", "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/",
                        "/bin/"};
        for (size_t i = *name == '/' ? 0 : 1; i < (*name == '/' ? 1 : ELEMENTS(folders)); i++) {
                (void) snprintf(path, size, "%s%s", folders[i], name);
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd >= 0)
                        return fd;
        }
        return -ENOENT;
}

/* A source port that is steered to the generation, for a command that wants to ask just this one. Chosen by the kernel, so
 * that nobody uses it just now. */
static uint16_t aim_port(struct director *director, uint64_t generation) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t length = sizeof(address);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
                        getsockname(fd, (struct sockaddr *) &address, &length) < 0 ||
                        steering_aim(director, ntohs(address.sin_port), generation) < 0)
                return 0;
        return ntohs(address.sin_port);
}

int jobs_run_command(struct director *director, enum job_kind kind, char *const *command, uint64_t generation, size_t probe,
                uint64_t timeout_us) {
        _cleanup_free_ struct keeper_spawn *request = calloc(1, sizeof(*request));
        char number[64], port[64], path[600];
        char *environment[] = {number, port, NULL};
        _cleanup_close_ int fd = open_command(command[0], path, sizeof(path));
        if (!request)
                return -ENOMEM;
        if (fd < 0)
                return fd;
        struct job *job = job_new(director, kind, SPAWN_HELPER);
        if (!job)
                return -EBUSY;
        (void) snprintf(number, sizeof(number), "INTERREX_GENERATION=%lu", generation);
        job->for_generation = generation;
        job->probe = probe;
        job->aimed_port = generation ? aim_port(director, generation) : 0;
        (void) snprintf(port, sizeof(port), "INTERREX_PROBE_PORT=%u", job->aimed_port);
        int r = spawn_request_for_helper(director, job->number, path, command, environment, request);
        if (r >= 0)
                r = job_start(job, request, fd, NULL, 0);
        if (r >= 0)
                r = sd_event_add_time_relative(director->event, &job->deadline, CLOCK_MONOTONIC, timeout_us, 0, on_job_deadline,
                                job);
        if (r < 0)
                job_done(job);
        return r;
}

void jobs_spawned(struct director *director, const struct keeper_generation *known, int cgroup_fd) {
        struct job *job = job_find(director, known->generation);
        if (job && job->spawn_kind == SPAWN_HELPER && job->for_generation != 0 && job->aim_fd < 0)
                job->aim_fd = aiming_begin(director, cgroup_fd, job->number, job->for_generation);
}

void jobs_not_started(struct director *director, const struct keeper_started *started) {
        struct job *job = job_find(director, started->generation);
        if (job)
                (void) snprintf(job->failure, sizeof(job->failure), "%.40s: %.50s", started->step, strerror(-started->error));
}

void jobs_may_begin(struct director *director, uint64_t number) {
        struct keeper_forget pass = {.serial = keeper_serial(director), .generation = number, .kind = SPAWN_HELPER};
        if (job_find(director, number))
                (void) keeper_ask(director, KEEPER_PASS, &pass, sizeof(pass), NULL, 0, pass.serial, NULL);
}

void jobs_exited(struct director *director, const struct keeper_exited *exited) {
        struct job *job = job_find(director, exited->generation);
        if (!job)
                return;
        /* Its process is gone, so all that it wrote lies in the pipe. */
        for (size_t before = SIZE_MAX; before != job->output_size;) {
                before = job->output_size;
                (void) on_output(job->output_source, job->output_fd, 0, job);
        }
        job->output[job->output_size] = '\0';
        if (job->spawn_kind == SPAWN_HELPER)
                probing_command_done(director, job, exited);
        else if (job->spawn_kind == SPAWN_ARCHIVIST)
                archive_job_done(director, job, exited);
        else
                reading_job_done(director, job, exited);
        job_done(job);
}

void jobs_sweep(struct director *director, const struct keeper_generation *known) {
        struct keeper_cgroup kill = {.serial = keeper_serial(director),
                        .generation = known->generation,
                        .kind = known->kind,
                        .verb = CGROUP_KILL};
        struct keeper_forget forget = {.generation = known->generation, .kind = known->kind};
        if (job_find(director, known->generation))
                return;
        keeper_tell(director, KEEPER_CGROUP, &kill, sizeof(kill), NULL, 0);
        keeper_tell(director, KEEPER_FORGET, &forget, sizeof(forget), NULL, 0);
}
