#include "../lib/log.h"
#include "commands.h"
#include "control.h"
#include "output.h"
#include "render.h"
#include "schedule_write.h"

static int set_boundaries(const struct arguments *arguments, const struct node *node,
                const struct boundary_rule *rules, size_t n, uint64_t sequence);
static int remove_boundary(const struct node *node, const struct boundary_rule *rule);

static bool any_is_pending(const struct journal_boundary *boundaries, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (boundaries[i].rule.unit != UNIT_HEIGHT && boundaries[i].height == UINT64_MAX)
                        return true;
        return false;
}

/* What the node tells of the units of such boundaries. The schedule can be shown without it. */
static json_t *ask_status(const struct node *node) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        int r = control_ask(node, "Status", CONTROL_CALL_TIMEOUT_US, &error, &reply, "");
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        return r < 0 ? NULL : json_loads(text, 0, NULL);
}

int command_schedule_show(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        _cleanup_free_ struct journal_boundary *boundaries = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_(output_json_done) json_t *told = NULL;
        uint64_t sequence = 0;
        size_t n = 0;
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = node_open_journal(&node, &journal);
        if (status != 0)
                return status;
        int r = journal ? journal_boundary_list(journal, &boundaries, &n, &sequence) : 0;
        if (r >= 0 && any_is_pending(boundaries, n))
                told = ask_status(&node);
        const json_t *pending = json_object_get(json_object_get(told, "schedule"), "pending");
        if (r >= 0 && arguments->json) {
                _cleanup_(output_json_done) json_t *json =
                                render_schedule_json(boundaries, n, sequence, pending);
                return output_json(json);
        }
        uint64_t document = SCHEDULE_NO_SEQUENCE;
        if (r >= 0 && journal)
                r = journal_document_get(journal, &document);
        if (r >= 0)
                r = render_schedule(boundaries, n, document, pending, &text);
        return output_text(r, text);
}

/* Two words are a boundary of the only node; these are a node and less than a boundary. */
static bool is_short_of_a_word(const struct arguments *arguments) {
        const char *node = arguments->words[0], *text = arguments->words[1];
        char point[128];
        enum boundary_unit unit;
        uint64_t at;
        size_t length = strcspn(text, " \t");
        const char *rest = text + length + strspn(text + length, " \t");
        if (arguments->node || boundary_parse_point(node, &unit, &at) >= 0)
                return false;
        (void)snprintf(point, sizeof(point), "%.*s", (int)length, text);
        bool has_point = boundary_parse_point(point, &unit, &at) >= 0;
        if (has_point && *rest)
                log_error("height and range are two arguments: write `interrex schedule set %s %s '%s'`",
                                node, point, rest);
        else if (has_point)
                log_error("a range is missing behind %s: give a height and a range, such as "
                          "`interrex schedule set %s %s '>=1.1.0'`",
                                point, node, point);
        else if (node_exists(arguments, node))
                log_error("a height is missing before %s: give a height and a range, such as "
                          "`interrex schedule set %s 1300 '%s'`",
                                text, node, text);
        else
                return false;
        return true;
}

int command_schedule_set(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        struct boundary_rule rule;
        char point[64], why[384];
        if (is_short_of_a_word(arguments))
                return EXIT_USAGE;
        if (boundary_parse(arguments->words[0], arguments->words[1], &rule, why, sizeof(why)) < 0) {
                log_error("%s", why);
                return EXIT_USAGE;
        }
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = set_boundaries(arguments, &node, &rule, 1, SCHEDULE_NO_SEQUENCE);
        if (status == 0) {
                boundary_format_point(rule.unit, rule.at, point, sizeof(point));
                (void)printf("from %s%s on, node %s is to run a release in %s\n",
                                rule.unit == UNIT_HEIGHT ? "height " : "", point, node.name, rule.range);
        }
        return status;
}

int command_schedule_remove(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        struct boundary_rule rule = {.from = BOUNDARY_NO_WINDOW};
        if (boundary_parse_point(arguments->words[0], &rule.unit, &rule.at) < 0) {
                log_error("%s is not a height: give the boundary as `interrex schedule show` shows it",
                                arguments->words[0]);
                return EXIT_USAGE;
        }
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = remove_boundary(&node, &rule);
        if (status == 0)
                (void)printf("the boundary at %s of node %s is gone\n", arguments->words[0], node.name);
        return status;
}

static int append_rules(sd_bus_message *message, const void *arguments) {
        const struct schedule_change *change = arguments;
        int r = sd_bus_message_open_container(message, 'a', "(uuttss)");
        for (size_t i = 0; r >= 0 && i < change->n; i++) {
                const struct boundary_rule *rule = &change->rules[i];
                r = sd_bus_message_append(message, "(uuttss)", rule->unit, rule->mode, rule->at, rule->from,
                                rule->range, rule->protocol);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_append(message, "t", change->sequence);
}

/* While the node is supervised, the journal is the director's. */
static int set_boundaries(const struct arguments *arguments, const struct node *node,
                const struct boundary_rule *rules, size_t n, uint64_t sequence) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(schedule_change_done) struct schedule_change change = {
                        .rules = rules, .n = n, .sequence = sequence};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = control_ask_filled(
                        node, "ScheduleSet", CONTROL_CALL_TIMEOUT_US, &error, &reply, append_rules, &change);
        if (r >= 0)
                return 0;
        if (r != -ESRCH)
                return control_explain(node, r, &error);
        int status = node_make_state(arguments, node);
        return status == 0 ? schedule_write(node, &change) : status;
}

static int remove_boundary(const struct node *node, const struct boundary_rule *rule) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        int r = control_ask(node, "ScheduleRemove", CONTROL_CALL_TIMEOUT_US, &error, &reply, "ut",
                        rule->unit, rule->at);
        if (r >= 0)
                return 0;
        if (r != -ESRCH)
                return control_explain(node, r, &error);
        int status = node_write_journal(node, &journal);
        if (status != 0)
                return status;
        r = journal_boundary_remove(journal, rule);
        if (r == -ENOENT) {
                log_error("there is no such boundary: see `interrex schedule show`");
                return EXIT_FAILED;
        }
        return r < 0 ? schedule_explain_journal(node, r) : 0;
}
