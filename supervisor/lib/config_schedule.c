#include "config_sections.h"

#include "config_values.h"
#include "upgrade_info.h"

#define FIELD(member) offsetof(struct schedule_config, member)
#define EVERY_MIN (100 * USEC_PER_MSEC)
#define EVERY_MAX (24 * 3600 * USEC_PER_SEC)
#define LIST_MAX 64
#define URL_MAX 1024

static void check_place(struct reader *reader, const yaml_node_t *section,
                const struct schedule_config *schedule, unsigned line);
static void check_lists(struct reader *reader, const struct schedule_config *schedule, unsigned line);
static void take_source(struct reader *reader, const yaml_node_t *value, void *target);
static void take_document_url(struct reader *reader, const yaml_node_t *value, void *target);
static void take_every(struct reader *reader, const yaml_node_t *value, void *target);
static void take_unsigned_word(struct reader *reader, const yaml_node_t *value, void *target);

static const char *const source_names[] = {NULL, "file", "https", "cosmovisor", "flow"};

void take_schedule(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {
                        {"source", take_source, FIELD(source)},
                        {"path", take_path, FIELD(path)},
                        {"url", take_document_url, FIELD(url)},
                        {"ca", take_path, FIELD(ca)},
                        {"every", take_every, FIELD(every_us)},
                        {"names", take_environment, FIELD(names)},
                        {"compatible", take_texts, FIELD(compatible)},
                        {"unsigned", take_unsigned_word, FIELD(unsigned_allowed)},
        };
        const struct schedule_config *schedule = target;
        unsigned line = reader->line;
        reader_section(reader, value, "schedule", keys, ELEMENTS(keys), target);
        if (value->type != YAML_MAPPING_NODE)
                return;
        if (!reader_find(reader, value, "source"))
                reader_mistake(reader, line, "schedule needs `source`: file, https, cosmovisor or flow");
        if (schedule->source != SOURCE_NONE)
                check_place(reader, value, schedule, line);
        check_lists(reader, schedule, line);
}

static bool has_keys(struct reader *reader) {
        const yaml_node_t *root = yaml_document_get_root_node(reader->document);
        const yaml_node_t *keys = reader_find(reader, reader_find(reader, root, "trust"), "keys");
        return keys && keys->type == YAML_SEQUENCE_NODE &&
               keys->data.sequence.items.start < keys->data.sequence.items.top;
}

static void check_place(struct reader *reader, const yaml_node_t *section,
                const struct schedule_config *schedule, unsigned line) {
        bool path = reader_find(reader, section, "path"), url = reader_find(reader, section, "url");
        const char *name = source_names[schedule->source];
        bool is_flow = schedule->source == SOURCE_FLOW;
        if (schedule->source == SOURCE_HTTPS && (!url || path))
                reader_mistake(reader, line,
                                "schedule.source: https needs schedule.url, and no schedule.path");
        if (schedule->source == SOURCE_HTTPS && !has_keys(reader))
                reader_mistake(reader, line,
                                "schedule.source: https needs trust.keys: whoever has the server would else "
                                "decide what runs here");
        if (schedule->source == SOURCE_FILE && (!path || url))
                reader_mistake(reader, line,
                                "schedule.source: file needs schedule.path, and no schedule.url");
        if (schedule->source == SOURCE_COSMOVISOR && (url || (!path && !reader->state_directory)))
                reader_mistake(reader, line,
                                "schedule.source: cosmovisor needs schedule.path or state.directory, and no "
                                "schedule.url: where "
                                "does the node write upgrade-info.json?");
        if (is_flow && path == url)
                reader_mistake(reader, line,
                                "schedule.source: flow needs either schedule.path or schedule.url");
        if (schedule->ca && !url)
                reader_mistake(reader, line, "schedule.ca needs schedule.url: whom is it to speak for?");
        if (schedule->unsigned_allowed && !is_flow)
                reader_mistake(reader, line, "schedule.unsigned is for source flow only, not for %s", name);
}

/* Of a chain's upgrade a version, or a range; of a beacon a version. */
static bool is_right(const char *text, bool may_be_range) {
        struct version version;
        struct range range;
        return strlen(text) < VERSION_TEXT_MAX &&
               (version_parse(text, &version) >= 0 ||
                               (may_be_range && *text && range_parse(text, &range) >= 0 &&
                                               !range_is_empty(&range)));
}

static void check_lists(struct reader *reader, const struct schedule_config *schedule, unsigned line) {
        if (schedule->names && schedule->source != SOURCE_COSMOVISOR)
                reader_mistake(reader, line, "schedule.names is for source cosmovisor only");
        if (schedule->compatible && schedule->source != SOURCE_FLOW)
                reader_mistake(reader, line, "schedule.compatible is for source flow only");
        if (strv_length(schedule->names) > LIST_MAX || strv_length(schedule->compatible) > LIST_MAX)
                reader_mistake(reader, line, "schedule.names and schedule.compatible: more than %d",
                                LIST_MAX);
        for (char **pair = schedule->names; pair && *pair; pair++) {
                const char *text = strchr(*pair, '=') + 1;
                if (strlen(*pair) >= UPGRADE_NAME_MAX + VERSION_TEXT_MAX || !is_right(text, true))
                        reader_mistake(reader, line,
                                        "schedule.names: \"%.60s\" is neither a version nor a range; write "
                                        "it like \"2.0.0\" or "
                                        "\">=2.0.0 <2.1.0\", in quotes",
                                        text);
        }
        for (char **text = schedule->compatible; text && *text; text++)
                if (!is_right(*text, false))
                        reader_mistake(reader, line,
                                        "schedule.compatible: \"%.60s\" is not a version; write it like "
                                        "\"2.0.0\", in quotes",
                                        *text);
}

static void take_source(struct reader *reader, const yaml_node_t *value, void *target) {
        int choice = reader_choice(reader, value, source_names, ELEMENTS(source_names));
        if (choice >= 0)
                *(enum source_kind *)target = (enum source_kind)choice;
}

static void take_document_url(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text && (strlen(text) >= URL_MAX || !url_can_be_fetched(text)))
                reader_wrong(reader, value,
                                "\"%.100s\" must be https://HOST/PATH without a password; http:// only from "
                                "this machine itself, as "
                                "in http://127.0.0.1:8080/schedule",
                                text);
        else if (text)
                take_text(reader, value, target);
}

static void take_every(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        uint64_t usec;
        if (!text || !read_duration(reader, value, text, &usec))
                return;
        if (usec < EVERY_MIN || usec > EVERY_MAX)
                reader_wrong(reader, value, "\"%.40s\" must be from 100ms to 24h", text);
        else
                *(uint64_t *)target = usec;
}

static void take_unsigned_word(struct reader *reader, const yaml_node_t *value, void *target) {
        static const char *const names[] = {"allow"};
        if (reader_choice(reader, value, names, ELEMENTS(names)) == 0)
                *(bool *)target = true;
}
