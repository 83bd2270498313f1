#include "text.h"

#include <inttypes.h>
#include <time.h>

struct text_style text_style_for(int fd) {
        const char *no_color = getenv("NO_COLOR");
        return (struct text_style){
                        .colours = isatty(fd) && !(no_color && *no_color),
                        .now = now_realtime(),
        };
}

void text_put(FILE *out, const char *text) {
        const unsigned char *c = (const unsigned char *)text;
        for (; *c; c++) {
                if (*c < 0x20 || *c == 0x7f) {
                        (void)fputc('?', out);
                } else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
                        (void)fputc('?', out);
                        c++;
                } else
                        (void)fputc(*c, out);
        }
}

void text_put_coloured(
                FILE *out, const struct text_style *style, enum text_colour colour, const char *text) {
        static const char *const codes[] = {
                        [COLOUR_NONE] = "",
                        [COLOUR_GOOD] = "\033[32m",
                        [COLOUR_BAD] = "\033[1;31m",
                        [COLOUR_BUSY] = "\033[33m",
                        [COLOUR_FAINT] = "\033[2m",
        };
        INVARIANT(colour < ELEMENTS(codes));
        bool coloured = style->colours && colour != COLOUR_NONE;
        if (coloured)
                (void)fputs(codes[colour], out);
        text_put(out, text);
        if (coloured)
                (void)fputs("\033[0m", out);
}

void text_duration(uint64_t usec, char text[TEXT_DURATION_MAX]) {
        uint64_t seconds = usec / USEC_PER_SEC, minutes = seconds / 60, hours = minutes / 60;
        if (usec < USEC_PER_MSEC)
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 " us", usec);
        else if (usec < USEC_PER_SEC)
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 " ms", usec / USEC_PER_MSEC);
        else if (seconds < 10)
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 ".%" PRIu64 " s", seconds,
                                usec / 100000 % 10);
        else if (seconds < 100)
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 " s", seconds);
        else if (minutes < 60)
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 "m %" PRIu64 "s", minutes, seconds % 60);
        else if (hours < 48)
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 "h %" PRIu64 "m", hours, minutes % 60);
        else
                (void)snprintf(text, TEXT_DURATION_MAX, "%" PRIu64 "d %" PRIu64 "h", hours / 24, hours % 24);
}

void text_time(uint64_t realtime_usec, char text[TEXT_TIME_MAX]) {
        time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
        struct tm local;
        if (realtime_usec == 0 || !localtime_r(&seconds, &local) ||
                        strftime(text, TEXT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &local) == 0)
                text_copy(text, TEXT_TIME_MAX, "-");
}

enum text_colour text_colour_of(const char *word) {
        static const struct {
                const char *word;
                enum text_colour colour;
        } colours[] = {
                        {"running", COLOUR_GOOD},
                        {"committed", COLOUR_GOOD},
                        {"ok", COLOUR_GOOD},
                        {"held", COLOUR_BAD},
                        {"rolled-back", COLOUR_BAD},
                        {"aborted", COLOUR_BAD},
                        {"missing", COLOUR_BAD},
                        {"stopped", COLOUR_FAINT},
                        {"cancelled", COLOUR_FAINT},
        };
        for (size_t i = 0; i < ELEMENTS(colours); i++)
                if (strcmp(word, colours[i].word) == 0)
                        return colours[i].colour;
        return COLOUR_BUSY;
}
