#include "log.h"

#include <stdarg.h>
#include <sys/stat.h>

/* The one piece of process-wide state that logging needs; set once, before any thread. */
static struct {
        const char *role;
        bool to_journal;
        bool debug;
} log_context = {.role = ""};

void log_open(const char *role) {
        log_context.role = role;
        log_context.debug = getenv("INTERREX_DEBUG") != NULL;
        const char *stream = getenv("JOURNAL_STREAM");
        struct stat st;
        unsigned long device, inode;
        log_context.to_journal = stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
                                 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void log_write(enum log_level level, const char *text) {
        char line[2048];
        int n;
        if (level == LOG_LEVEL_DEBUG && !log_context.debug)
                return;
        if (log_context.to_journal)
                n = snprintf(line, sizeof(line), "<%d>%s%s%s\n", (int)level, log_context.role,
                                *log_context.role ? ": " : "", text);
        else
                n = snprintf(line, sizeof(line), "interrex%s%s: %s\n", *log_context.role ? " " : "",
                                log_context.role, text);
        if (n < 0)
                return;
        size_t length = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
        /* A terminal or journal that is gone must not stop the supervisor. */
        if (write(STDERR_FILENO, line, length) < 0)
                return;
}

void log_line(enum log_level level, const char *format, ...) {
        char text[1900];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        log_write(level, text);
}

int log_errno(int error, const char *format, ...) {
        char text[1600], whole[1900];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void)snprintf(whole, sizeof(whole), "%s: %s", text, strerror(error < 0 ? -error : error));
        log_write(LOG_LEVEL_ERROR, whole);
        return error < 0 ? error : -error;
}
