#include "director_main.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "../lib/sandbox.h"
#include "../lib/state_access.h"
#include "boundaries.h"
#include "context.h"
#include "control.h"
#include "director_sandbox.h"
#include "following.h"
#include "keeper_link.h"
#include "listen_fds.h"
#include "node_user.h"
#include "planning.h"
#include "recovery.h"
#include "signing.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CONFIG_SIZE_MAX (1024 * 1024)
#define TRUST_KEY_SIZE 1024 /* a whole file of minisign's may stand there */

static int set_up(struct director *director, uid_t uid, gid_t gid);

int director_main(int argc, char **argv) {
        int link = -1;
        uid_t uid = 0;
        gid_t gid = 0;
        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--link") == 0)
                        link = atoi(argv[i + 1]);
                else if (strcmp(argv[i], "--uid") == 0)
                        uid = (uid_t) strtoul(argv[i + 1], NULL, 10);
                else if (strcmp(argv[i], "--gid") == 0)
                        gid = (gid_t) strtoul(argv[i + 1], NULL, 10);
        }
        log_open("director");
        struct director *director = calloc(1, sizeof(*director));
        if (link < 0 || !director)
                return EXIT_FAILED;
        director->prober = director->parent_cgroup_fd = director->control_fd = -1;
        for (size_t i = 0; i < ELEMENTS(director->verified); i++)
                director->verified[i].fd = -1;
        director->notify_program_fd = director->notify_writers_fd = -1;
        for (size_t i = 0; i < ELEMENTS(director->unix_fds); i++)
                director->unix_fds[i] = -1;
        for (size_t i = 0; i < ELEMENTS(director->waiting_fds); i++)
                director->waiting_fds[i] = -1;
        director->record.machine = machine_initial();
        director->record.follow.held_at = director->record.follow.found_at = MACHINE_NO_HEIGHT;
        director->record.last_height = MACHINE_NO_HEIGHT;
        director->last_job = now_monotonic(); /* no number of a director before this one */
        if (keeper_link_open(director, link) < 0)
                return EXIT_FAILED;
        int status = set_up(director, uid, gid);
        if (status != 0)
                _exit(status); /* the keeper ends with the same one */
        (void) sd_event_loop(director->event);
        return EXIT_FAILED;
}

static int read_config(struct director *director, int fd) {
        struct config_mistakes mistakes = {0};
        _cleanup_free_ char *text = malloc(CONFIG_SIZE_MAX + 1);
        size_t length = 0;
        ssize_t n;
        if (!text)
                return EXIT_FAILED;
        while ((n = pread(fd, text + length, CONFIG_SIZE_MAX + 1 - length, (off_t) length)) > 0)
                length += (size_t) n;
        if (n < 0) {
                log_error("cannot read %s: %m", director->welcome.config_path);
                return EXIT_USAGE;
        }
        int r = config_parse(text, length, &director->config, &mistakes);
        for (size_t i = 0; i < mistakes.n; i++)
                (void) fprintf(stderr, "%s:%u: %s\n", director->welcome.config_path, mistakes.items[i].line,
                                mistakes.items[i].text);
        config_mistakes_done(&mistakes);
        if (r < 0)
                log_error("%s is not right (see above); nothing was started", director->welcome.config_path);
        return r < 0 ? EXIT_USAGE : 0;
}

static int wait_for(struct director *director, uint32_t type) {
        int r = keeper_wait(director, &director->message);
        if (r < 0 || director->message.type != type)
                return log_errno(r < 0 ? r : -EPROTO, "the keeper did not answer as expected");
        return 0;
}

