#include "control.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "../lib/memory.h"
#include "events.h"
#include "gate.h"
#include "jobs.h"
#include "keeper_link.h"
#include "perform.h"
#include "plan.h"
#include "planning.h"
#include "release_use.h"
#include "schedule_import.h"
#include "status.h"
#include "verification.h"
#include "watermark.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define STORED_NAME "control"
#define CONTROL_BACKLOG 64

static int on_status(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_plan(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_upgrade(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_rollback(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_restart(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_accept_state(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_stop(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_release_use(sd_bus_message *message, void *userdata, sd_bus_error *error);
static int on_wait(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* Who may connect is decided by the socket's mode, so every method is open to whoever could. */
static const sd_bus_vtable vtable[] = {
                SD_BUS_VTABLE_START(0),
                SD_BUS_METHOD("Status", "", "s", on_status, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Plan", "", "s", on_plan, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Upgrade", "stb", "t", on_upgrade, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Rollback", "", "t", on_rollback, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Restart", "", "t", on_restart, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Cancel", "", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("AcceptState", "", "", on_accept_state, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Stop", "", "s", on_stop, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("ScheduleSet", "a(uuttss)t", "", schedule_on_set, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("ScheduleRemove", "ut", "", schedule_on_remove, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("ScheduleDocument", "hhb", "uta(us)", schedule_on_document, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Refresh", "", "", on_refresh, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("ReleaseUse", "s", "s", on_release_use, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Wait", "t", "ss", on_wait, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_VTABLE_END,
};

static int reply_with_refusal(sd_bus_error *error, const struct refusal *refusal) {
        return sd_bus_error_set(error, refusal->name, refusal->text);
}

static int reply_with_swap(sd_bus_message *message, int r, uint64_t swap, sd_bus_error *error, const struct refusal *refusal) {
        return r < 0 ? reply_with_refusal(error, refusal) : sd_bus_reply_method_return(message, "t", swap);
}

static int on_status(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *text = status_text(userdata);
        (void) error;
        return text ? sd_bus_reply_method_return(message, "s", text) : -ENOMEM;
}

static int on_plan(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *text = plan_text(userdata);
        (void) error;
        return text ? sd_bus_reply_method_return(message, "s", text) : -ENOMEM;
}

static int on_upgrade(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct refusal refusal = {0};
        const char *version;
        uint64_t height, swap = 0;
        int now;
        int r = sd_bus_message_read(message, "stb", &version, &height, &now);
        if (r < 0)
                return r;
        if (strlen(version) >= MACHINE_RELEASE_MAX)
                return sd_bus_error_set(error, CONTROL_ERROR_USAGE, "the version is too long");
        if ((now != 0) == (height != CONTROL_HEIGHT_NONE))
                return sd_bus_error_set(error, CONTROL_ERROR_USAGE, "say either that the upgrade is for now, or its height");
        r = planning_upgrade(userdata, version_canonical(version), height, now, &swap, &refusal);
        return reply_with_swap(message, r, swap, error, &refusal);
}

static int on_rollback(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct refusal refusal = {0};
        uint64_t swap = 0;
        int r = planning_rollback(userdata, &swap, &refusal);
        return reply_with_swap(message, r, swap, error, &refusal);
}

/* Between two tries the next one is due at once, for whoever has mended what was wrong: that is no swap, so it has no number. */
static int on_restart(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const struct director *director = userdata;
        struct refusal refusal = {0};
        uint64_t swap = 0;
        if (director->record.machine.phase == PHASE_BACKOFF) {
                (void) events_feed(userdata, &(struct machine_event){.type = EVENT_DEADLINE});
                return sd_bus_reply_method_return(message, "t", CONTROL_SWAP_NONE);
        }
        int r = planning_restart(userdata, &swap, &refusal);
        return reply_with_swap(message, r, swap, error, &refusal);
}

static int on_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct refusal refusal = {0};
        if (planning_cancel(userdata, &refusal) < 0)
                return reply_with_refusal(error, &refusal);
        return sd_bus_reply_method_return(message, "");
}

static int on_accept_state(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct refusal refusal = {0};
        if (watermark_accept(userdata, &refusal) < 0)
                return reply_with_refusal(error, &refusal);
        return sd_bus_reply_method_return(message, "");
}

/* Releases are read from disk whenever they are needed; only the one that runs may have been put back. */
static int on_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        (void) error;
        verification_look(userdata);
        return sd_bus_reply_method_return(message, "");
}

static int on_release_use(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const struct director *director = userdata;
        const char *release;
        char text[400] = "";
        (void) error;
        int r = sd_bus_message_read(message, "s", &release);
        if (r < 0)
                return r;
        (void) release_use(&director->record.machine, director->config->release, release, text, sizeof(text));
        return sd_bus_reply_method_return(message, "s", text);
}

static struct waiter *new_waiter(struct director *director, sd_bus_message *message, uint64_t swap) {
        for (size_t i = 0; i < WAITERS_MAX; i++)
                if (!director->waiters[i].message) {
                        director->waiters[i] = (struct waiter){.message = sd_bus_message_ref(message), .swap = swap};
                        return &director->waiters[i];
                }
        return NULL;
}

static int on_wait(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct director *director = userdata;
        struct journal_swap swap;
        uint64_t id;
        int r = sd_bus_message_read(message, "t", &id);
        if (r < 0)
                return r;
        if (journal_swap_get(director->journal, id, &swap) < 0)
                return sd_bus_error_setf(error, CONTROL_ERROR_USAGE, "there is no swap %lu", id);
        if (swap.ended_at != 0)
                return sd_bus_reply_method_return(message, "ss", swap.outcome, swap.reason);
        if (!new_waiter(director, message, id))
                return sd_bus_error_set(error, CONTROL_ERROR_BUSY, "too many wait already");
        return 1;
}

static int on_stop(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct director *director = userdata;
        if (!new_waiter(director, message, 0))
                return sd_bus_error_set(error, CONTROL_ERROR_BUSY, "too many wait already");
        events_stop(director);
        return 1;
}

static void answered(struct waiter *waiter) {
        (void) sd_bus_flush(sd_bus_message_get_bus(waiter->message));
        waiter->message = sd_bus_message_unref(waiter->message);
}

void control_answer_waiters(struct director *director) {
        for (size_t i = 0; i < WAITERS_MAX; i++)
                if (director->waiters[i].message && director->waiters[i].swap == director->swap.id) {
                        (void) sd_bus_reply_method_return(director->waiters[i].message, "ss", director->swap.outcome,
                                        director->swap.reason);
                        answered(&director->waiters[i]);
                }
}

void control_answer_stop(struct director *director) {
        for (size_t i = 0; i < WAITERS_MAX; i++)
                if (director->waiters[i].message && director->waiters[i].swap == 0) {
                        (void) sd_bus_reply_method_return(director->waiters[i].message, "s", director->cut_short);
                        answered(&director->waiters[i]);
                }
}

void control_emit_change(struct director *director) {
        char path[sizeof(director->directories.run) + 16];
        /* `watch` and scripts wait for this file's change by inotify instead of asking again and again. */
        (void) snprintf(path, sizeof(path), "%s/changed", director->directories.run);
        FILE *file = fopen(path, "we");
        if (file) {
                (void) fprintf(file, "%s\n", machine_phase_for_status(director->record.machine.phase));
                (void) fclose(file);
        }
}

/* Without a bus daemon somebody must say Hello back, or busctl does not go on. */
static int on_hello(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        (void) userdata;
        (void) error;
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus", "Hello"))
                return sd_bus_reply_method_return(message, "s", ":1.1");
        return 0;
}

static void forget_waiters_of(struct director *director, sd_bus *bus) {
        for (size_t i = 0; i < WAITERS_MAX; i++)
                if (director->waiters[i].message && sd_bus_message_get_bus(director->waiters[i].message) == bus)
                        director->waiters[i].message = sd_bus_message_unref(director->waiters[i].message);
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus *bus = sd_bus_message_get_bus(message);
        (void) error;
        forget_waiters_of(userdata, bus);
        jobs_forget_caller(userdata, bus);
        sd_bus_close(bus);
        sd_bus_unref(bus); /* the reference that serve() left */
        memory_rest();
        return 0;
}

static int serve(struct director *director, int fd) {
        sd_bus *bus = NULL;
        sd_id128_t id;
        int r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                close_fd(fd);
                sd_bus_unref(bus);
                return r;
        }
        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(bus, 1, id);
        if (r >= 0)
                r = sd_bus_negotiate_creds(bus, 1, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_hello, director);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, vtable, director);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, NULL, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_disconnected, director);
        if (r >= 0)
                r = sd_bus_attach_event(bus, director->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0) {
                sd_bus_close(bus);
                sd_bus_unref(bus);
        }
        return r;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) revents;
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0)
                return 0;
        int r = serve(userdata, connection);
        if (r < 0)
                log_errno(r, "cannot serve a connection to the control socket");
        return 0;
}

int control_adopt_stored(struct director *director, const char *name, int fd) {
        if (strcmp(name, STORED_NAME) != 0)
                return 0;
        director->control_fd = fd;
        return 1;
}

static int bind_control(struct director *director) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char path[sizeof(director->directories.run) + 16];
        (void) snprintf(path, sizeof(path), "%s/%s", director->directories.run, CONTROL_SOCKET_NAME);
        if (strlen(path) >= sizeof(address.sun_path)) {
                log_error("the path %s is too long for a socket: choose a shorter --run-dir", path);
                return -ENAMETOOLONG;
        }
        text_copy(address.sun_path, sizeof(address.sun_path), path);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void) unlink(path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, 0660) < 0 ||
                        listen(fd, CONTROL_BACKLOG) < 0)
                return log_errno(-errno, "cannot make the control socket %s", path);
        keeper_store(director, STORED_NAME, fd);
        director->control_fd = TAKE_FD(fd);
        return 0;
}

int control_open(struct director *director) {
        if (director->control_fd < 0) {
                int r = bind_control(director);
                if (r < 0)
                        return r;
        }
        return sd_event_add_io(director->event, NULL, director->control_fd, EPOLLIN, on_connection, director);
}
