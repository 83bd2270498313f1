#include "../lib/log.h"
#include "../lib/schedule_change.h"
#include "commands.h"
#include "control.h"
#include "output.h"
#include "render.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

static int set_boundaries(const struct arguments *arguments, const struct node *node, const struct boundary_rule *rules,
                size_t n, uint64_t sequence);
static int remove_boundary(const struct node *node, const struct boundary_rule *rule);
static int read_file(const char *path, char **ret_text);

int command_schedule_show(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        _cleanup_free_ struct journal_boundary *boundaries = NULL;
        _cleanup_free_ char *text = NULL;
        uint64_t sequence = 0;
        size_t n = 0;
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = node_open_journal(&node, &journal);
        if (status != 0)
                return status;
        int r = journal ? journal_boundary_list(journal, &boundaries, &n, &sequence) : 0;
        if (r >= 0 && arguments->json) {
                _cleanup_(output_json_done) json_t *json = render_schedule_json(boundaries, n, sequence);
                return output_json(json);
        }
        if (r >= 0)
                r = render_schedule(boundaries, n, sequence, &text);
        return output_text(r, text);
}

int command_schedule_set(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        struct boundary_rule rule;
        char point[64], why[384];
        if (boundary_parse(arguments->words[0], arguments->words[1], &rule, why, sizeof(why)) < 0) {
                log_error("%s", why);
                return EXIT_USAGE;
        }
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = set_boundaries(arguments, &node, &rule, 1, SCHEDULE_NO_SEQUENCE);
        if (status == 0) {
                boundary_format_point(rule.unit, rule.at, point, sizeof(point));
                (void)printf("from %s%s on, node %s is to run a release in %s\n", rule.unit == UNIT_HEIGHT ? "height " : "", point,
                                node.name, rule.range);
        }
        return status;
}

int command_schedule_remove(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        struct boundary_rule rule = {.from = BOUNDARY_NO_WINDOW};
        if (boundary_parse_point(arguments->words[0], &rule.unit, &rule.at) < 0) {
                log_error("%s is not a height: give the boundary as `interrex schedule show` shows it", arguments->words[0]);
                return EXIT_USAGE;
        }
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = remove_boundary(&node, &rule);
        if (status == 0)
                (void)printf("the boundary at %s of node %s is gone\n", arguments->words[0], node.name);
        return status;
}

static int explain_mistakes(const char *path, const struct schedule_document *document) {
        for (size_t i = 0; i < document->n_mistakes; i++)
                (void)fprintf(stderr, "%s:%u: %s\n", path, document->mistakes[i].line, document->mistakes[i].text);
        log_error("%zu mistake%s in %s: nothing was imported", document->n_mistakes_in_all,
                        document->n_mistakes_in_all == 1 ? "" : "s", path);
        return EXIT_USAGE;
}

int command_schedule_import(const struct arguments *arguments) {
        _cleanup_(schedule_document_done) struct schedule_document document = {0};
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *text = NULL;
        const char *path = arguments->words[0];
        int status = read_file(path, &text);
        if (status != 0)
                return status;
        int r = schedule_document_parse(text, &document);
        if (r < 0)
                return r == -EINVAL ? explain_mistakes(path, &document) : output_text(r, NULL);
        status = node_find(arguments, true, &node);
        if (status == 0 && *document.node && strcmp(document.node, node.name) != 0) {
                log_error("%s is the schedule of node %s, not of %s: nothing was imported", path, document.node, node.name);
                status = EXIT_FAILED;
        }
        if (status == 0)
                status = set_boundaries(arguments, &node, document.rules, document.n_rules, document.sequence);
        if (status == 0)
                (void)printf("%zu boundaries of node %s are set\n", document.n_rules, node.name);
        return status;
}

static int append_rules(sd_bus_message *message, const void *arguments) {
        const struct schedule_change *change = arguments;
        int r = sd_bus_message_open_container(message, 'a', "(uuttss)");
        for (size_t i = 0; r >= 0 && i < change->n; i++) {
                const struct boundary_rule *rule = &change->rules[i];
                r = sd_bus_message_append(message, "(uuttss)", rule->unit, rule->mode, rule->at, rule->from, rule->range,
                                rule->protocol);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_append(message, "t", change->sequence);
}

static int explain_journal(const struct node *node, int r) {
        log_errno(r, "cannot write the schedule into %s: nothing was changed", node->journal);
        return EXIT_FAILED;
}

static int write_rules(const struct node *node, struct schedule_change *change) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        char why[512];
        int status = node_write_journal(node, &journal);
        if (status != 0)
                return status;
        int r = schedule_change_read(journal, change);
        if (r < 0)
                return explain_journal(node, r);
        if (schedule_change_check(change, why, sizeof(why)) < 0) {
                log_error("%s", why);
                return EXIT_FAILED;
        }
        /* Where the node is and what it counts in is not known while it does not run. */
        r = schedule_change_write(journal, change, UNIT_HEIGHT, UINT64_MAX);
        return r < 0 ? explain_journal(node, r) : 0;
}

/* While the node is supervised, the journal is the director's. */
static int set_boundaries(const struct arguments *arguments, const struct node *node, const struct boundary_rule *rules,
                size_t n, uint64_t sequence) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(schedule_change_done) struct schedule_change change = {.rules = rules, .n = n, .sequence = sequence};
        int r = control_ask_filled(node, "ScheduleSet", CONTROL_CALL_TIMEOUT_US, &error, append_rules, &change);
        if (r >= 0)
                return 0;
        if (r != -ESRCH)
                return control_explain(node, r, &error);
        int status = node_make_state(arguments, node);
        return status == 0 ? write_rules(node, &change) : status;
}

static int remove_boundary(const struct node *node, const struct boundary_rule *rule) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        int r = control_ask(node, "ScheduleRemove", CONTROL_CALL_TIMEOUT_US, &error, &reply, "ut", rule->unit, rule->at);
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
        return r < 0 ? explain_journal(node, r) : 0;
}

/* Exit status. */
static int read_file(const char *path, char **ret_text) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0) {
                log_error("cannot read %s: %m", path);
                return EXIT_USAGE;
        }
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t)SCHEDULE_DOCUMENT_SIZE_MAX) {
                log_error("%s is not a schedule: give a text file of at most 1 MiB", path);
                return EXIT_USAGE;
        }
        _cleanup_free_ char *text = calloc(1, (size_t)st.st_size + 1);
        if (!text)
                return output_text(-ENOMEM, NULL);
        ssize_t n = read(fd, text, (size_t)st.st_size);
        if (n < 0 || memchr(text, '\0', (size_t)n)) {
                log_error("%s is not a text file: give one with a line \"HEIGHT RANGE\" for each boundary",
                                path);
                return EXIT_USAGE;
        }
        *ret_text = TAKE_POINTER(text);
        return 0;
}
