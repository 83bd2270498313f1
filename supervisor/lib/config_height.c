/* `height`: where the height is asked for. */
#include "config_sections.h"
#include "config_values.h"

#define FIELD(structure, member) offsetof(struct structure, member)

static void check_source(
                struct reader *reader, const yaml_node_t *section, enum height_source source, unsigned line);
static void check_scheme(
                struct reader *reader, const yaml_node_t *section, const struct height_config *height);
static void check_role(struct reader *reader, const yaml_node_t *section, struct height_config *height);
static void check_own_unit(struct reader *reader, const struct height_config *height);

static const char *const source_names[] = {
                NULL, "ethereum", "cometbft", "flow", "metrics", "log", "file", "notify", "exec", "bitcoin"};

TAKE_CHOICE(take_unit, enum boundary_unit, "height", "view", "epoch")
TAKE_CHOICE(take_role, enum flow_role, NULL, "execution", "access", "collection", "consensus",
                "verification")

static void take_source(struct reader *reader, const yaml_node_t *value, void *target) {
        int choice = reader_choice(reader, value, source_names, ELEMENTS(source_names));
        if (choice >= 0)
                *(enum height_source *)target = (enum height_source)choice;
}

void take_height(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"source", take_source, FIELD(height_config, source)},
                        {"unit", take_unit, FIELD(height_config, unit)},
                        {"url", take_any_url, FIELD(height_config, url)},
                        {"role", take_role, FIELD(height_config, role)},
                        {"metric", take_short_text, FIELD(height_config, metric)},
                        {"pattern", take_pattern, FIELD(height_config, pattern)},
                        {"path", take_path, FIELD(height_config, path)},
                        {"command", take_command, FIELD(height_config, command)},
                        {"every", take_period, FIELD(height_config, every_us)},
                        {"units", take_units, FIELD(height_config, units)},
        };
        struct height_config *height = target;
        unsigned line = reader->line;
        reader_section(reader, value, "height", keys, ELEMENTS(keys), target);
        if (height->url)
                (void)address_from_url(height->url, &height->address);
        if (value->type != YAML_MAPPING_NODE)
                return;
        check_source(reader, value, height->source, line);
        check_scheme(reader, value, height);
        check_role(reader, value, height);
        check_own_unit(reader, height);
}

static void check_source(struct reader *reader, const yaml_node_t *section, enum height_source source,
                unsigned line) {
        static const char *const needs[][2] = {[HEIGHT_ETHEREUM] = {"url"},
                        [HEIGHT_COMETBFT] = {"url"},
                        [HEIGHT_FLOW] = {"url"},
                        [HEIGHT_BITCOIN] = {"url"},
                        [HEIGHT_METRICS] = {"url", "metric"},
                        [HEIGHT_LOG] = {"pattern"},
                        [HEIGHT_FILE] = {"path"},
                        [HEIGHT_EXEC] = {"command"},
                        [HEIGHT_NOTIFY] = {NULL}};
        INVARIANT(source < ELEMENTS(needs));
        if (!reader_find(reader, section, "source"))
                reader_mistake(reader, line,
                                "height needs `source`: ethereum, cometbft, flow, bitcoin, metrics, log, "
                                "file, notify or exec");
        for (size_t i = 0; i < 2; i++)
                if (needs[source][i] && !reader_find(reader, section, needs[source][i]))
                        reader_mistake(reader, line, "height.source: %s needs height.%s",
                                        source_names[source], needs[source][i]);
}

static void check_scheme(
                struct reader *reader, const yaml_node_t *section, const struct height_config *height) {
        bool is_websocket = height->url && strncmp(height->url, "ws", 2) == 0;
        if (is_websocket && height->source != HEIGHT_ETHEREUM && height->source != HEIGHT_NONE)
                reader_mistake(reader, reader_find_line(reader, section, "url"),
                                "height.url: only the source ethereum is asked over ws:// or wss://; write "
                                "http://");
}

/* Which height counts differs: what has been executed, where that is the node's work, else what is final. The names of the
 * metrics were read in flow-go (module/metrics). */
static void check_role(struct reader *reader, const yaml_node_t *section, struct height_config *height) {
        const char *path = height->url ? strstr(height->url, "://") : NULL;
        unsigned line = reader_find_line(reader, section, "role");
        size_t length = height->url ? strcspn(height->url, "?#") : 0;
        bool is_metrics = length >= 8 && strncmp(height->url + length - 8, "/metrics", 8) == 0;
        bool is_rest = path && strstr(path, "/v1/");
        if (height->source != HEIGHT_FLOW) {
                if (reader_find(reader, section, "role"))
                        reader_mistake(reader, line, "height.role is for the source flow");
                return;
        }
        if (reader_find(reader, section, "metric"))
                reader_mistake(reader, reader_find_line(reader, section, "metric"),
                                "height.metric: the source flow chooses the metric by height.role");
        if (!reader_find(reader, section, "role") && is_metrics)
                reader_mistake(reader, reader_find_line(reader, section, "url"),
                                "height.url is that of metrics, so height.role is needed: execution, "
                                "access, "
                                "collection, consensus or verification");
        if (!height->role || !path)
                return;
        if (is_rest && height->role != FLOW_ACCESS)
                reader_mistake(reader, line,
                                "height.role: only access nodes answer REST; give the URL of the node's "
                                "metrics");
        else if (!is_rest && !is_metrics)
                reader_mistake(reader, reader_find_line(reader, section, "url"),
                                "height.url with a role must be that of metrics (.../metrics) or of REST "
                                "(.../v1/blocks?height=sealed)");
        else if (is_metrics && !height->metric)
                height->metric = reader_copy(
                                reader, height->role == FLOW_EXECUTION
                                                        ? "execution_runtime_last_executed_block_height"
                                                        : "consensus_compliance_finalized_height");
}

static void check_own_unit(struct reader *reader, const struct height_config *height) {
        const struct counter_config *own = &height->units[height->unit];
        const char *name = boundary_unit_name(height->unit);
        if (own->line != 0)
                reader_mistake(reader, own->line,
                                "height.units: the height itself is in %ss by `height.unit`, so its source "
                                "tells them; leave `unit: %s` out here",
                                name, name);
}
