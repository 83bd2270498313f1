/* A schedule as a file: a line is "HEIGHT RANGE", '#' begins a comment. Pure. */
#pragma once

#include "../lib/version.h"

struct schedule_line {
        uint64_t height;
        char range[RANGE_TEXT_MAX];
};

struct schedule_mistake {
        unsigned line;  /* 1-based */
        char text[384]; /* one sentence */
};

struct schedule_file {
        struct schedule_line *lines; /* in the file's order */
        size_t n_lines;
        struct schedule_mistake *mistakes;
        size_t n_mistakes;
};

/* Reads all of TEXT. -EINVAL: there are mistakes, all of them are in ret_file. -ENOMEM. */
int schedule_file_parse(const char *text, struct schedule_file *ret_file);
void schedule_file_done(struct schedule_file *file);
