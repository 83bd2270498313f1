#include "base.h"

#include <ctype.h>
#include <stdarg.h>
#include <time.h>

void invariant_broken(const char *condition, const char *file, int line) {
        (void)fprintf(stderr,
                        "interrex: invariant broken: %s (%s:%d); dying so that the keeper can start "
                        "afresh\n",
                        condition, file, line);
        abort();
}

int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void)close(fd);
                errno = saved;
        }
        return -1;
}

void close_at(int *fd) {
        *fd = close_fd(*fd);
}

void free_at(void *pointer) {
        free(*(void **)pointer);
}

void fclose_at(FILE **file) {
        if (*file)
                (void)fclose(*file);
}

size_t strv_length(char *const *strv) {
        size_t n = 0;
        while (strv && strv[n])
                n++;
        return n;
}

void strv_free(char **strv) {
        for (size_t i = 0; strv && strv[i]; i++)
                free(strv[i]);
        free(strv);
}

void strv_free_at(char ***strv) {
        strv_free(*strv);
}

int strv_push(char ***strv, const char *text) {
        size_t n = strv_length(*strv);
        char *copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        char **grown = reallocarray(*strv, n + 2, sizeof(char *));
        if (!grown) {
                free(copy);
                return -ENOMEM;
        }
        grown[n] = copy;
        grown[n + 1] = NULL;
        *strv = grown;
        return 0;
}

int strv_push_options(char ***strv, const char *flag, char *const *values) {
        int r = 0;
        for (size_t i = 0; r >= 0 && values && values[i]; i++) {
                r = strv_push(strv, flag);
                if (r >= 0)
                        r = strv_push(strv, values[i]);
        }
        return r;
}

int strv_copy(char *const *strv, char ***ret_copy) {
        _cleanup_strv_ char **copy = calloc(1, sizeof(char *));
        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; strv && strv[i]; i++) {
                int r = strv_push(&copy, strv[i]);
                if (r < 0)
                        return r;
        }
        *ret_copy = TAKE_POINTER(copy);
        return 0;
}

bool strv_contains(char *const *strv, const char *text) {
        for (size_t i = 0; strv && strv[i]; i++)
                if (strcmp(strv[i], text) == 0)
                        return true;
        return false;
}

void text_make_printable(char *text) {
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        *text = '?';
}

void text_copy(char *destination, size_t size, const char *text) {
        INVARIANT(size > 0);
        size_t length = strnlen(text, size - 1);
        memcpy(destination, text, length);
        destination[length] = '\0';
}

void text_copy_words(char *destination, size_t size, const char *text) {
        static const char dots[] = "...";
        text_copy(destination, size, text);
        if (size <= sizeof(dots) || strlen(text) < size)
                return;
        size_t length = size - sizeof(dots), end = length;
        while (end > length / 2 && text[end] != ' ')
                end--;
        /* A word as long as that has no end to be cut at. */
        text_copy(destination + (text[end] == ' ' ? end : length), sizeof(dots), dots);
}

int parse_u64(const char *text, uint64_t *ret_value) {
        uint64_t value = 0;
        if (!*text)
                return -EINVAL;
        for (const char *c = text; *c; c++) {
                if (!isdigit((unsigned char)*c))
                        return -EINVAL;
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                                __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
                        return -ERANGE;
        }
        *ret_value = value;
        return 0;
}

int parse_duration(const char *text, uint64_t *ret_usec) {
        static const struct {
                const char *suffix;
                uint64_t usec;
        } units[] = {
                        {"us", 1},
                        {"ms", USEC_PER_MSEC},
                        {"s", USEC_PER_SEC},
                        {"m", 60 * USEC_PER_SEC},
                        {"h", 3600 * USEC_PER_SEC},
        };
        char digits[24];
        size_t n = strspn(text, "0123456789");
        if (n == 0 || n >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, text, n);
        digits[n] = '\0';
        uint64_t value;
        int r = parse_u64(digits, &value);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (strcmp(text + n, units[i].suffix) == 0) {
                        if (__builtin_mul_overflow(value, units[i].usec, &value))
                                return -ERANGE;
                        *ret_usec = value;
                        return 0;
                }
        return -EINVAL;
}

static uint64_t now(clockid_t clock) {
        struct timespec ts;
        INVARIANT(clock_gettime(clock, &ts) == 0);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t now_monotonic(void) {
        return now(CLOCK_MONOTONIC);
}

uint64_t now_realtime(void) {
        return now(CLOCK_REALTIME);
}

int why_not(char *why, size_t size, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(why, size, format, arguments);
        va_end(arguments);
        return -EINVAL;
}
