#include "source.h"

#include "../lib/log.h"
#include "boundaries.h"
#include "control.h"
#include "gate_node.h"
#include "keeper_link.h"
#include "planning.h"
#include "reading_jobs.h"
#include "recovery.h"
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define RECORD_NAME "source"
#define LOOK_AGAIN_US (10 * USEC_PER_SEC) /* at a file, should its folder not tell */
#define FETCH_AGAIN_US (600 * USEC_PER_SEC)
#define RETRY_FIRST_US (5 * USEC_PER_SEC)
#define RETRY_DOUBLINGS_MAX 10
#define FILE_PATIENCE_US (3 * USEC_PER_SEC)
#define URL_PATIENCE_US (10 * USEC_PER_SEC)
#define PATH_SIZE 1024

static void attempt(struct director *director, bool only_if_changed);
static void attempt_file(struct director *director, bool only_if_changed);
static void attempt_url(struct director *director);
static void take(struct director *director, const struct schedule_reading *reading);
static void fail(struct director *director, const char *text);
static void succeed(struct director *director);
static void go_on(struct director *director);
static void watch_folder(struct director *director);

static const struct schedule_config *config_of(const struct director *director) {
        return &director->config->schedule;
}

static bool is_upgrade_info(const struct director *director) {
        return config_of(director)->source == SOURCE_COSMOVISOR;
}

/* What a node wrote is its own word, and nobody signs it. */
static bool is_checked(const struct director *director) {
        return director->config->trust_keys && *director->config->trust_keys && !is_upgrade_info(director) &&
               !config_of(director)->unsigned_allowed;
}

void source_open(struct director *director) {
        _cleanup_free_ void *value = NULL;
        size_t size = 0;
        if (config_of(director)->source == SOURCE_NONE)
                return;
        if (journal_get(director->journal, RECORD_NAME, &value, &size) >= 0 && size == sizeof(director->source.record))
                memcpy(&director->source.record, value, size);
        watch_folder(director);
        attempt(director, false);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) source;
        (void) usec;
        log_warning("the schedule from %s has not come yet: the node is started without it", source_place(director));
        recovery_source_is_read(director);
        return 0;
}

bool source_holds_start(struct director *director) {
        struct source *source = &director->source;
        uint64_t patience = config_of(director)->url ? URL_PATIENCE_US : FILE_PATIENCE_US;
        if (!source->is_under_way || director->schedule.n + director->schedule.n_pending > 0)
                return false;
        source->start_waits = sd_event_add_time_relative(director->event, &source->patience, CLOCK_MONOTONIC, patience, 0,
                                              on_patience, director) >= 0;
        return source->start_waits;
}

void source_is_fetched(struct director *director, int document_fd, int signature_fd) {
        const struct reading_request request = {.kind = config_of(director)->source == SOURCE_FLOW ? READING_FLOW
                                                                                                   : READING_DOCUMENT,
                        .is_checked = is_checked(director),
                        .needs_sequence = true,
                        .document_fd = document_fd,
                        .signature_fd = signature_fd};
        if (reading_jobs_read(director, &request) < 0)
                fail(director, "no process could be started to read it");
}

void source_is_read(struct director *director, const struct schedule_reading *reading, const char *error) {
        struct source *source = &director->source;
        bool again = source->has_changed;
        source->is_under_way = source->has_changed = false;
        if (reading && reading->error >= 0)
                take(director, reading);
        else {
                /* What was not looked into may be in order. */
                if (!reading)
                        source->seen[0] = source->seen[1] = (struct file_identity){0};
                fail(director, reading ? reading->text : error);
        }
        if (again)
                attempt(director, false);
}

const char *source_name(const struct director *director) {
        static const char *const names[] = {NULL, "file", "https", "cosmovisor", "flow"};
        return names[config_of(director)->source];
}

/* The path of a cosmovisor's file need not be configured. */
static void path_of(const struct director *director, char *path, size_t size) {
        if (config_of(director)->path)
                text_copy(path, size, config_of(director)->path);
        else
                (void) snprintf(path, size, "%s/data/upgrade-info.json", director->config->state.directory);
}

const char *source_place(const struct director *director) {
        const struct schedule_config *config = config_of(director);
        return config->url ? config->url : config->path ? config->path : "upgrade-info.json in the node's state";
}

double source_age(const struct director *director) {
        uint64_t good_at = director->source.record.good_at, now = now_realtime();
        return good_at == 0 ? -1.0 : now <= good_at ? 0.0 : (double) (now - good_at) / (double) USEC_PER_SEC;
}

static void attempt(struct director *director, bool only_if_changed) {
        struct source *source = &director->source;
        if (director->is_exiting)
                return;
        if (source->is_under_way) {
                source->has_changed = true;
                return;
        }
        source->is_under_way = true;
        if (config_of(director)->url)
                attempt_url(director);
        else
                attempt_file(director, only_if_changed);
}

