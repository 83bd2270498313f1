/* The few macros that every file uses: scoped cleanup, ownership transfer, checked arithmetic on arrays. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs FUNCTION(&variable) when the variable leaves its scope, so that no exit path can forget it. */
#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_ _cleanup_(free_at)
#define _cleanup_close_ _cleanup_(close_at)
#define _cleanup_fclose_ _cleanup_(fclose_at)
#define _cleanup_strv_ _cleanup_(strv_free_at)
#define _printf_(template, first) __attribute__((format(printf, template, first)))

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Moves ownership out of a variable with a cleanup attribute. */
#define TAKE_POINTER(pointer)                       \
        ({                                          \
                typeof(pointer) taken_ = (pointer); \
                (pointer) = NULL;                   \
                taken_;                             \
        })
#define TAKE_FD(fd)                \
        ({                         \
                int taken_ = (fd); \
                (fd) = -1;         \
                taken_;            \
        })

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

/* States an invariant. Stays on in release builds: going on with a broken one is worse than dying, because
 * every process here is restarted by another one that still knows the truth. */
#define INVARIANT(condition)                                              \
        do {                                                              \
                if (!(condition))                                         \
                        invariant_broken(#condition, __FILE__, __LINE__); \
        } while (0)

_Noreturn void invariant_broken(const char *condition, const char *file, int line);

/* Closes a descriptor if it is one; keeps errno; returns -1 to be assigned. */
int close_fd(int fd);
void close_at(int *fd);
void free_at(void *pointer);
void fclose_at(FILE **file);

/* NULL-terminated string vectors. All functions return -ENOMEM on exhaustion. */
size_t strv_length(char *const *strv);
void strv_free(char **strv);
void strv_free_at(char ***strv);
int strv_push(char ***strv, const char *text);
/* FLAG and the value, for each of VALUES (NULL: none), as on a command line. */
int strv_push_options(char ***strv, const char *flag, char *const *values);
int strv_copy(char *const *strv, char ***ret_copy);
bool strv_contains(char *const *strv, const char *text);

/* Copies TEXT into a fixed array, always terminated; a text that does not fit is cut. */
void text_copy(char *destination, size_t size, const char *text);

/* The same, but a text that does not fit is cut behind a word, and ends with "...". */
void text_copy_words(char *destination, size_t size, const char *text);

/* What others wrote and a terminal must not obey: what is not printable ASCII becomes a question mark. */
void text_make_printable(char *text);

/* Writes a sentence into WHY. Always -EINVAL, to be returned by what refuses something. */
int why_not(char *why, size_t size, const char *format, ...) _printf_(3, 4);

/* Decimal digits only, no sign, no space, no overflow: -EINVAL or -ERANGE otherwise. */
int parse_u64(const char *text, uint64_t *ret_value);

/* "500ms", "20s", "5m", "1h", "250us": -EINVAL or -ERANGE otherwise. Result in microseconds. */
int parse_duration(const char *text, uint64_t *ret_usec);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in microseconds. */
uint64_t now_monotonic(void);
uint64_t now_realtime(void);
