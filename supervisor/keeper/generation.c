#include "generation.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "fence.h"
#include "spawn.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#define END_TIMEOUT_US (10 * USEC_PER_SEC)

static void cgroup_name(uint32_t kind, uint64_t number, char *name, size_t size) {
        static const char *const kinds[] = {[SPAWN_HELPER] = "helper",
                        [SPAWN_ARCHIVIST] = "archivist",
                        [SPAWN_FETCHER] = "fetcher",
                        [SPAWN_READER] = "reader"};
        if (kind == SPAWN_GENERATION) {
                (void) snprintf(name, size, KEEPER_GENERATION_CGROUP, number);
                return;
        }
        INVARIANT(kind < ELEMENTS(kinds) && kinds[kind]);
        (void) snprintf(name, size, "%s-%lu", kinds[kind], number);
}

struct generation *generation_find(struct keeper *keeper, uint32_t kind, uint64_t number) {
        for (size_t i = 0; i < GENERATIONS_MAX; i++) {
                struct generation *generation = &keeper->generations[i];
                if (generation->used && generation->known.kind == kind && generation->known.generation == number)
                        return generation;
        }
        return NULL;
}

static struct generation *take_free_record(struct keeper *keeper) {
        for (size_t i = 0; i < GENERATIONS_MAX; i++)
                if (!keeper->generations[i].used) {
                        keeper->generations[i] = (struct generation){.used = true,
                                        .pidfd = -1,
                                        .cgroup_fd = -1,
                                        .events_fd = -1,
                                        .status_fd = -1,
                                        .listener_fd = -1,
                                        .keeper = keeper};
                        return &keeper->generations[i];
                }
        return NULL;
}

static void release_record(struct generation *generation) {
        generation->events_source = sd_event_source_disable_unref(generation->events_source);
        generation->status_source = sd_event_source_disable_unref(generation->status_source);
        generation->listener_source = sd_event_source_disable_unref(generation->listener_source);
        generation->pidfd = close_fd(generation->pidfd);
        generation->cgroup_fd = close_fd(generation->cgroup_fd);
        generation->events_fd = close_fd(generation->events_fd);
        generation->status_fd = close_fd(generation->status_fd);
        generation->listener_fd = close_fd(generation->listener_fd);
        generation->used = false;
}

static void tell_started(struct generation *generation, int error, const char *step) {
        struct keeper_started started = {.generation = generation->known.generation,
                        .kind = generation->known.kind,
                        .error = error};
        text_copy(started.step, sizeof(started.step), step);
        generation->known.is_started = 1;
        generation->known.exec_error = error;
        (void) wire_send(generation->keeper->director_link, KEEPER_STARTED, &started, sizeof(started), NULL, 0);
}

/* The listener of the fence arrives as the one descriptor of a report. */
static int receive_report(int fd, struct spawn_report *ret_report, int *ret_listener) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        struct iovec part = {ret_report, sizeof(*ret_report)};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        if (n > 0 && c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(ret_listener, CMSG_DATA(c), sizeof(int));
        return n == (ssize_t) sizeof(*ret_report) ? 1 : 0;
}

static void tell_waiting(struct generation *generation) {
        bool is_helper = generation->known.kind == SPAWN_HELPER;
        struct keeper_fenced fenced = {.generation = generation->known.generation,
                        .call = is_helper ? KEEPER_FENCED_HELPER : KEEPER_FENCED_AT_EXEC};
        generation->executes_on_pass = true;
        (void) wire_send(generation->keeper->director_link, KEEPER_FENCED, &fenced, sizeof(fenced), NULL, 0);
}

static int on_status(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct generation *generation = userdata;
        struct spawn_report report;
        int listener = -1;
        (void) source;
        (void) revents;
        int r = receive_report(fd, &report, &listener);
        if (r == -EAGAIN)
                return 0;
        if (r == 1 && report.kind == SPAWN_LISTENING && listener >= 0) {
                r = fence_serve(generation, listener);
                if (r < 0)
                        log_errno(r, "cannot serve the fence of generation %lu", generation->known.generation);
                return 0;
        }
        close_fd(listener);
        if (r == 1 && report.kind == SPAWN_WAITING) {
                tell_waiting(generation);
                return 0;
        }
        if (r == 1) {
                report.step[sizeof(report.step) - 1] = '\0';
                tell_started(generation, report.error, report.step);
        } else if (!generation->known.is_started)
                tell_started(generation, 0, "");
        generation->status_source = sd_event_source_disable_unref(generation->status_source);
        generation->status_fd = close_fd(generation->status_fd);
        return 0;
}

static void tell_if_empty(struct generation *generation) {
        if (generation->known.is_empty || cgroup_is_populated(generation->events_fd) != 0)
                return;
        struct keeper_forget empty = {.generation = generation->known.generation, .kind = generation->known.kind};
        generation->known.is_empty = 1;
        (void) wire_send(generation->keeper->director_link, KEEPER_EMPTY, &empty, sizeof(empty), NULL, 0);
}

static int on_cgroup_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        tell_if_empty(userdata);
        return 0;
}

