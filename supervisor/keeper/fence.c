#include "fence.h"

#include "../lib/log.h"
#include "generation.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define PROGRAM_BYTES_MAX 4096
#define LATER_LOCKS_WORTH_TELLING 1024

static void filter_release_at(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

/* Only taking a lock is asked about. Unlocking by fcntl cannot be told from locking without reading memory. */
static int add_lock_rules(scmp_filter_ctx filter) {
        static const unsigned lock_commands[] = {F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW};
        static const unsigned flock_operations[] = {LOCK_EX, LOCK_SH, LOCK_EX | LOCK_NB, LOCK_SH | LOCK_NB};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTS(lock_commands); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(fcntl), 1, SCMP_A1_32(SCMP_CMP_EQ, lock_commands[i]));
        for (size_t i = 0; r >= 0 && i < ELEMENTS(flock_operations); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(flock), 1, SCMP_A1_32(SCMP_CMP_EQ, flock_operations[i]));
        return r;
}

static int add_socket_rules(scmp_filter_ctx filter) {
        int r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(bind), 0);
        return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(listen), 0);
}

/* libseccomp 2.5.4 cannot load with WAIT_KILLABLE_RECV, which Go's preemption signals need: export and load by hand. */
static int export_program(bool for_locks, bool for_sockets, struct sock_filter *program, size_t *ret_n) {
        _cleanup_(filter_release_at) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        _cleanup_close_ int fd = memfd_create("fence", MFD_CLOEXEC);
        if (!filter)
                return -ENOMEM;
        if (fd < 0)
                return -errno;
        int r = for_locks ? add_lock_rules(filter) : 0;
        if (r >= 0 && for_sockets)
                r = add_socket_rules(filter);
        if (r >= 0)
                r = seccomp_export_bpf(filter, fd);
        if (r < 0)
                return r;
        ssize_t n = pread(fd, program, PROGRAM_BYTES_MAX, 0);
        if (n < 0)
                return -errno;
        if (n == PROGRAM_BYTES_MAX)
                return -E2BIG;
        *ret_n = (size_t) n / sizeof(struct sock_filter);
        return 0;
}

int fence_install(bool for_locks, bool for_sockets) {
        struct sock_filter code[PROGRAM_BYTES_MAX / sizeof(struct sock_filter)];
        size_t n = 0;
        int r = export_program(for_locks, for_sockets, code, &n);
        if (r < 0)
                return r;
        struct sock_fprog program = {.len = (unsigned short) n, .filter = code};
        long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
        if (fd < 0 && errno == EINVAL) /* before 5.19 */
                fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        return fd < 0 ? -errno : (int) fd;
}

static void let_go(struct generation *generation, uint64_t request, bool is_done) {
        struct seccomp_notif_resp answer = {.id = request, .flags = is_done ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        /* ENOENT: the thread was killed or its call interrupted meanwhile; it asks again if it still wants. */
        if (ioctl(generation->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT)
                log_warning("cannot let generation %lu go on with its call: %m", generation->known.generation);
}

static void stop_serving(struct generation *generation) {
        generation->listener_source = sd_event_source_disable_unref(generation->listener_source);
        generation->listener_fd = close_fd(generation->listener_fd);
        generation->n_fenced = 0;
}

/* The director hears of it now and then, to tell the operator. */
static void count_later_lock(struct generation *generation) {
        uint64_t n = ++generation->known.later_locks;
        bool is_power_of_two = (n & (n - 1)) == 0;
        if (n >= LATER_LOCKS_WORTH_TELLING && is_power_of_two)
                (void) generation_tell_one(generation);
}

static void receive(struct generation *generation) {
        struct seccomp_notif request = {0};
        if (ioctl(generation->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
                return; /* ENOENT, EINTR: the asker went away */
        struct keeper_fenced told = {
                        .generation = generation->known.generation,
                        .request = request.id,
                        .thread = (int) request.pid,
                        .call = request.data.nr,
                        .arguments = {request.data.args[0], request.data.args[1], request.data.args[2]},
        };
        if (generation->known.is_past_fence && !keeper_fenced_is_about_socket(&told)) {
                let_go(generation, request.id, false);
                count_later_lock(generation);
                return;
        }
        INVARIANT(generation->n_fenced < FENCED_MAX);
        struct fenced_request *fenced = &generation->fenced[generation->n_fenced++];
        *fenced = (struct fenced_request){.id = request.id, .told = told};
        /* A full table stays unread: the askers wait in the kernel, which is what the fence is for. */
        if (generation->n_fenced == FENCED_MAX)
                (void) sd_event_source_set_enabled(generation->listener_source, SD_EVENT_OFF);
        (void) wire_send(generation->keeper->director_link, KEEPER_FENCED, &fenced->told, sizeof(fenced->told), NULL, 0);
}

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        if (revents & EPOLLIN)
                receive(userdata);
        else if (revents & (EPOLLHUP | EPOLLERR))
                stop_serving(userdata); /* nobody is left who could ask */
        return 0;
}

int fence_serve(struct generation *generation, int listener) {
        generation->listener_fd = listener;
        return sd_event_add_io(generation->keeper->event, &generation->listener_source, listener, EPOLLIN, on_listener, generation);
}

void fence_pass(struct generation *generation) {
        generation->known.is_past_fence = 1;
        size_t n_kept = 0;
        for (size_t i = 0; i < generation->n_fenced; i++)
                if (keeper_fenced_is_about_socket(&generation->fenced[i].told))
                        generation->fenced[n_kept++] = generation->fenced[i];
                else
                        let_go(generation, generation->fenced[i].id, false);
        generation->n_fenced = n_kept;
        if (generation->listener_source)
                (void) sd_event_source_set_enabled(generation->listener_source, SD_EVENT_ON);
        if (generation->executes_on_pass) {
                generation->executes_on_pass = false;
                if (send(generation->status_fd, "g", 1, MSG_NOSIGNAL) != 1)
                        log_warning("generation %lu is gone before it could execute: %m", generation->known.generation);
        }
}

void fence_continue(struct generation *generation, uint64_t request, bool is_done) {
        for (size_t i = 0; i < generation->n_fenced; i++)
                if (generation->fenced[i].id == request) {
                        generation->fenced[i] = generation->fenced[--generation->n_fenced];
                        let_go(generation, request, is_done);
                        if (generation->listener_source)
                                (void) sd_event_source_set_enabled(generation->listener_source, SD_EVENT_ON);
                        return;
                }
}

int fence_tell(struct generation *generation) {
        for (size_t i = 0; i < generation->n_fenced; i++) {
                int r = wire_send(generation->keeper->director_link, KEEPER_FENCED, &generation->fenced[i].told,
                                sizeof(generation->fenced[i].told), NULL, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}
