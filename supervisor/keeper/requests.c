#include "requests.h"

#include "../lib/log.h"
#include "../lib/memory.h"
#include "fence.h"
#include "generation.h"
#include "liveness.h"
#include "park.h"
#include "pin.h"
#include "roles.h"
#include "setup.h"
#include "store.h"
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>

static void answer(struct keeper *keeper, uint64_t serial, int result, int fd) {
        struct keeper_done done = {.serial = serial, .error = result < 0 ? result : 0, .value = result < 0 ? 0 : result};
        (void) wire_send(keeper->director_link, KEEPER_DONE, &done, sizeof(done), &fd, fd >= 0 ? 1 : 0);
}

/* uprobes through perf_event_open need CAP_SYS_ADMIN, which the director does not have. */
static int open_uprobe(struct keeper *keeper, const struct keeper_uprobe *request, int file) {
        char path[64];
        if (keeper->uprobe_type == 0)
                return -EOPNOTSUPP;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        struct perf_event_attr attributes = {
                        .type = keeper->uprobe_type,
                        .size = sizeof(attributes),
                        .config = request->reference_counter_offset << 32,
                        .config1 = (uint64_t) (uintptr_t) path,
                        .config2 = request->offset,
        };
        long fd = syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
        return fd < 0 ? -errno : (int) fd;
}

