#include "schedule_file.h"

#include <stdarg.h>

static int parse_line(char *line, unsigned number, struct schedule_file *file);
static int add_mistake(struct schedule_file *file, unsigned line, const char *format, ...) _printf_(3, 4);

int schedule_file_parse(const char *text, struct schedule_file *ret_file) {
        _cleanup_(schedule_file_done) struct schedule_file file = {0};
        _cleanup_free_ char *copy = strdup(text);
        unsigned number = 0;
        int r = copy ? 0 : -ENOMEM;
        char *rest = copy, *line;
        while (r >= 0 && (line = strsep(&rest, "\n")))
                r = parse_line(line, ++number, &file);
        if (r >= 0 && file.n_lines == 0 && file.n_mistakes == 0)
                r = add_mistake(&file, number,
                                "there is no boundary in it: a line is HEIGHT RANGE, such as 1300 >=1.7.1");
        if (r < 0)
                return r;
        r = file.n_mistakes > 0 ? -EINVAL : 0;
        *ret_file = file;
        file = (struct schedule_file){0};
        return r;
}

void schedule_file_done(struct schedule_file *file) {
        free(file->lines);
        free(file->mistakes);
        file->lines = NULL;
        file->mistakes = NULL;
        file->n_lines = file->n_mistakes = 0;
}

static void trim(char *text) {
        size_t length = strlen(text);
        while (length > 0 && strchr(" \t\r", text[length - 1]))
                text[--length] = '\0';
}

static const struct schedule_line *find_height(const struct schedule_file *file, uint64_t height) {
        for (size_t i = 0; i < file->n_lines; i++)
                if (file->lines[i].height == height)
                        return &file->lines[i];
        return NULL;
}

static int check_range(struct schedule_file *file, unsigned number, const char *text) {
        struct range range;
        if (!*text)
                return add_mistake(file, number,
                                "the range is missing: write HEIGHT RANGE, such as 1300 >=1.7.1");
        if (strlen(text) >= RANGE_TEXT_MAX)
                return add_mistake(
                                file, number, "the range is longer than %d characters", RANGE_TEXT_MAX - 1);
        if (range_parse(text, &range) < 0)
                return add_mistake(file, number,
                                "%s is not a version range: write one like >=1.7.1 or >=1.4.0 <2.0.0", text);
        return 0;
}

static int parse_line(char *line, unsigned number, struct schedule_file *file) {
        uint64_t height;
        line[strcspn(line, "#")] = '\0';
        trim(line);
        line += strspn(line, " \t");
        if (!*line)
                return 0;
        char *range = line + strcspn(line, " \t");
        if (*range) {
                *range++ = '\0';
                range += strspn(range, " \t");
        }
        if (parse_u64(line, &height) < 0 || height > INT64_MAX)
                return add_mistake(file, number,
                                "%s is not a height: a line is HEIGHT RANGE, such as 1300 >=1.7.1", line);
        if (find_height(file, height))
                return add_mistake(file, number,
                                "height %s stands in the file twice: keep one of the two lines", line);
        size_t mistakes = file->n_mistakes;
        int r = check_range(file, number, range);
        if (r < 0 || file->n_mistakes > mistakes)
                return r;
        struct schedule_line *grown = reallocarray(file->lines, file->n_lines + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        file->lines = grown;
        grown[file->n_lines].height = height;
        text_copy(grown[file->n_lines].range, sizeof(grown->range), range);
        file->n_lines++;
        return 0;
}

static int add_mistake(struct schedule_file *file, unsigned line, const char *format, ...) {
        struct schedule_mistake *grown = reallocarray(file->mistakes, file->n_mistakes + 1, sizeof(*grown));
        va_list arguments;
        if (!grown)
                return -ENOMEM;
        file->mistakes = grown;
        grown[file->n_mistakes].line = line;
        va_start(arguments, format);
        (void)vsnprintf(grown[file->n_mistakes].text, sizeof(grown->text), format, arguments);
        va_end(arguments);
        file->n_mistakes++;
        return 0;
}