/* Not every file may be read by the director; root's hands open it then, and the reader alone looks into it. */
static int open_by_keeper(struct director *director, const char *path) {
        struct keeper_open request = {.serial = keeper_serial(director)};
        int fd = -1;
        if (strlen(path) >= sizeof(request.path))
                return -ENAMETOOLONG;
        text_copy(request.path, sizeof(request.path), path);
        int r = keeper_ask(director, KEEPER_OPEN, &request, sizeof(request), NULL, 0, request.serial, &fd);
        return r < 0 ? r : fd < 0 ? -EBADF : fd;
}

static int open_file(struct director *director, const char *path, struct file_identity *ret_identity) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                fd = errno == EACCES ? open_by_keeper(director, path) : -errno;
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        *ret_identity = (struct file_identity){.device = st.st_dev,
                        .inode = st.st_ino,
                        .size = (uint64_t) st.st_size,
                        .modified = (uint64_t) st.st_mtim.tv_sec * 1000000000 + (uint64_t) st.st_mtim.tv_nsec};
        return TAKE_FD(fd);
}

static void attempt_file(struct director *director, bool only_if_changed) {
        struct source *source = &director->source;
        struct file_identity seen[2] = {0};
        char path[PATH_SIZE], signature_path[PATH_SIZE + 16], text[PATH_SIZE + 100];
        path_of(director, path, sizeof(path));
        (void) snprintf(signature_path, sizeof(signature_path), "%s.minisig", path);
        _cleanup_close_ int fd = open_file(director, path, &seen[0]);
        _cleanup_close_ int signature = is_checked(director) ? open_file(director, signature_path, &seen[1]) : -1;
        bool is_as_it_was = memcmp(seen, source->seen, sizeof(seen)) == 0;
        if (fd >= 0 && only_if_changed && is_as_it_was) {
                source->is_under_way = false;
                if (!*source->error)
                        source->record.good_at = now_realtime();
                go_on(director);
                return;
        }
        memcpy(source->seen, seen, sizeof(seen));
        const struct reading_request request = {.kind = is_upgrade_info(director)                    ? READING_COSMOVISOR
                                                        : config_of(director)->source == SOURCE_FLOW ? READING_FLOW
                                                                                                     : READING_DOCUMENT,
                        .is_checked = is_checked(director),
                        .needs_sequence = is_checked(director),
                        .document_fd = fd,
                        .signature_fd = signature};
        /* Before its first upgrade a node has written none. */
        if (fd == -ENOENT && is_upgrade_info(director)) {
                source->is_under_way = false;
                succeed(director);
                return;
        }
        int r = fd < 0 ? fd : reading_jobs_read(director, &request);
        if (r >= 0)
                return;
        (void) snprintf(text, sizeof(text), "%s cannot be read: %s", path, strerror(-r));
        source_is_read(director, NULL, text);
}

/* The signature lies beside the document, under its name with .minisig behind it. */
static void attempt_url(struct director *director) {
        const char *url = config_of(director)->url;
        char signature_url[PATH_SIZE + 16];
        int path_length = (int) strcspn(url, "?");
        (void) snprintf(signature_url, sizeof(signature_url), "%.*s.minisig%s", path_length, url, url + path_length);
        if (reading_jobs_fetch(director, url, is_checked(director) ? signature_url : NULL) < 0)
                source_is_read(director, NULL, "no process could be started to fetch it");
}

/* A document without a number adds to what is there, and who takes a line out of it may expect otherwise. */
static void note_beside(struct director *director, const struct schedule_reading *reading) {
        uint64_t height = planning_height(director);
        struct boundary_rule *beside = &director->source.beside;
        *beside = (struct boundary_rule){0};
        for (size_t i = 0; reading->sequence == SCHEDULE_NO_SEQUENCE && !*beside->range && i < director->schedule.n; i++) {
                const struct boundary *boundary = &director->schedule.boundaries[i];
                bool is_there = height != MACHINE_NO_HEIGHT && boundary->height <= height;
                for (uint32_t j = 0; !is_there && j < reading->n_rules; j++)
                        is_there = boundary_is_same_point(&boundary->rule, &reading->rules[j]);
                if (!is_there)
                        *beside = boundary->rule;
        }
}

bool source_describe_beside(const struct director *director, char *text, size_t size) {
        const struct boundary_rule *beside = &director->source.beside;
        const struct boundary *present = *beside->range ? schedule_find(&director->schedule, beside) : NULL;
        char point[64];
        if (!present || !boundary_is_same(&present->rule, beside))
                return false;
        boundary_format_point(beside->unit, beside->at, point, sizeof(point));
        (void) snprintf(text, size,
                        "the boundary \"%s %.100s\" is in force and not in %.200s: without a line `sequence N` a file only adds; if it is not "
                        "meant, `interrex schedule remove %s %s` takes it out",
                        point, beside->range, source_place(director), director->config->node, point);
        return true;
}

