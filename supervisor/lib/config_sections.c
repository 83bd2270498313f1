#include "config_sections.h"

#include "config_values.h"
#include "minisign.h"
#include "release_files.h"
#include <signal.h>
#include <sys/resource.h>

#define FIELD(structure, member) offsetof(struct structure, member)

static void take_release_path(struct reader *reader, const yaml_node_t *value, void *target);
static void take_signal(struct reader *reader, const yaml_node_t *value, void *target);
static void take_limits(struct reader *reader, const yaml_node_t *value, void *target);
static void take_directory(struct reader *reader, const yaml_node_t *value, void *target);
static void take_kept(struct reader *reader, const yaml_node_t *value, void *target);
static void take_backoff(struct reader *reader, const yaml_node_t *value, void *target);
static void take_patience(struct reader *reader, const yaml_node_t *value, void *target);

TAKE_CHOICE(take_fence, enum fence_kind, "lock", "exec")
TAKE_CHOICE(take_snapshot, enum snapshot_kind, "auto", "btrfs", "reflink", "copy", "hook", "none")
TAKE_CHOICE(take_signer, enum signer_kind, NULL, "none", "files", "inside")

void take_exec(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"command", take_release_path, FIELD(exec_config, command)},
                        {"args", take_texts, FIELD(exec_config, args)},
                        {"env", take_environment, FIELD(exec_config, env)},
                        {"user", take_text, FIELD(exec_config, user)},
                        {"group", take_text, FIELD(exec_config, group)},
                        {"working_directory", take_path, FIELD(exec_config, working_directory)},
                        {"stop_signal", take_signal, FIELD(exec_config, stop_signal)},
                        {"stop_timeout", take_duration, FIELD(exec_config, stop_timeout_us)},
                        {"listen_fds", take_bool, FIELD(exec_config, listen_fds)},
                        {"limits", take_limits, 0},
        };
        unsigned line = reader->line;
        reader_section(reader, value, "exec", keys, ELEMENTS(keys), target);
        if (value->type == YAML_MAPPING_NODE && !reader_find(reader, value, "command"))
                reader_mistake(reader, line,
                                "`exec.command` is missing: the executable inside of a release");
}

/* A default is no word of the operator's: without a directory new releases wait at exec. */
static void check_fence(struct reader *reader, const yaml_node_t *fence) {
        if (fence && fence->type == YAML_SCALAR_NODE &&
                        strcmp((const char *)fence->data.scalar.value, "lock") == 0)
                reader_mistake(reader, reader_line(fence),
                                "state.fence: lock needs state.directory: the node's lock is looked for "
                                "below it; name it, or "
                                "write `fence: exec`");
}

void take_state(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"directory", take_directory, FIELD(state_config, directory)},
                        {"overlap", take_bool, FIELD(state_config, overlap)},
                        {"fence", take_fence, FIELD(state_config, fence)},
                        {"snapshot", take_snapshot, FIELD(state_config, snapshot)},
                        {"copy_limit", take_size, FIELD(state_config, copy_limit)},
                        {"hook", take_command, FIELD(state_config, hook)},
                        {"keep", take_kept, FIELD(state_config, keep)},
                        {"signer", take_signer, FIELD(state_config, signer)},
        };
        struct state_config *state = target;
        unsigned line = reader->line;
        reader_section(reader, value, "state", keys, ELEMENTS(keys), target);
        bool has_directory = reader_find(reader, value, "directory");
        state->directory_line = reader_find_line(reader, value, "directory");
        bool on_disk = state->keep || state->snapshot == SNAPSHOT_BTRFS ||
                       state->snapshot == SNAPSHOT_REFLINK || state->snapshot == SNAPSHOT_COPY;
        if (!has_directory)
                check_fence(reader, reader_find(reader, value, "fence"));
        if (on_disk && !has_directory)
                reader_mistake(reader, line,
                                "state.keep and state.snapshot need state.directory: where is the state?");
        if (state->signer == SIGNER_FILES && !state->keep)
                reader_mistake(reader, line,
                                "state.signer: files needs state.keep: which files hold the signing "
                                "memory?");
        if (state_signs(state) && state->overlap)
                reader_mistake(reader, line,
                                "state.overlap cannot be true for a signer: two generations would sign at "
                                "once");
        if (state->snapshot == SNAPSHOT_HOOK && !reader_find(reader, value, "hook"))
                reader_mistake(reader, line,
                                "state.snapshot: hook needs state.hook: which command takes the snapshot?");
}

