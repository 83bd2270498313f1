#include "config_sections.h"

#include "config_values.h"

#define FIELD(structure, member) offsetof(struct structure, member)
#define KIND_UNKNOWN \
        ((enum probe_kind)UINT32_MAX) /* missing or misspelt: what it needs is not known either */

static void push_listen(struct reader *reader, const yaml_node_t *item, const char *text, void *target);
static void check_uprobe(struct reader *reader, const yaml_node_t *section, unsigned line);
static void take_usdt(struct reader *reader, const yaml_node_t *value, void *target);
static void take_status(struct reader *reader, const yaml_node_t *value, void *target);
static void take_exit_status(struct reader *reader, const yaml_node_t *value, void *target);
static void check_node(struct reader *reader, const struct gate_config *gate, unsigned line);
static void take_timeout(struct reader *reader, const yaml_node_t *value, void *target);
static void take_overshoot(struct reader *reader, const yaml_node_t *value, void *target);
static void read_probe(struct reader *reader, const yaml_node_t *node, struct probe_config *probe);
static void check_probe(struct reader *reader, const yaml_node_t *node, struct probe_config *probe);

TAKE_CHOICE(take_gate_kind, enum gate_kind, NULL, "uprobe", "node", "notify", "log", "observe")
TAKE_CHOICE(take_abi, enum gate_abi, "c", "go")
TAKE_CHOICE(take_probe_kind, enum probe_kind, "height", "http", "tcp", "exec", "flow-version")

void take_listen(struct reader *reader, const yaml_node_t *value, void *target) {
        take_each(reader, value, push_listen, target);
}

void take_gate(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"kind", take_gate_kind, FIELD(gate_config, kind)},
                        {"symbol", take_text, FIELD(gate_config, symbol)},
                        {"symbol_pattern", take_symbol_pattern, FIELD(gate_config, symbol_pattern)},
                        {"usdt", take_usdt, FIELD(gate_config, usdt)},
                        {"argument", take_count, FIELD(gate_config, argument)},
                        {"abi", take_abi, FIELD(gate_config, abi)},
                        {"args", take_texts, FIELD(gate_config, args)},
                        {"pattern", take_pattern, FIELD(gate_config, pattern)},
                        {"exit_status", take_exit_status, FIELD(gate_config, exit_status)},
                        {"overshoot", take_overshoot, FIELD(gate_config, overshoot_allowed)},
        };
        struct gate_config *gate = target;
        unsigned line = reader->line;
        gate->exit_status = -1;
        reader_section(reader, value, "gate", keys, ELEMENTS(keys), target);
        if (value->type != YAML_MAPPING_NODE)
                return;
        if (!reader_find(reader, value, "kind"))
                reader_mistake(reader, line, "gate needs `kind`: uprobe, node, notify, log or observe");
        if (gate->kind == GATE_UPROBE)
                check_uprobe(reader, value, line);
        if (gate->kind == GATE_LOG && !reader_find(reader, value, "pattern"))
                reader_mistake(reader, line,
                                "gate.kind: log needs gate.pattern, as in 'committed height=([0-9]+)'");
        check_node(reader, gate, line);
        if (gate->kind == GATE_OBSERVE && !reader_find(reader, value, "overshoot"))
                reader_mistake(reader, line,
                                "gate.kind: observe only asks for the height and may stop too late; if the "
                                "node switches its "
                                "rules by itself, say `overshoot: allow`");
        if (gate->kind == GATE_OBSERVE &&
                        !reader_find(reader, yaml_document_get_root_node(reader->document), "height"))
                reader_mistake(reader, line,
                                "gate.kind: observe needs a `height` section: where is the height asked "
                                "for?");
}

