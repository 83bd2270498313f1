/* `height.units`: by what boundaries in views and epochs are told on a node that counts in heights. */
#include "config_sections.h"
#include "config_values.h"

#define FIELD(structure, member) offsetof(struct structure, member)

struct entry {
        enum boundary_unit unit; /* UNIT_HEIGHT: missing or misspelt */
        struct counter_config counter;
};

static const char *const source_names[] = {[HEIGHT_METRICS] = "metrics", [HEIGHT_EXEC] = "exec"};

static void read_entry(struct reader *reader, const yaml_node_t *node, struct entry *entry);

TAKE_CHOICE(take_unit, enum boundary_unit, NULL, "view", "epoch")

static void take_source(struct reader *reader, const yaml_node_t *value, void *target) {
        int choice = reader_choice(reader, value, source_names, ELEMENTS(source_names));
        if (choice >= 0)
                *(enum height_source *)target = (enum height_source)choice;
}

void counter_done(struct counter_config *counter) {
        free(counter->url);
        free(counter->metric);
        strv_free(counter->command);
        *counter = (struct counter_config){0};
}

void take_units(struct reader *reader, const yaml_node_t *value, void *target) {
        struct counter_config *counters = target;
        if (!reader_is_list(reader, value))
                return;
        for (const yaml_node_item_t *item = value->data.sequence.items.start;
                        item < value->data.sequence.items.top; item++) {
                const yaml_node_t *node = yaml_document_get_node(reader->document, *item);
                struct entry entry;
                read_entry(reader, node, &entry);
                if (entry.unit == UNIT_HEIGHT || counters[entry.unit].line != 0) {
                        if (entry.unit != UNIT_HEIGHT)
                                reader_wrong(reader, node,
                                                "two sources for %ss; which of them would be believed?",
                                                boundary_unit_name(entry.unit));
                        counter_done(&entry.counter);
                        continue;
                }
                counters[entry.unit] = entry.counter;
        }
}

static void check_entry(struct reader *reader, const yaml_node_t *node, const struct entry *entry) {
        static const char *const needs[][2] = {
                        [HEIGHT_METRICS] = {"url", "metric"}, [HEIGHT_EXEC] = {"command"}};
        enum height_source source = entry->counter.source;
        if (!reader_find(reader, node, "unit"))
                reader_wrong(reader, node, "an entry needs `unit`: view or epoch");
        if (!reader_find(reader, node, "source"))
                reader_wrong(reader, node, "an entry needs `source`: metrics or exec");
        for (size_t i = 0; source != HEIGHT_NONE && i < 2; i++)
                if (needs[source][i] && !reader_find(reader, node, needs[source][i]))
                        reader_wrong(reader, node, "the source %s needs `%s`", source_names[source],
                                        needs[source][i]);
}

static void read_entry(struct reader *reader, const yaml_node_t *node, struct entry *entry) {
        static const struct reader_key keys[] = {
                        {"unit", take_unit, FIELD(entry, unit)},
                        {"source", take_source, FIELD(entry, counter.source)},
                        {"url", take_url, FIELD(entry, counter.url)},
                        {"metric", take_short_text, FIELD(entry, counter.metric)},
                        {"command", take_command, FIELD(entry, counter.command)},
                        {"every", take_period, FIELD(entry, counter.every_us)},
        };
        *entry = (struct entry){.unit = UNIT_HEIGHT,
                        .counter = {.every_us = USEC_PER_SEC, .line = reader_line(node)}};
        reader_section(reader, node, "height.units", keys, ELEMENTS(keys), entry);
        if (entry->counter.url)
                (void)address_from_url(entry->counter.url, &entry->counter.address);
        if (node->type == YAML_MAPPING_NODE)
                check_entry(reader, node, entry);
}
