/* The YAML document is read with libyaml itself: a mapping to C structures by libcyaml ends at the first
 * mistake, and an operator wants all of them at once, each with its line. */
#include "config.h"

#include "config_reader.h"
#include "config_sections.h"
#include "config_values.h"
#include "keeper_protocol.h"
#include <signal.h>

/* What interrex itself adds to a generation's arguments and environment: PATH, HOME, NOTIFY_SOCKET,
 * LISTEN_FDS. */
#define SPAWN_STRINGS_RESERVE (8 * 1024)
#define LISTEN_MAX 64
#define LISTEN_FDS_MAX (KEEPER_SPAWN_FDS_MAX - 2)

static struct config *config_with_defaults(void);
static int read_document(struct reader *reader, struct config *config);
static void take_node(struct reader *reader, const yaml_node_t *value, void *target);
static void take_release(struct reader *reader, const yaml_node_t *value, void *target);
static void check_whole(struct reader *reader, const yaml_node_t *root, const struct config *config);
static int by_line(const void *a, const void *b);

int config_parse(const char *text, size_t length, struct config **ret_config,
                struct config_mistakes *ret_mistakes) {
        _cleanup_(config_free_at) struct config *config = config_with_defaults();
        yaml_document_t document;
        struct reader reader = {.document = &document};
        if (!config)
                return -ENOMEM;
        int r = reader_load(&reader, text, length, &document);
        if (r >= 0) {
                r = read_document(&reader, config);
                yaml_document_delete(&document);
        }
        if (reader.failed || (r < 0 && r != -EINVAL)) {
                config_mistakes_done(&reader.mistakes);
                return -ENOMEM;
        }
        if (reader.mistakes.n > 0) {
                qsort(reader.mistakes.items, reader.mistakes.n, sizeof(*reader.mistakes.items), by_line);
                *ret_mistakes = reader.mistakes;
                return -EINVAL;
        }
        INVARIANT(r >= 0);
        *ret_config = TAKE_POINTER(config);
        return 0;
}

bool node_name_is_valid(const char *name) {
        static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        size_t length = strlen(name);
        return length > 0 && length < NODE_NAME_MAX && strchr(first, *name) &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

static void probe_done(struct probe_config *probe) {
        free(probe->name);
        free(probe->url);
        free(probe->contains);
        free(probe->address_text);
        strv_free(probe->command);
}

void config_free(struct config *config) {
        if (!config)
                return;
        char *texts[] = {config->node, config->release, config->exec.command, config->exec.user,
                        config->exec.group, config->exec.working_directory, config->state.directory,
                        config->height.url, config->height.metric, config->height.pattern,
                        config->height.path, config->gate.symbol, config->gate.symbol_pattern,
                        config->gate.usdt, config->gate.pattern, config->schedule.path, config->schedule.url,
                        config->schedule.ca};
        char **vectors[] = {config->exec.args, config->exec.env, config->state.hook, config->state.keep,
                        config->height.command, config->gate.args, config->trust_keys,
                        config->schedule.names, config->schedule.compatible};
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                free(texts[i]);
        for (size_t i = 0; i < ELEMENTS(vectors); i++)
                strv_free(vectors[i]);
        for (size_t i = 0; i < config->n_probes; i++)
                probe_done(&config->probes[i]);
        for (size_t i = 0; i < BOUNDARY_UNITS; i++)
                counter_done(&config->height.units[i]);
        free(config->probes);
        free(config->listen);
        free(config->hold_serve);
        free(config->exec.limits);
        free(config->restart_backoff_us);
        free(config);
}

void config_free_at(struct config **config) {
        config_free(*config);
}

void config_mistakes_done(struct config_mistakes *mistakes) {
        for (size_t i = 0; i < mistakes->n; i++)
                free(mistakes->items[i].text);
        free(mistakes->items);
        *mistakes = (struct config_mistakes){0};
}

static struct config *config_with_defaults(void) {
        static const uint64_t backoff[] = {USEC_PER_SEC, 5 * USEC_PER_SEC, 30 * USEC_PER_SEC};
        struct config *config = calloc(1, sizeof(*config));
        if (!config)
                return NULL;
        config->exec.stop_signal = SIGTERM;
        config->exec.stop_timeout_us = 20 * USEC_PER_SEC;
        config->state.copy_limit = UINT64_C(1) << 30;
        config->height.every_us = 250 * USEC_PER_MSEC;
        config->gate.argument = 1;
        config->progress_within_us = 30 * USEC_PER_SEC;
        config->probation_us = 60 * USEC_PER_SEC;
        config->restart_give_up_after = 10;
        config->deadlines = (struct deadline_config){.prepare_us = 60 * USEC_PER_SEC,
                        .gate_us = USEC_INFINITY,
                        .rehearse_us = 300 * USEC_PER_SEC,
                        .snapshot_us = 600 * USEC_PER_SEC,
                        .prove_us = 60 * USEC_PER_SEC,
                        .drain_us = 30 * USEC_PER_SEC};
        config->restart_backoff_us = malloc(sizeof(backoff));
        if (!config->restart_backoff_us) {
                free(config);
                return NULL;
        }
        memcpy(config->restart_backoff_us, backoff, sizeof(backoff));
        config->n_restart_backoff = ELEMENTS(backoff);
        return config;
}

static int read_document(struct reader *reader, struct config *config) {
        static const struct reader_key keys[] = {
                        {"node", take_node, offsetof(struct config, node)},
                        {"release", take_release, offsetof(struct config, release)},
                        {"exec", take_exec, offsetof(struct config, exec)},
                        {"listen", take_listen, 0},
                        {"state", take_state, offsetof(struct config, state)},
                        {"height", take_height, offsetof(struct config, height)},
                        {"gate", take_gate, offsetof(struct config, gate)},
                        {"probes", take_probes, 0},
                        {"progress", take_progress, 0},
                        {"probation", take_duration, offsetof(struct config, probation_us)},
                        {"restart", take_restart, 0},
                        {"trust", take_trust, 0},
                        {"deadlines", take_deadlines, offsetof(struct config, deadlines)},
                        {"hold", take_hold, 0},
                        {"rehearse", take_rehearse, offsetof(struct config, rehearses_at_gate)},
                        {"schedule", take_schedule, offsetof(struct config, schedule)},
        };
        const yaml_node_t *root = yaml_document_get_root_node(reader->document);
        if (!root || root->type != YAML_MAPPING_NODE) {
                reader_mistake(reader, root ? reader_line(root) : 1,
                                "the file is empty or not keys with values; begin with `node: NAME`");
                return -EINVAL;
        }
        /* Needed by sections that may stand before it. */
        const yaml_node_t *directory = reader_find(reader, reader_find(reader, root, "state"), "directory");
        if (directory && directory->type == YAML_SCALAR_NODE)
                reader->state_directory = (const char *)directory->data.scalar.value;
        reader_section(reader, root, "", keys, ELEMENTS(keys), config);
        check_whole(reader, root, config);
        return 0;
}

static void take_node(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text && !node_name_is_valid(text))
                reader_wrong(reader, value,
                                "\"%.60s\" must begin with a letter or digit and have only a-z, 0-9, '-', "
                                "'_' and '.', at most "
                                "%d of them",
                                text, NODE_NAME_MAX - 1);
        else if (text)
                take_text(reader, value, target);
}