static int watch(struct generation *generation) {
        sd_event *event = generation->keeper->event;
        generation->events_fd = openat(generation->cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (generation->events_fd < 0)
                return -errno;
        int r = sd_event_add_io(event, &generation->events_source, generation->events_fd, EPOLLPRI, on_cgroup_events, generation);
        if (r < 0)
                return r;
        return sd_event_add_io(event, &generation->status_source, generation->status_fd, EPOLLIN, on_status, generation);
}

static int spawn_into_record(struct generation *generation, const struct spawn_plan *plan) {
        struct keeper *keeper = generation->keeper;
        char name[64];
        cgroup_name(generation->known.kind, generation->known.generation, name, sizeof(name));
        int r = cgroup_make(keeper->cgroup_fd, name, &generation->cgroup_fd);
        if (r < 0)
                return r;
        r = spawn_child(keeper, plan, generation->cgroup_fd, &generation->known.pid, &generation->pidfd, &generation->status_fd);
        if (r < 0)
                return r;
        generation->known.is_running = 1;
        r = watch(generation);
        if (r < 0)
                (void) cgroup_kill_and_wait(generation->cgroup_fd, END_TIMEOUT_US);
        return r;
}

int generation_tell_one(struct generation *generation) {
        int fds[2] = {generation->pidfd, generation->cgroup_fd};
        return wire_send(generation->keeper->director_link, KEEPER_GENERATION, &generation->known, sizeof(generation->known), fds,
                        2);
}

int generation_spawn(struct keeper *keeper, const struct keeper_spawn *request, const int *fds, size_t n_fds) {
        struct spawn_plan plan = {0};
        if (keeper->cgroup_fd < 0 || keeper->is_ending)
                return -EBUSY;
        if (generation_find(keeper, request->kind, request->generation))
                return -EEXIST;
        int r = spawn_plan_make(request, fds, n_fds, &plan);
        if (r < 0)
                return r;
        struct generation *generation = take_free_record(keeper);
        if (!generation) {
                spawn_plan_done(&plan);
                return -ENOSPC;
        }
        generation->known.kind = request->kind;
        generation->known.generation = request->generation;
        generation->known.is_past_fence = request->fence == SPAWN_NO_FENCE;
        r = spawn_into_record(generation, &plan);
        spawn_plan_done(&plan);
        if (r < 0) {
                release_record(generation);
                return r;
        }
        (void) generation_tell_one(generation);
        return generation->known.pid;
}

int generation_control(struct keeper *keeper, const struct keeper_cgroup *request) {
        struct generation *generation = generation_find(keeper, request->kind, request->generation);
        if (!generation)
                return -ESRCH;
        switch (request->verb) {
        case CGROUP_KILL:
                return cgroup_write(generation->cgroup_fd, "cgroup.kill", "1");
        case CGROUP_FREEZE:
        case CGROUP_THAW:
                generation->known.is_frozen = request->verb == CGROUP_FREEZE;
                return cgroup_write(generation->cgroup_fd, "cgroup.freeze", generation->known.is_frozen ? "1" : "0");
        default:
                return -EBADMSG;
        }
}

int generation_forget(struct keeper *keeper, uint32_t kind, uint64_t number) {
        struct generation *generation = generation_find(keeper, kind, number);
        char name[64];
        if (!generation)
                return 0;
        if (cgroup_is_populated(generation->events_fd) != 0)
                return -EBUSY;
        cgroup_name(kind, number, name, sizeof(name));
        release_record(generation);
        return cgroup_remove(keeper->cgroup_fd, name);
}

int generation_reaped(struct keeper *keeper, const siginfo_t *how) {
        for (size_t i = 0; i < GENERATIONS_MAX; i++) {
                struct generation *generation = &keeper->generations[i];
                if (!generation->used || !generation->known.is_running || generation->known.pid != how->si_pid)
                        continue;
                generation->known.is_running = 0;
                generation->known.exit_code = how->si_code;
                generation->known.exit_status = how->si_status;
                /* What the child said before it ended must be told first. */
                if (generation->status_source)
                        (void) on_status(NULL, generation->status_fd, 0, generation);
                struct keeper_exited exited = {.generation = generation->known.generation,
                                .kind = generation->known.kind,
                                .code = how->si_code,
                                .status = how->si_status};
                (void) wire_send(keeper->director_link, KEEPER_EXITED, &exited, sizeof(exited), NULL, 0);
                tell_if_empty(generation);
                return 1;
        }
        return 0;
}

int generation_tell(struct keeper *keeper) {
        for (size_t i = 0; i < GENERATIONS_MAX; i++) {
                struct generation *generation = &keeper->generations[i];
                if (!generation->used)
                        continue;
                int r = generation_tell_one(generation);
                if (r < 0)
                        return r;
                if (generation->executes_on_pass)
                        tell_waiting(generation);
                r = fence_tell(generation);
                if (r < 0)
                        return r;
        }
        return 0;
}

void generation_end_all(struct keeper *keeper) {
        for (size_t i = 0; i < GENERATIONS_MAX; i++) {
                struct generation *generation = &keeper->generations[i];
                if (!generation->used)
                        continue;
                (void) cgroup_write(generation->cgroup_fd, "cgroup.freeze", "0");
                if (cgroup_kill_and_wait(generation->cgroup_fd, END_TIMEOUT_US) < 0)
                        log_error("generation %lu does not end although it was killed: a process in it waits in the "
                                  "kernel, look at /proc/PID/stack",
                                        generation->known.generation);
                (void) generation_forget(keeper, generation->known.kind, generation->known.generation);
        }
}
