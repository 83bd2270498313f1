#include "config_sections.h"

#include <signal.h>
#include <sys/resource.h>

#define FIELD(structure, member) offsetof(struct structure, member)
#define TAKE_CHOICE(function, type, ...)                                                                    \
        static void function(struct reader *reader, const yaml_node_t *value, void *target) {               \
                static const char *const names[] = {__VA_ARGS__};                                           \
                int choice = reader_choice(reader, value, names, ELEMENTS(names));                          \
                if (choice >= 0)                                                                            \
                        *(type *) target = (type) choice;                                                   \
        }

/* In the order of the enumerations; NULL: not to be written by a user. */
TAKE_CHOICE(take_fence_kind, enum fence_kind, "lock", "exec")
TAKE_CHOICE(take_snapshot_kind, enum snapshot_kind, "auto", "btrfs", "reflink", "copy", "hook", "none")
TAKE_CHOICE(take_signer_kind, enum signer_kind, "none", "files", "inside")
TAKE_CHOICE(take_height_source, enum height_source, NULL, "ethereum", "cometbft", "flow", "metrics", "log", "file", "notify", "exec", "bitcoin")
TAKE_CHOICE(take_gate_kind, enum gate_kind, NULL, "uprobe", "node", "notify", "log", "observe")
TAKE_CHOICE(take_abi, enum gate_abi, "c", "go")
TAKE_CHOICE(take_probe_kind, enum probe_kind, "height", "http", "tcp", "exec")

static void take_signal(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value, "this");
        const char *name = text && strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
        for (int number = 1; name && number < NSIG; number++)
                if (sigabbrev_np(number) && strcmp(sigabbrev_np(number), name) == 0) {
                        *(int *) target = number;
                        return;
                }
        if (text)
                reader_mistake(reader, reader_line(value), "\"%.40s\" is not a signal's name; write it like SIGTERM", text);
}

static bool parse_limit(const char *text, uint64_t *ret_value) {
        if (strcmp(text, "infinity") == 0) {
                *ret_value = UINT64_MAX;
                return true;
        }
        return parse_u64(text, ret_value) >= 0;
}

static void take_limits(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct {
                const char *name;
                int resource;
        } known[] = {{"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"core", RLIMIT_CORE}, {"memlock", RLIMIT_MEMLOCK},
                        {"stack", RLIMIT_STACK}, {"as", RLIMIT_AS}, {"fsize", RLIMIT_FSIZE}, {"data", RLIMIT_DATA}};
        struct exec_config *exec = target;
        if (value->type != YAML_MAPPING_NODE) {
                reader_mistake(reader, reader_line(value), "limits must be a mapping, as in {nofile: 65536}");
                return;
        }
        for (const yaml_node_pair_t *pair = value->data.mapping.pairs.start; pair < value->data.mapping.pairs.top; pair++) {
                const yaml_node_t *key_node = yaml_document_get_node(reader->document, pair->key);
                const char *key = reader_scalar(reader, key_node, "a limit's name"), *text;
                struct rlimit_setting setting = {.resource = -1};
                char **both = NULL;
                const yaml_node_t *node = yaml_document_get_node(reader->document, pair->value);
                for (size_t i = 0; key && i < ELEMENTS(known); i++)
                        if (strcmp(known[i].name, key) == 0)
                                setting.resource = known[i].resource;
                if (node->type == YAML_SEQUENCE_NODE)
                        take_texts(reader, node, &both);
                else if ((text = reader_scalar(reader, node, "a limit")) && (strv_push(&both, text) < 0 || strv_push(&both, text) < 0))
                        reader->failed = true;
                if (key && setting.resource < 0)
                        reader_mistake(reader, reader_line(key_node), "unknown limit \"%.40s\"; known are nofile, nproc, core, memlock, stack, as, fsize, data", key);
                else if (strv_length(both) != 2 || !parse_limit(both[0], &setting.soft) || !parse_limit(both[1], &setting.hard) || setting.soft > setting.hard)
                        reader_mistake(reader, reader_line(node), "a limit is a number, infinity, or [soft, hard]");
                else {
                        struct rlimit_setting *grown = reallocarray(exec->limits, exec->n_limits + 1, sizeof(*grown));
                        if (grown) {
                                grown[exec->n_limits++] = setting;
                                exec->limits = grown;
                        } else
                                reader->failed = true;
                }
                strv_free(both);
        }
}

void take_exec(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"command", take_text, FIELD(exec_config, command)},
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
        reader_section(reader, value, "exec", keys, ELEMENTS(keys), target);
}