void take_progress(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"blocks", take_unsigned, FIELD(config, progress_blocks)},
                        {"within", take_some_time, FIELD(config, progress_within_us)},
        };
        reader_section(reader, value, "progress", keys, ELEMENTS(keys), target);
}

void take_restart(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"backoff", take_backoff, 0},
                        {"give_up_after", take_unsigned, FIELD(config, restart_give_up_after)},
        };
        reader_section(reader, value, "restart", keys, ELEMENTS(keys), target);
}

void take_trust(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {{"keys", take_texts, FIELD(config, trust_keys)}};
        const struct config *config = target;
        unsigned line = reader->line;
        struct minisign_key key;
        size_t n = 0;
        reader_section(reader, value, "trust", keys, ELEMENTS(keys), target);
        for (; config->trust_keys && config->trust_keys[n]; n++)
                if (minisign_key_parse(config->trust_keys[n], &key) < 0)
                        reader_mistake(reader, line,
                                        "trust.keys: %.80s is not a minisign public key: give the second "
                                        "line of minisign.pub, which "
                                        "begins with RW",
                                        config->trust_keys[n]);
        if (n > TRUST_KEYS_MAX)
                reader_mistake(reader, line, "trust.keys: more than %d keys", TRUST_KEYS_MAX);
}

void take_deadlines(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"prepare", take_some_time, FIELD(deadline_config, prepare_us)},
                        {"gate", take_patience, FIELD(deadline_config, gate_us)},
                        {"rehearse", take_some_time, FIELD(deadline_config, rehearse_us)},
                        {"snapshot", take_some_time, FIELD(deadline_config, snapshot_us)},
                        {"prove", take_some_time, FIELD(deadline_config, prove_us)},
                        {"drain", take_duration, FIELD(deadline_config, drain_us)},
        };
        reader_section(reader, value, "deadlines", keys, ELEMENTS(keys), target);
}

static void take_release_path(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text && !path_stays_below(text))
                reader_wrong(reader, value,
                                "\"%.100s\" must be a path inside of a release, without a leading / and "
                                "without ..",
                                text);
        else if (text)
                take_text(reader, value, target);
}

static void take_signal(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        const char *name = text && strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
        int found = 0;
        for (int number = 1; name && number < NSIG; number++)
                if (sigabbrev_np(number) && strcmp(sigabbrev_np(number), name) == 0)
                        found = number;
        switch (found) {
        case SIGSTOP:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU:
                reader_wrong(reader, value,
                                "SIG%s stops a process without ending it; write SIGTERM, or what the node "
                                "ends at",
                                name);
                return;
        case SIGCONT:
        case SIGCHLD:
                reader_wrong(reader, value, "SIG%s ends no process; write SIGTERM, or what the node ends at",
                                name);
                return;
        default:
                break;
        }
        if (found)
                *(int *)target = found;
        else if (text)
                reader_wrong(reader, value, "\"%.40s\" is not a signal's name; write it like SIGTERM", text);
}

static bool parse_limit(const char *text, uint64_t *ret_value) {
        if (strcmp(text, "infinity") == 0) {
                *ret_value = UINT64_MAX;
                return true;
        }
        return parse_u64(text, ret_value) >= 0;
}

static void take_limit(struct reader *reader, const yaml_node_t *value, void *target) {
        struct rlimit_setting setting = {.resource = 0};
        _cleanup_strv_ char **both = NULL;
        if (value->type == YAML_SEQUENCE_NODE)
                take_texts(reader, value, &both);
        else {
                const char *text = reader_scalar(reader, value);
                if (!text)
                        return;
                for (unsigned i = 0; i < 2; i++)
                        if (strv_push(&both, text) < 0)
                                reader->failed = true;
        }
        if (strv_length(both) == 2 && parse_limit(both[0], &setting.soft) &&
                        parse_limit(both[1], &setting.hard) && setting.soft <= setting.hard)
                *(struct rlimit_setting *)target = setting;
        else
                reader_wrong(reader, value,
                                "a limit is a number, infinity, or [soft, hard] with soft not above hard");
}

