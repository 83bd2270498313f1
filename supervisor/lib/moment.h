/* Moments of UTC as text, "2026-12-01T00:00:00Z". The C library's functions open files (time zones) at the first call, which
 * a process behind a filter may not. Pure, thread safe. */
#pragma once

#include "base.h"

#define MOMENT_MAX UINT64_C(253402300799) /* 9999-12-31T23:59:59Z: what four digits of a year can say */
#define MOMENT_TEXT_MAX 21

/* -EINVAL: TEXT is not such a moment from 1970 on, or there is no such day. Seconds since 1970. */
int moment_parse(const char *text, uint64_t *ret_seconds);
/* -ERANGE after MOMENT_MAX. */
int moment_format(uint64_t seconds, char text[MOMENT_TEXT_MAX]);