void take_state(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"directory", take_text, FIELD(state_config, directory)},
                        {"overlap", take_bool, FIELD(state_config, overlap)},
                        {"fence", take_fence_kind, FIELD(state_config, fence)},
                        {"snapshot", take_snapshot_kind, FIELD(state_config, snapshot)},
                        {"copy_limit", take_size, FIELD(state_config, copy_limit)},
                        {"hook", take_texts, FIELD(state_config, hook)},
                        {"keep", take_texts, FIELD(state_config, keep)},
                        {"signer", take_signer_kind, FIELD(state_config, signer)},
        };
        struct state_config *state = target;
        unsigned line = reader_line(value);
        reader_section(reader, value, "state", keys, ELEMENTS(keys), target);
        if (state->directory && *state->directory != '/')
                reader_mistake(reader, line, "state.directory must be an absolute path, not \"%.100s\"", state->directory);
        for (size_t i = 0; state->keep && state->keep[i]; i++)
                if (*state->keep[i] == '/' || strstr(state->keep[i], ".."))
                        reader_mistake(reader, line, "state.keep: \"%.100s\" must be a path below state.directory, without ..", state->keep[i]);
        if (state->signer == SIGNER_FILES && !state->keep)
                reader_mistake(reader, line, "state.signer: files needs state.keep: which files hold the signing memory?");
        if (state->signer != SIGNER_NONE && state->overlap)
                reader_mistake(reader, line, "state.overlap cannot be true for a signer: two generations would sign at once");
        if (state->snapshot == SNAPSHOT_HOOK && !state->hook)
                reader_mistake(reader, line, "state.snapshot: hook needs state.hook: which command takes the snapshot?");
}

static void check_address(struct address *address, const char *url) {
        if (url)
                (void) address_from_url(url, address);
}

void take_height(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"source", take_height_source, FIELD(height_config, source)},
                        {"url", take_url, FIELD(height_config, url)},
                        {"metric", take_text, FIELD(height_config, metric)},
                        {"pattern", take_pattern, FIELD(height_config, pattern)},
                        {"path", take_path, FIELD(height_config, path)},
                        {"command", take_texts, FIELD(height_config, command)},
                        {"every", take_duration, FIELD(height_config, every_us)},
        };
        struct height_config *height = target;
        unsigned line = reader_line(value);
        reader_section(reader, value, "height", keys, ELEMENTS(keys), target);
        check_address(&height->address, height->url);
        switch (height->source) {
        case HEIGHT_NONE:
                reader_mistake(reader, line, "height needs `source`: ethereum, cometbft, flow, bitcoin, metrics, log, file, notify or exec");
                break;
        case HEIGHT_ETHEREUM:
        case HEIGHT_COMETBFT:
        case HEIGHT_FLOW:
        case HEIGHT_BITCOIN:
        case HEIGHT_METRICS:
                if (!reader_find(reader, value, "url"))
                        reader_mistake(reader, line, "height.source of this kind needs height.url");
                if (height->source == HEIGHT_METRICS && !height->metric)
                        reader_mistake(reader, line, "height.source: metrics needs height.metric");
                break;
        case HEIGHT_LOG:
                if (!reader_find(reader, value, "pattern"))
                        reader_mistake(reader, line, "height.source: log needs height.pattern");
                break;
        case HEIGHT_FILE:
                if (!reader_find(reader, value, "path"))
                        reader_mistake(reader, line, "height.source: file needs height.path");
                break;
        case HEIGHT_EXEC:
                if (!height->command)
                        reader_mistake(reader, line, "height.source: exec needs height.command");
                else if (*height->command[0] != '/')
                        reader_mistake(reader, line, "height.command must begin with an absolute path");
                break;
        case HEIGHT_NOTIFY:
                break;
        }
        if (height->every_us < 10 * USEC_PER_MSEC)
                reader_mistake(reader, line, "height.every must be at least 10ms");
}

