/* Small pieces of text that all output is made of. What comes from a node, a journal or another process is
 * printed through text_put(), because a node's log line may hold terminal control sequences. Thread safe: no
 * state. */
#pragma once

#include "../lib/base.h"

enum text_colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_BAD, COLOUR_BUSY, COLOUR_FAINT };

struct text_style {
        bool colours;
        uint64_t now; /* realtime, usec: for "3h ago" */
};

/* Colours only if FD is a terminal and NO_COLOR is not set. */
struct text_style text_style_for(int fd);

/* Writes TEXT with every control character (C0, DEL, C1 in UTF-8) shown as '?'. */
void text_put(FILE *out, const char *text);
void text_put_coloured(FILE *out, const struct text_style *style, enum text_colour colour, const char *text);

/* "340 us", "12 ms", "2.1 s", "66 s", "3m 20s", "3h 12m", "5d 2h". */
#define TEXT_DURATION_MAX 32
void text_duration(uint64_t usec, char text[TEXT_DURATION_MAX]);

/* "2024-05-01 03:12:44", local time; "-" for 0. */
#define TEXT_TIME_MAX 32
void text_time(uint64_t realtime_usec, char text[TEXT_TIME_MAX]);

/* The colour of an outcome ("committed") or of a phase ("held"). */
enum text_colour text_colour_of(const char *word);