static void take_limits(struct reader *reader, const yaml_node_t *value, void *target) {
#define LIMIT(name, number) \
        { name, take_limit, (size_t)(number) * sizeof(struct rlimit_setting) }
        static const struct reader_key keys[] = {LIMIT("nofile", RLIMIT_NOFILE),
                        LIMIT("nproc", RLIMIT_NPROC), LIMIT("core", RLIMIT_CORE),
                        LIMIT("memlock", RLIMIT_MEMLOCK), LIMIT("stack", RLIMIT_STACK),
                        LIMIT("as", RLIMIT_AS), LIMIT("fsize", RLIMIT_FSIZE), LIMIT("data", RLIMIT_DATA)};
#undef LIMIT
        struct exec_config *exec = target;
        struct rlimit_setting settings[RLIM_NLIMITS];
        for (size_t i = 0; i < ELEMENTS(settings); i++)
                settings[i].resource = -1;
        reader_section(reader, value, "exec.limits", keys, ELEMENTS(keys), settings);
        exec->limits = calloc(ELEMENTS(keys), sizeof(*exec->limits));
        for (size_t i = 0; exec->limits && i < ELEMENTS(settings); i++)
                if (settings[i].resource >= 0) {
                        settings[i].resource = (int)i;
                        INVARIANT(exec->n_limits < ELEMENTS(keys));
                        exec->limits[exec->n_limits++] = settings[i];
                }
        reader->failed = reader->failed || !exec->limits;
}

/* "." and ".." as a part of the path: what lies beside it could not be named. */
static bool has_dots(const char *path) {
        for (const char *part = path; *part; part += strcspn(part, "/")) {
                part += strspn(part, "/");
                size_t length = strcspn(part, "/");
                if ((length == 1 || length == 2) && strspn(part, ".") == length)
                        return true;
        }
        return false;
}

static void take_directory(struct reader *reader, const yaml_node_t *value, void *target) {
        char **directory = target;
        const char *text = reader_scalar(reader, value);
        if (text && *text && strspn(text, "/") == strlen(text))
                reader_wrong(reader, value,
                                "the root of the file system cannot be a node's state: a rollback exchanges "
                                "it");
        else if (text && strstr(text, "{state}"))
                reader_wrong(reader, value, "{state} is this directory and cannot stand in its own name");
        else if (text && has_dots(text))
                reader_wrong(reader, value, "\"%.100s\" must be written without . and ..", text);
        else if (text)
                take_path(reader, value, target);
        for (size_t n = *directory ? strlen(*directory) : 0; n > 1 && (*directory)[n - 1] == '/'; n--)
                (*directory)[n - 1] = '\0';
}

static void push_kept(struct reader *reader, const yaml_node_t *item, const char *text, void *target) {
        _cleanup_free_ char *path = reader_copy(reader, text);
        if (!path)
                return;
        for (size_t n = strlen(path); n > 0 && path[n - 1] == '/'; n--)
                path[n - 1] = '\0';
        if (!path_stays_below(path))
                reader_wrong(reader, item,
                                "\"%.100s\" must be a path below state.directory, without a leading / and "
                                "without ..",
                                text);
        else if (strv_push(target, path) < 0)
                reader->failed = true;
}

static void take_kept(struct reader *reader, const yaml_node_t *value, void *target) {
        take_each(reader, value, push_kept, target);
}

struct pauses {
        uint64_t *items;
        size_t n;
};

static void push_pause(struct reader *reader, const yaml_node_t *item, const char *text, void *target) {
        struct pauses *pauses = target;
        uint64_t usec;
        if (!read_duration(reader, item, text, &usec))
                return;
        uint64_t *grown = reallocarray(pauses->items, pauses->n + 1, sizeof(*grown));
        if (!grown) {
                reader->failed = true;
                return;
        }
        grown[pauses->n++] = usec;
        pauses->items = grown;
}

static void take_backoff(struct reader *reader, const yaml_node_t *value, void *target) {
        struct config *config = target;
        struct pauses pauses = {0};
        size_t n_before = reader->mistakes.n;
        take_each(reader, value, push_pause, &pauses);
        if (pauses.n > 0) {
                free(config->restart_backoff_us);
                config->restart_backoff_us = pauses.items;
                config->n_restart_backoff = pauses.n;
        } else if (reader->mistakes.n == n_before)
                reader_wrong(reader, value, "at least one pause is needed, as in [1s, 5s, 30s]");
}

/* How long to wait for a height, which may be weeks away: 0 is for ever. */
static void take_patience(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        uint64_t usec = 0;
        if (!text || (strcmp(text, "0") != 0 && strcmp(text, "infinity") != 0 &&
                                     !read_duration(reader, value, text, &usec)))
                return;
        *(uint64_t *)target = usec == 0 ? USEC_INFINITY : usec;
}