static void take(struct director *director, const struct schedule_reading *reading) {
        struct source *source = &director->source;
        struct refusal refusal = {0};
        uint64_t height = reading->rules[0].at;
        char text[200];
        if (is_upgrade_info(director) && height < source->record.height) {
                (void) snprintf(text, sizeof(text),
                                "the node asks for an upgrade at height %lu, but has asked for one at %lu before: the older one is "
                                "not taken",
                                height, source->record.height);
                fail(director, text);
                return;
        }
        if (!boundaries_are_in_force(director, reading->rules, reading->n_rules, reading->sequence)) {
                if (boundaries_set(director, reading->rules, reading->n_rules, reading->sequence, &refusal) < 0) {
                        fail(director, refusal.text);
                        return;
                }
                log_notice("the schedule from %s is in force: %u boundar%s", source_place(director), reading->n_rules,
                                reading->n_rules == 1 ? "y" : "ies");
        }
        if (config_of(director)->source == SOURCE_FILE)
                note_beside(director, reading);
        if (is_upgrade_info(director)) {
                source->record.height = height;
                gate_node_wrote(director, height, source->seen[0].modified / 1000);
        }
        succeed(director);
}

static void succeed(struct director *director) {
        struct source *source = &director->source;
        if (*source->error)
                log_notice("the schedule from %s is in order again", source_place(director));
        source->error[0] = '\0';
        source->failures = 0;
        source->record.good_at = now_realtime();
        (void) journal_set(director->journal, RECORD_NAME, &source->record, sizeof(source->record));
        control_emit_change(director);
        go_on(director);
}

static void fail(struct director *director, const char *text) {
        struct source *source = &director->source;
        source->is_under_way = false;
        if (source->failures < RETRY_DOUBLINGS_MAX)
                source->failures++;
        if (strncmp(source->error, text, sizeof(source->error) - 1) != 0)
                log_warning("the schedule from %s is not taken: %s; what was in force stays so", source_place(director), text);
        text_copy(source->error, sizeof(source->error), text);
        control_emit_change(director);
        go_on(director);
}

static int on_time(sd_event_source *timer, uint64_t usec, void *userdata) {
        struct director *director = userdata;
        (void) timer;
        (void) usec;
        watch_folder(director);
        attempt(director, true);
        return 0;
}

/* When it is looked at again; and a node that has waited for it is started. */
static void go_on(struct director *director) {
        struct source *source = &director->source;
        const struct schedule_config *config = config_of(director);
        uint64_t usec = config->every_us ? config->every_us : config->url ? FETCH_AGAIN_US : LOOK_AGAIN_US;
        uint64_t retry = RETRY_FIRST_US << (source->failures > 0 ? source->failures - 1 : 0);
        if (config->url && source->failures > 0 && retry < usec)
                usec = retry;
        source->timer = sd_event_source_disable_unref(source->timer);
        if (sd_event_add_time_relative(director->event, &source->timer, CLOCK_MONOTONIC, usec, 0, on_time, director) < 0)
                log_error("out of memory: the schedule from %s is not read again by itself", source_place(director));
        if (source->start_waits)
                recovery_source_is_read(director);
}

/* An editor may write the file, or another one and rename that; the signature may come before or after it. */
static int on_change(sd_event_source *watch, const struct inotify_event *event, void *userdata) {
        struct director *director = userdata;
        char path[PATH_SIZE];
        (void) watch;
        path_of(director, path, sizeof(path));
        const char *name = strrchr(path, '/') + 1;
        size_t length = strlen(name);
        if (event->len == 0 || strncmp(event->name, name, length) != 0)
                return 0;
        if (event->name[length] == '\0' || strcmp(event->name + length, ".minisig") == 0)
                attempt(director, false);
        return 0;
}

/* A folder may be made anew, as a state directory is by a rollback; one that may not be looked into is looked at now and then. */
static void watch_folder(struct director *director) {
        struct source *source = &director->source;
        char path[PATH_SIZE];
        struct stat st;
        if (config_of(director)->url)
                return;
        path_of(director, path, sizeof(path));
        char *slash = strrchr(path, '/');
        slash[slash == path ? 1 : 0] = '\0';
        if (stat(path, &st) < 0 || (source->watch && source->folder.device == st.st_dev && source->folder.inode == st.st_ino))
                return;
        source->watch = sd_event_source_disable_unref(source->watch);
        source->folder = (struct file_identity){.device = st.st_dev, .inode = st.st_ino};
        (void) sd_event_add_inotify(director->event, &source->watch, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR,
                        on_change, director);
}
