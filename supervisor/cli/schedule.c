#include "../lib/log.h"
#include "commands.h"
#include "control.h"
#include "output.h"
#include "render.h"
#include "schedule_file.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX (1024 * 1024)

static int set_boundaries(const struct arguments *arguments, const struct node *node,
                const struct schedule_file *boundaries);
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
        struct schedule_line line;
        struct range range;
        if (parse_u64(arguments->words[0], &line.height) < 0 || line.height > INT64_MAX) {
                log_error("%s is not a height: give a whole number, such as 1300", arguments->words[0]);
                return EXIT_USAGE;
        }
        if (strlen(arguments->words[1]) >= sizeof(line.range) ||
                        range_parse(arguments->words[1], &range) < 0) {
                log_error("%s is not a version range: give one like '>=1.7.1' or '>=1.4.0 <2.0.0', in "
                          "quotes",
                                arguments->words[1]);
                return EXIT_USAGE;
        }
        text_copy(line.range, sizeof(line.range), arguments->words[1]);
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = set_boundaries(arguments, &node,
                                &(const struct schedule_file){.lines = &line, .n_lines = 1});
        if (status == 0)
                (void)printf("from height %" PRIu64 " on, node %s is to run a release in %s\n", line.height,
                                node.name, line.range);
        return status;
}

int command_schedule_import(const struct arguments *arguments) {
        _cleanup_(schedule_file_done) struct schedule_file file = {0};
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *text = NULL;
        const char *path = arguments->words[0];
        int status = read_file(path, &text);
        if (status != 0)
                return status;
        int r = schedule_file_parse(text, &file);
        for (size_t i = 0; r == -EINVAL && i < file.n_mistakes; i++)
                (void)fprintf(stderr, "%s:%u: %s\n", path, file.mistakes[i].line, file.mistakes[i].text);
        if (r == -EINVAL) {
                log_error("%zu mistake%s in %s: nothing was imported", file.n_mistakes,
                                file.n_mistakes == 1 ? "" : "s", path);
                return EXIT_USAGE;
        }
        if (r < 0)
                return output_text(r, NULL);
        status = node_find(arguments, true, &node);
        if (status == 0)
                status = set_boundaries(arguments, &node, &file);
        if (status == 0)
                (void)printf("%zu boundaries of node %s are set\n", file.n_lines, node.name);
        return status;
}

static int append_boundaries(sd_bus_message *message, const void *arguments) {
        const struct schedule_file *boundaries = arguments;
        int r = sd_bus_message_open_container(message, 'a', "(ts)");
        for (size_t i = 0; r >= 0 && i < boundaries->n_lines; i++)
                r = sd_bus_message_append(
                                message, "(ts)", boundaries->lines[i].height, boundaries->lines[i].range);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int write_boundaries(const struct node *node, const struct schedule_file *boundaries) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        int status = node_write_journal(node, &journal);
        if (status != 0)
                return status;
        int r = journal_begin(journal);
        for (size_t i = 0; r >= 0 && i < boundaries->n_lines; i++)
                r = journal_boundary_set(journal, boundaries->lines[i].height, boundaries->lines[i].range);
        if (r >= 0)
                r = journal_commit(journal);
        else
                journal_abort(journal);
        if (r >= 0)
                return 0;
        log_errno(r, "cannot write the schedule into %s: nothing was changed", node->journal);
        return EXIT_FAILED;
}

/* While the node is supervised, the journal is the director's. */
static int set_boundaries(const struct arguments *arguments, const struct node *node,
                const struct schedule_file *boundaries) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = boundaries->n_lines == 1
                                ? control_ask(node, "ScheduleSet", CONTROL_CALL_TIMEOUT_US, &error, &reply,
                                                  "ts", boundaries->lines[0].height,
                                                  boundaries->lines[0].range)
                                : control_ask_filled(node, "ScheduleImport", CONTROL_CALL_TIMEOUT_US, &error,
                                                  append_boundaries, boundaries);
        if (r >= 0)
                return 0;
        if (r != -ESRCH)
                return control_explain(node, r, &error);
        int status = node_make_state(arguments, node);
        return status == 0 ? write_boundaries(node, boundaries) : status;
}

/* Exit status. */
static int read_file(const char *path, char **ret_text) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0) {
                log_error("cannot read %s: %m", path);
                return EXIT_USAGE;
        }
        if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX) {
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