void take_probes(struct reader *reader, const yaml_node_t *value, void *target) {
        struct config *config = target;
        if (!reader_is_list(reader, value))
                return;
        for (const yaml_node_item_t *item = value->data.sequence.items.start;
                        item < value->data.sequence.items.top; item++) {
                const yaml_node_t *node = yaml_document_get_node(reader->document, *item);
                if (config->n_probes == PROBES_CONFIGURED_MAX) {
                        reader_wrong(reader, node, "more than %d probes", PROBES_CONFIGURED_MAX);
                        return;
                }
                struct probe_config *grown =
                                reallocarray(config->probes, config->n_probes + 1, sizeof(*grown));
                if (!grown) {
                        reader->failed = true;
                        return;
                }
                config->probes = grown;
                struct probe_config *probe = &grown[config->n_probes++];
                read_probe(reader, node, probe);
                for (size_t i = 0; probe->name && i + 1 < config->n_probes; i++)
                        if (grown[i].name && strcmp(grown[i].name, probe->name) == 0)
                                reader_wrong(reader, node,
                                                "two probes have the name \"%.60s\"; a report could not "
                                                "tell them apart",
                                                probe->name);
        }
}

static void push_listen(struct reader *reader, const yaml_node_t *item, const char *text, void *target) {
        struct config *config = target;
        struct address address;
        if (read_address(reader, item, text, &address))
                push_address(reader, item, &address, &config->listen, &config->n_listen);
}

/* Nothing is assumed: a gate that reads the wrong register stops the node at a random height, or never. */
static void check_uprobe(struct reader *reader, const yaml_node_t *section, unsigned line) {
        static const char *const places[] = {"symbol", "symbol_pattern", "usdt"};
        const char *function = NULL;
        unsigned n = 0;
        for (size_t i = 0; i < ELEMENTS(places); i++)
                if (reader_find(reader, section, places[i])) {
                        n++;
                        function = strcmp(places[i], "usdt") != 0 ? places[i] : function;
                }
        if (n != 1)
                reader_mistake(reader, line,
                                "gate.kind: uprobe needs either gate.symbol_pattern, gate.symbol or "
                                "gate.usdt "
                                "(\"provider:name\"), and only one");
        if (function && !reader_find(reader, section, "argument"))
                reader_mistake(reader, line,
                                "gate.%s needs gate.argument: which argument, from 1 on, is the height?",
                                function);
        if (function && !reader_find(reader, section, "abi"))
                reader_mistake(reader, line, "gate.%s needs gate.abi, c or go: how are arguments passed?",
                                function);
}

/* Without a place for the height the node would stop anywhere, or nowhere. */
static void check_node(struct reader *reader, const struct gate_config *gate, unsigned line) {
        bool has_place = false;
        for (char *const *text = gate->args; text && *text; text++)
                has_place = has_place || strstr(*text, "{last}") || strstr(*text, "{boundary}");
        if (gate->kind != GATE_NODE && (gate->args || gate->exit_status >= 0))
                reader_mistake(reader, line, "gate.args and gate.exit_status are for gate.kind: node");
        else if (gate->args && !has_place)
                reader_mistake(reader, line,
                                "gate.args needs {last}, the last height of the old release, or {boundary}, "
                                "the first of the new one, as in [\"--halt-height\", \"{last}\"]");
}

static void take_exit_status(struct reader *reader, const yaml_node_t *value, void *target) {
        unsigned status = 256;
        take_unsigned(reader, value, &status);
        if (status > 255)
                reader_wrong(reader, value, "this must be an exit status, from 0 to 255");
        else
                *(int *)target = (int)status;
}

static void take_usdt(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        const char *colon = text ? strchr(text, ':') : NULL;
        if (text && (!colon || colon == text || !colon[1] || strchr(colon + 1, ':')))
                reader_wrong(reader, value, "\"%.60s\" must be written as \"provider:name\"", text);
        else if (text)
                take_text(reader, value, target);
}

static void take_overshoot(struct reader *reader, const yaml_node_t *value, void *target) {
        static const char *const names[] = {"allow"};
        if (reader_choice(reader, value, names, ELEMENTS(names)) == 0)
                *(bool *)target = true;
}

static void take_status(struct reader *reader, const yaml_node_t *value, void *target) {
        unsigned status = 200;
        take_unsigned(reader, value, &status);
        if (status < 100 || status > 599)
                reader_wrong(reader, value, "%u is no HTTP status; they go from 100 to 599", status);
        else
                *(unsigned *)target = status;
}