static int ask_for_directories(struct director *director) {
        struct keeper_setup setup = {0};
        text_copy(setup.node, sizeof(setup.node), director->config->node);
        if (director->welcome.restarts == 0 || *director->welcome.node == '\0')
                keeper_tell(director, KEEPER_SETUP, &setup, sizeof(setup), NULL, 0);
        /* On a first start RESUME has come before the answer; it says nothing then. */
        do
                if (keeper_wait(director, &director->message) < 0)
                        return EXIT_FAILED;
        while (director->message.type == KEEPER_RESUME);
        if (director->message.type != KEEPER_DIRECTORIES)
                return EXIT_FAILED;
        memcpy(&director->directories, director->message.body, sizeof(director->directories));
        if (director->message.n_fds > 0)
                director->parent_cgroup_fd = TAKE_FD(director->message.fds[0]);
        if (director->directories.error < 0) {
                log_error("%s", director->directories.text);
                return EXIT_FAILED;
        }
        return 0;
}

static void fill_settings(struct director *director) {
        const struct config *config = director->config;
        director->settings = (struct machine_settings){
                        .prepare_us = config->deadlines.prepare_us,
                        .gate_us = config->deadlines.gate_us,
                        .rehearses_at_gate = config->rehearses_at_gate,
                        .rehearse_us = config->deadlines.rehearse_us,
                        .snapshot_us = config->deadlines.snapshot_us,
                        .prove_us = config->deadlines.prove_us,
                        .drain_us = config->deadlines.drain_us,
                        .stop_us = config->exec.stop_timeout_us,
                        /* The probing ends probation itself; this is for the case that it cannot. */
                        .probation_us = config->probation_us + config->progress_within_us + 10 * USEC_PER_SEC,
                        .backoff_us = config->restart_backoff_us,
                        .n_backoff = config->n_restart_backoff,
                        .give_up_after = config->restart_give_up_after,
        };
        signing_apply(director);
}

/* Folders above may be closed to everybody but root, as those made by mktemp are. */
static int check_access(const char *path) {
        if (access(path, R_OK | W_OK | X_OK) >= 0)
                return 0;
        log_error("the director (uid %u) cannot use %s: %m; %s", geteuid(), path,
                        errno == ENOENT ? "put it back, or end the node by a second SIGTERM to its supervisor"
                                        : "every folder above it must be open to others: chmod o+x");
        return EXIT_FAILED;
}

static int open_journal(struct director *director) {
        char path[sizeof(director->directories.state) + 16];
        void *value = NULL;
        size_t size = 0;
        (void) snprintf(path, sizeof(path), "%s/journal.db", director->directories.state);
        int r = journal_open(path, true, &director->journal);
        if (r < 0) {
                log_error("the journal %s cannot be opened: %s; move it away to begin anew", path, strerror(-r));
                return EXIT_FAILED;
        }
        if (journal_get(director->journal, JOURNAL_MACHINE, &value, &size) >= 0) {
                const struct record *record = value;
                if (size == sizeof(*record) && record->machine.format == MACHINE_FORMAT && record->machine.phase < PHASES)
                        director->record = *record;
                else {
                        log_error("the journal %s was written by another version of interrex and cannot be gone on from; move it away to begin anew",
                                        path);
                        free(value);
                        return EXIT_FAILED;
                }
        }
        free(value);
        return 0;
}

/* For the operator's command, which must ask for the same signatures while the node does not run. */
static int note_keys(struct director *director) {
        char *const *keys = director->config->trust_keys;
        char text[TRUST_KEYS_MAX * TRUST_KEY_SIZE];
        size_t used = 0;
        for (; keys && *keys; keys++) {
                size_t size = strlen(*keys) + 1;
                if (size > sizeof(text) - used)
                        return -E2BIG;
                memcpy(text + used, *keys, size);
                used += size;
        }
        return journal_set(director->journal, JOURNAL_TRUST, text, used);
}

static int note_text(struct director *director, const char *key, const char *text) {
        return journal_set(director->journal, key, text, strlen(text));
}

/* For `release remove` while the node does not run, and for `release add`. */
static int note_config(struct director *director) {
        const struct config *config = director->config;
        int r = note_text(director, JOURNAL_CONFIGURED, config->release ? config->release : "");
        if (r >= 0)
                r = note_text(director, JOURNAL_CONFIG, director->welcome.config_path);
        return r < 0 ? r : note_text(director, JOURNAL_COMMAND, config->exec.command);
}

