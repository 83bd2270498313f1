/* Messages of the supervisor itself, on stderr: to the terminal with the role in front, or, where stderr is the
 * journal, with the priority that the journal understands. One line for each message; no buffering. */
#pragma once

#include "base.h"

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7
};

/* ROLE stands in front of every line ("interrex keeper: ..."); kept as a pointer. Debug lines only if the
 * environment has INTERREX_DEBUG. */
void log_open(const char *role);
void log_line(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Logs and returns the (negative) error, for `return log_errno(r, "...")`. Appends the error's text. */
int log_errno(int error, const char *format, ...) _printf_(2, 3);