static void take_timeout(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        uint64_t usec;
        if (!text || !read_duration(reader, value, text, &usec))
                return;
        if (usec < USEC_PER_MSEC || usec > 3600 * USEC_PER_SEC)
                reader_wrong(reader, value, "\"%.40s\" must be from 1ms to 1h", text);
        else
                *(uint64_t *)target = usec;
}

static void read_probe(struct reader *reader, const yaml_node_t *node, struct probe_config *probe) {
        static const struct reader_key keys[] = {
                        {"name", take_text, FIELD(probe_config, name)},
                        {"kind", take_probe_kind, FIELD(probe_config, kind)},
                        {"url", take_url, FIELD(probe_config, url)},
                        {"address", take_text, FIELD(probe_config, address_text)},
                        {"status", take_status, FIELD(probe_config, status)},
                        {"contains", take_short_text, FIELD(probe_config, contains)},
                        {"command", take_command, FIELD(probe_config, command)},
                        {"every", take_period, FIELD(probe_config, every_us)},
                        {"timeout", take_timeout, FIELD(probe_config, timeout_us)},
                        {"failures", take_count, FIELD(probe_config, failures)},
        };
        *probe = (struct probe_config){.kind = KIND_UNKNOWN,
                        .every_us = USEC_PER_SEC,
                        .timeout_us = USEC_PER_SEC,
                        .failures = 3};
        reader_section(reader, node, "probes", keys, ELEMENTS(keys), probe);
        if (node->type == YAML_MAPPING_NODE)
                check_probe(reader, node, probe);
}

static void check_probe(struct reader *reader, const yaml_node_t *node, struct probe_config *probe) {
        static const char *const needs[] = {[PROBE_HEIGHT] = NULL,
                        [PROBE_HTTP] = "url",
                        [PROBE_TCP] = "address",
                        [PROBE_EXEC] = "command",
                        [PROBE_FLOW_VERSION] = "url"};
        static const char *const names[] = {[PROBE_HEIGHT] = "height",
                        [PROBE_HTTP] = "http",
                        [PROBE_TCP] = "tcp",
                        [PROBE_EXEC] = "exec",
                        [PROBE_FLOW_VERSION] = "flow-version"};
        const yaml_node_t *root = yaml_document_get_root_node(reader->document);
        const char *why = "";
        if (!reader_find(reader, node, "name"))
                reader_wrong(reader, node, "a probe needs `name`, for reports");
        if (!reader_find(reader, node, "kind"))
                reader_wrong(reader, node, "a probe needs `kind`: height, http, tcp, exec or flow-version");
        if (probe->kind == KIND_UNKNOWN)
                return;
        INVARIANT(probe->kind < ELEMENTS(needs));
        const char *need = needs[probe->kind];
        if (need && !reader_find(reader, node, need))
                reader_wrong(reader, node, "a probe of kind %s needs `%s`", names[probe->kind], need);
        if (probe->kind == PROBE_HEIGHT && !reader_find(reader, root, "height"))
                reader_wrong(reader, node, "a probe of kind height needs a `height` section");
        if (probe->kind == PROBE_FLOW_VERSION &&
                        (reader_find(reader, node, "status") || reader_find(reader, node, "contains")))
                reader_wrong(reader, node, "`status` and `contains` are for probes of kind http");
        if (probe->url)
                (void)address_from_url(probe->url, &probe->address);
        if (probe->kind == PROBE_TCP && probe->address_text) {
                _cleanup_free_ char *text = NULL;
                /* As it stands in `listen`, or without the transport. */
                bool is_whole = strncmp(probe->address_text, "tcp:", 4) == 0;
                if (asprintf(&text, "%s%s", is_whole ? "" : "tcp:", probe->address_text) < 0) {
                        text = NULL;
                        reader->failed = true;
                } else if (address_parse(text, &probe->address, &why) < 0)
                        reader_wrong(reader, node, "the address \"%.100s\": %s", probe->address_text, why);
        }
}