/* For height files that only the node's user may read. Never blocks, never follows a link, regular files only. */
static int open_file(const struct keeper_open *request) {
        struct stat st;
        if (!wire_text_is_valid(request->path, sizeof(request->path)))
                return -EBADMSG;
        _cleanup_close_ int fd = open(request->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

/* Sockets share an address only if they belong to one user, and a socket's user is that of its inode. Sockets only: no
 * file changes hands for the director. */
static int chown_socket(const struct keeper_chown *request, int socket) {
        struct stat st;
        if (fstat(socket, &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        return fchown(socket, request->uid, (gid_t) -1) < 0 ? -errno : 0;
}

static void set_up(struct keeper *keeper, const struct keeper_setup *request) {
        setup_node(keeper, request);
        (void) wire_send(keeper->director_link, KEEPER_DIRECTORIES, &keeper->directories, sizeof(keeper->directories),
                        &keeper->cgroup_fd, keeper->cgroup_fd >= 0 ? 1 : 0);
        setup_start_prober(keeper);
}

static void become_ready(struct keeper *keeper, const struct keeper_status *status) {
        if (!wire_text_is_valid(status->text, sizeof(status->text)))
                return;
        (void) sd_notifyf(0, "%sSTATUS=%s", keeper->is_ready ? "" : "READY=1\n", status->text);
        keeper->is_ready = true;
        memory_rest();
}

static void end(struct keeper *keeper, const struct keeper_status *status) {
        keeper->is_ending = true;
        (void) sd_notify(0, "STOPPING=1");
        (void) sd_event_exit(keeper->event, status->exit_status);
}

static void handle_descriptor_request(struct keeper *keeper, struct wire_message *message) {
        struct keeper_name *name = (struct keeper_name *) message->body;
        bool is_named = message->type == KEEPER_STORE || message->type == KEEPER_DROP;
        if (is_named && !wire_text_is_valid(name->name, sizeof(name->name)))
                return;
        if (message->type == KEEPER_STORE) {
                int r = pin_put(keeper, name->name, message->fds[0]);
                if (r < 0)
                        log_errno(r, "cannot pin %s: it ends with interrex's processes", name->name);
                r = store_put(keeper, name->name, TAKE_FD(message->fds[0]));
                if (r < 0)
                        log_errno(r, "cannot hold the descriptor %s", name->name);
        } else if (message->type == KEEPER_DROP) {
                pin_drop(keeper, name->name);
                store_drop(keeper, name->name);
        } else if (message->type == KEEPER_CHOWN) {
                struct keeper_chown *request = (struct keeper_chown *) message->body;
                answer(keeper, request->serial, chown_socket(request, message->fds[0]), -1);
        } else {
                struct keeper_uprobe *request = (struct keeper_uprobe *) message->body;
                _cleanup_close_ int fd = open_uprobe(keeper, request, message->fds[0]);
                answer(keeper, request->serial, fd < 0 ? fd : 0, fd);
        }
}

static void handle_generation_request(struct keeper *keeper, struct wire_message *message) {
        void *body = message->body;
        struct keeper_forget *forget = body;
        struct generation *generation;
        switch (message->type) {
        case KEEPER_SPAWN:
                keeper->has_spawned = keeper->has_spawned || ((struct keeper_spawn *) body)->kind == SPAWN_GENERATION;
                answer(keeper, ((struct keeper_spawn *) body)->serial, generation_spawn(keeper, body, message->fds, message->n_fds),
                                -1);
                break;
        case KEEPER_SIGNAL:
                generation = generation_find(keeper, SPAWN_GENERATION, ((struct keeper_signal *) body)->generation);
                if (generation && generation->known.is_running)
                        (void) syscall(SYS_pidfd_send_signal, generation->pidfd, ((struct keeper_signal *) body)->signal, NULL, 0);
                break;
        case KEEPER_CGROUP:
                answer(keeper, ((struct keeper_cgroup *) body)->serial, generation_control(keeper, body), -1);
                break;
        case KEEPER_FORGET:
                (void) generation_forget(keeper, forget->kind, forget->generation);
                break;
        case KEEPER_PASS:
                generation = generation_find(keeper, forget->kind, forget->generation);
                if (generation)
                        fence_pass(generation);
                answer(keeper, forget->serial, generation ? 0 : -ESRCH, -1);
                break;
        case KEEPER_CONTINUE:
                generation = generation_find(keeper, SPAWN_GENERATION, ((struct keeper_continue *) body)->generation);
                if (generation)
                        fence_continue(generation, ((struct keeper_continue *) body)->request,
                                        ((struct keeper_continue *) body)->is_done);
                break;
        }
}

static void handle(struct keeper *keeper, struct wire_message *message) {
        void *body = message->body;
        int r;
        switch (message->type) {
        case KEEPER_SETUP:
                set_up(keeper, body);
                break;
        case KEEPER_READY:
                become_ready(keeper, body);
                break;
        case KEEPER_PONG:
                liveness_on_answer(keeper);
                break;
        case KEEPER_KILL_PROBER:
                roles_kill_prober(keeper);
                break;
        case KEEPER_EXIT:
                end(keeper, body);
                break;
        case KEEPER_PARK:
                r = park_begin(keeper, body);
                if (r < 0)
                        answer(keeper, ((struct keeper_park *) body)->serial, r, -1);
                break;
        case KEEPER_UNPARK:
                park_end(keeper, ((struct keeper_forget *) body)->generation);
                break;
        case KEEPER_OPEN:
                r = open_file(body);
                answer(keeper, ((struct keeper_open *) body)->serial, r < 0 ? r : 0, r);
                close_fd(r);
                break;
        case KEEPER_STORE:
        case KEEPER_DROP:
        case KEEPER_UPROBE:
        case KEEPER_CHOWN:
                handle_descriptor_request(keeper, message);
                break;
        default:
                handle_generation_request(keeper, message);
        }
}

static int take_one(struct keeper *keeper) {
        int r = wire_receive(keeper->director_link, keeper_requests, n_keeper_requests, &keeper->message);
        if (r == -EBADMSG)
                log_error("the director sent a message that fits no type: dropped");
        if (r <= 0)
                return r == -EBADMSG ? 1 : r;
        handle(keeper, &keeper->message);
        wire_message_done(&keeper->message);
        return 1;
}

int requests_on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct keeper *keeper = userdata;
        (void) fd;
        (void) revents;
        int r = take_one(keeper);
        if (r < 0) /* the director is dying: it will be reaped */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

void requests_drain(struct keeper *keeper) {
        while (keeper->director_link >= 0 && take_one(keeper) > 0)
                ;
}