static void take_release(struct reader *reader, const yaml_node_t *value, void *target) {
        struct version version;
        const char *text = reader_scalar(reader, value);
        if (text && version_parse(text, &version) < 0)
                reader_wrong(reader, value, "\"%.60s\" is not a version; write it like \"1.7.0\", in quotes",
                                text);
        else if (text) {
                char **release = target;
                take_text(reader, value, target);
                const char *canonical = version_canonical(*release ? *release : "");
                if (*release)
                        memmove(*release, canonical, strlen(canonical) + 1);
        }
}

static size_t bytes_of(char *const *texts) {
        size_t bytes = 0;
        for (size_t i = 0; texts && texts[i]; i++)
                bytes += strlen(texts[i]) + 1;
        return bytes;
}

static void check_whole(struct reader *reader, const yaml_node_t *root, const struct config *config) {
        unsigned listen_line = reader_find_line(reader, root, "listen");
        if (!reader_find(reader, root, "node"))
                reader_mistake(reader, reader_line(root),
                                "`node` is missing: the name of this node, as in `node: anvil`");
        if (!reader_find(reader, root, "exec"))
                reader_mistake(reader, reader_line(root),
                                "`exec` is missing: what to run, as in `exec: {command: anvil}`");
        if (config->progress_blocks > 0 && !reader_find(reader, root, "height"))
                reader_mistake(reader, reader_find_line(reader, root, "progress"),
                                "progress needs a `height` section: how would blocks be counted?");
        for (size_t i = 0; i < config->n_listen; i++)
                if (config->listen[i].transport == TRANSPORT_UNIX && !config->exec.listen_fds)
                        reader_mistake(reader, listen_line,
                                        "listen: %s can only be held for a node that takes LISTEN_FDS: set "
                                        "`exec.listen_fds: true`",
                                        config->listen[i].text);
        size_t most = config->exec.listen_fds ? LISTEN_FDS_MAX : LISTEN_MAX;
        if (config->n_listen > most)
                reader_mistake(reader, listen_line, "listen: %zu addresses; at most %zu can be held%s",
                                config->n_listen, most,
                                config->exec.listen_fds ? " for a node that takes LISTEN_FDS" : "");
        hold_check(reader, root, config);
        rehearse_check(reader, root, config);
        if (bytes_of(config->exec.args) + bytes_of(config->exec.env) >
                        KEEPER_STRINGS_MAX - SPAWN_STRINGS_RESERVE)
                reader_mistake(reader, reader_find_line(reader, root, "exec"),
                                "exec.args and exec.env are larger than %d KiB together; put some of it "
                                "into a file that the node reads",
                                (KEEPER_STRINGS_MAX - SPAWN_STRINGS_RESERVE) / 1024);
}

static int by_line(const void *a, const void *b) {
        const struct config_mistake *one = a, *other = b;
        return one->line < other->line ? -1 : one->line > other->line;
}