static void take_overshoot(struct reader *reader, const yaml_node_t *value, void *target) {
        static const char *const names[] = {"allow"};
        *(bool *) target = reader_choice(reader, value, names, ELEMENTS(names)) == 0;
}

void take_gate(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"kind", take_gate_kind, FIELD(gate_config, kind)},
                        {"symbol", take_text, FIELD(gate_config, symbol)},
                        {"usdt", take_text, FIELD(gate_config, usdt)},
                        {"argument", take_unsigned, FIELD(gate_config, argument)},
                        {"abi", take_abi, FIELD(gate_config, abi)},
                        {"args", take_texts, FIELD(gate_config, args)},
                        {"pattern", take_pattern, FIELD(gate_config, pattern)},
                        {"overshoot", take_overshoot, FIELD(gate_config, overshoot_allowed)},
        };
        struct gate_config *gate = target;
        unsigned line = reader_line(value);
        reader_section(reader, value, "gate", keys, ELEMENTS(keys), target);
        if (gate->kind == GATE_NONE)
                reader_mistake(reader, line, "gate needs `kind`: uprobe, notify, log or observe");
        if (gate->kind == GATE_UPROBE && !gate->symbol == !gate->usdt)
                reader_mistake(reader, line, "gate.kind: uprobe needs either gate.symbol or gate.usdt (\"provider:name\")");
        if (gate->kind == GATE_LOG && !reader_find(reader, value, "pattern"))
                reader_mistake(reader, line, "gate.kind: log needs gate.pattern");
        if (gate->kind == GATE_NODE)
                reader_mistake(reader, line, "gate.kind: node is not in this version; use uprobe, notify, log or observe");
        if (gate->kind == GATE_OBSERVE && !gate->overshoot_allowed)
                reader_mistake(reader, line, "gate.kind: observe only asks for the height and may stop too late; if the node switches its rules by itself, say `overshoot: allow`");
}

void take_listen(struct reader *reader, const yaml_node_t *value, void *target) {
        struct config *config = target;
        char **texts = NULL;
        take_texts(reader, value, &texts);
        for (size_t i = 0; texts && texts[i]; i++) {
                struct address address;
                const char *why = "";
                struct address *grown = reallocarray(config->listen, config->n_listen + 1, sizeof(*grown));
                if (!grown) {
                        reader->failed = true;
                        break;
                }
                config->listen = grown;
                if (address_parse(texts[i], &address, &why) < 0) {
                        reader_mistake(reader, reader_line(value), "listen: \"%.100s\": %s", texts[i], why);
                        continue;
                }
                for (size_t j = 0; j < config->n_listen; j++)
                        if (address_equal(&config->listen[j], &address))
                                reader_mistake(reader, reader_line(value), "listen: \"%.100s\" stands there twice", texts[i]);
                grown[config->n_listen++] = address;
        }
        strv_free(texts);
}