/* No mistake for certain: a node may only read there. */
static void warn_of_state(const struct director *director) {
        const struct state_user user = {.name = director->config->exec.user,
                        .uid = director->node_uid,
                        .gid = director->node_gid,
                        .groups = director->node_groups,
                        .n_groups = director->n_node_groups};
        char text[1024];
        if (director->welcome.restarts == 0 &&
                        state_access_is_missing(director->config->state.directory, &user, text, sizeof(text)))
                log_warning("%s; the node is started all the same", text);
        if (director->welcome.restarts == 0 && state_keep_is_missing(&director->config->state, text, sizeof(text)))
                log_warning("%s", text);
}

static int resolve_state(struct director *director) {
        const char *directory = director->config->state.directory;
        if (asprintf(&director->releases_dir, "%s/releases", director->directories.state) < 0)
                return EXIT_FAILED;
        /* As `release add` makes it: root's, and there to be watched before the first release comes. Where it is not made, that is told. */
        (void) mkdir(director->releases_dir, 0755);
        if (!directory)
                return 0;
        director->state_directory = realpath(directory, NULL);
        if (director->state_directory && config_place_is_taken(director->state_directory, director->directories.state)) {
                log_error("state.directory %s cannot be the node's: interrex keeps the journal and the releases in %s, and a "
                          "rollback would take them along; name a folder of the node's own",
                                directory, director->directories.state);
                return EXIT_USAGE;
        }
        if (director->state_directory) {
                warn_of_state(director);
                return 0;
        }
        log_error("state.directory %s: %m; make it, owned by %s", directory,
                        director->config->exec.user ? director->config->exec.user : "root");
        return EXIT_FAILED;
}

static int set_up(struct director *director, uid_t uid, gid_t gid) {
        /* The keeper speaks first. */
        if (wait_for(director, KEEPER_WELCOME) < 0 || director->message.n_fds != 1)
                return EXIT_FAILED;
        memcpy(&director->welcome, director->message.body, sizeof(director->welcome));
        _cleanup_close_ int config_fd = TAKE_FD(director->message.fds[0]);
        int status = read_config(director, config_fd);
        if (status == 0)
                status = node_user_find(director);
        director->self_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (status == 0)
                status = ask_for_directories(director);
        if (status == 0)
                status = resolve_state(director);
        if (status != 0)
                return status;
        /* A path may lie where only root can make a socket. */
        if (director->config->exec.listen_fds && director->welcome.restarts == 0 && listen_fds_make_unix(director) < 0)
                return EXIT_FAILED;
        /* Files made from here on are the director's own. */
        int r = director_become(uid, gid);
        if (r < 0) {
                log_errno(r, "the director cannot give up its privileges");
                return EXIT_FAILED;
        }
        status = check_access(director->directories.state);
        if (status == 0)
                status = check_access(director->directories.run);
        if (status == 0)
                status = open_journal(director);
        if (status != 0)
                return status;
        fill_settings(director);
        r = note_keys(director);
        if (r >= 0)
                r = note_config(director);
        if (r < 0)
                (void) log_errno(r, "cannot note in the journal what of the configuration commands need");
        if (r >= 0)
                r = sd_event_default(&director->event);
        if (r >= 0)
                r = boundaries_load(director);
        if (r >= 0)
                (void) following_open(director);
        if (r >= 0 && director->welcome.restarts > 0)
                r = recovery_listen(director);
        else if (r >= 0)
                r = recovery_open_first(director);
        if (r >= 0)
                r = control_open(director);
        if (r >= 0)
                r = keeper_link_serve(director);
        if (r >= 0)
                r = director_confine();
        if (r >= 0)
                r = recovery_go_on(director);
        return r < 0 ? EXIT_FAILED : 0;
}