static void read_probe(struct reader *reader, const yaml_node_t *node, struct probe_config *probe) {
        static const struct reader_key keys[] = {
                        {"name", take_text, FIELD(probe_config, name)},
                        {"kind", take_probe_kind, FIELD(probe_config, kind)},
                        {"url", take_url, FIELD(probe_config, url)},
                        {"status", take_unsigned, FIELD(probe_config, status)},
                        {"contains", take_text, FIELD(probe_config, contains)},
                        {"command", take_texts, FIELD(probe_config, command)},
                        {"every", take_duration, FIELD(probe_config, every_us)},
                        {"timeout", take_duration, FIELD(probe_config, timeout_us)},
                        {"failures", take_unsigned, FIELD(probe_config, failures)},
                        {"address", take_text, FIELD(probe_config, address_text)},
        };
        char text[160];
        const char *why = "";
        unsigned line = reader_line(node);
        *probe = (struct probe_config){.every_us = USEC_PER_SEC, .timeout_us = USEC_PER_SEC, .failures = 3};
        reader_section(reader, node, "a probe", keys, ELEMENTS(keys), probe);
        if (!probe->name)
                reader_mistake(reader, line, "a probe needs `name`");
        if (!reader_find(reader, node, "kind"))
                reader_mistake(reader, line, "a probe needs `kind`: height, http, tcp or exec");
        if (probe->kind == PROBE_HTTP && !reader_find(reader, node, "url"))
                reader_mistake(reader, line, "a probe of kind http needs `url`");
        if (probe->kind == PROBE_EXEC && (!probe->command || *probe->command[0] != '/'))
                reader_mistake(reader, line, "a probe of kind exec needs `command`, a list that begins with an absolute path");
        if (probe->kind == PROBE_TCP && !probe->address_text)
                reader_mistake(reader, line, "a probe of kind tcp needs `address`, as in \"127.0.0.1:8545\"");
        check_address(&probe->address, probe->url);
        if (probe->kind == PROBE_TCP && probe->address_text) {
                (void) snprintf(text, sizeof(text), "tcp:%.140s", probe->address_text);
                if (address_parse(text, &probe->address, &why) < 0)
                        reader_mistake(reader, line, "a probe's address \"%.100s\": %s", probe->address_text, why);
        }
        if (probe->every_us < 10 * USEC_PER_MSEC || probe->timeout_us < USEC_PER_MSEC || probe->failures == 0)
                reader_mistake(reader, line, "a probe's `every` is at least 10ms, its `timeout` at least 1ms, its `failures` at least 1");
}

void take_probes(struct reader *reader, const yaml_node_t *value, void *target) {
        struct config *config = target;
        if (value->type != YAML_SEQUENCE_NODE) {
                reader_mistake(reader, reader_line(value), "probes must be a list");
                return;
        }
        for (const yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
                if (config->n_probes == PROBES_CONFIGURED_MAX) {
                        reader_mistake(reader, reader_line(value), "more than %d probes", PROBES_CONFIGURED_MAX);
                        return;
                }
                struct probe_config *grown = reallocarray(config->probes, config->n_probes + 1, sizeof(*grown));
                if (!grown) {
                        reader->failed = true;
                        return;
                }
                config->probes = grown;
                read_probe(reader, yaml_document_get_node(reader->document, *item), &grown[config->n_probes++]);
        }
}

void take_progress(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"blocks", take_unsigned, FIELD(config, progress_blocks)},
                        {"within", take_duration, FIELD(config, progress_within_us)},
        };
        reader_section(reader, value, "progress", keys, ELEMENTS(keys), target);
}

static void take_backoff(struct reader *reader, const yaml_node_t *value, void *target) {
        struct config *config = target;
        char **texts = NULL;
        take_texts(reader, value, &texts);
        size_t n = strv_length(texts);
        uint64_t *list = n ? calloc(n, sizeof(*list)) : NULL;
        for (size_t i = 0; list && i < n; i++)
                if (parse_duration(texts[i], &list[i]) < 0)
                        reader_mistake(reader, reader_line(value), "\"%.40s\" is not a duration; write it like 500ms, 20s, 5m or 1h", texts[i]);
        if (list) {
                free(config->restart_backoff_us);
                config->restart_backoff_us = list;
                config->n_restart_backoff = n;
        }
        strv_free(texts);
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
        struct config *config = target;
        reader_section(reader, value, "trust", keys, ELEMENTS(keys), target);
        /* Refused rather than ignored: a key that nobody checks would look like protection. */
        if (strv_length(config->trust_keys) > 0)
                reader_mistake(reader, reader_line(value), "trust.keys: signatures are not in this version; leave the list empty, digests are always checked");
}

void take_deadlines(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"prepare", take_duration, FIELD(deadline_config, prepare_us)},
                        {"gate", take_duration, FIELD(deadline_config, gate_us)},
                        {"snapshot", take_duration, FIELD(deadline_config, snapshot_us)},
                        {"prove", take_duration, FIELD(deadline_config, prove_us)},
                        {"drain", take_duration, FIELD(deadline_config, drain_us)},
        };
        reader_section(reader, value, "deadlines", keys, ELEMENTS(keys), target);
}
