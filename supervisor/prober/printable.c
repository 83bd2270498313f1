#include "printable.h"

#define ESCAPE 0x1b
#define BELL 0x07

static size_t escape_length(const unsigned char *at, size_t left);
static size_t character_length(const unsigned char *at, size_t left, uint32_t *ret_code);
static bool is_unwanted(uint32_t code);

size_t printable_clean(char *text, size_t size) {
        const unsigned char *from = (const unsigned char *)text;
        size_t used = 0;
        for (size_t i = 0; i < size;) {
                uint32_t code = 0;
                if (from[i] == ESCAPE) {
                        i += escape_length(from + i, size - i);
                        continue;
                }
                size_t n = character_length(from + i, size - i, &code);
                if (n == 0) {
                        text[used++] = '?';
                        i++;
                        continue;
                }
                if (!is_unwanted(code)) {
                        memmove(text + used, from + i, n);
                        used += n;
                }
                i += n;
        }
        text[used] = '\0';
        return used;
}

void printable_copy(char *destination, size_t size, const char *source) {
        INVARIANT(size > 0);
        size_t length = strnlen(source, size);
        if (length == size)
                for (length--; length > 0 && ((unsigned char)source[length] & 0xc0) == 0x80;)
                        length--;
        memcpy(destination, source, length);
        (void)printable_clean(destination, length);
}

/* ECMA-48: control sequences end with one of 0x40 to 0x7e, strings with BEL or ESC \, others with one
 * character behind their intermediates. What does not end swallows the rest. */
static size_t escape_length(const unsigned char *at, size_t left) {
        size_t i = 1;
        if (left < 2)
                return left;
        if (at[1] == '[') {
                for (i = 2; i < left && at[i] >= 0x20 && at[i] <= 0x3f;)
                        i++;
                return i < left && at[i] >= 0x40 && at[i] <= 0x7e ? i + 1 : i;
        }
        if (strchr("]PX^_", at[1])) {
                for (i = 2; i < left; i++)
                        if (at[i] == BELL)
                                return i + 1;
                        else if (at[i] == ESCAPE)
                                return i + 1 < left && at[i + 1] == '\\' ? i + 2 : i;
                return left;
        }
        while (i < left && at[i] >= 0x20 && at[i] <= 0x2f)
                i++;
        return i < left && at[i] >= 0x30 && at[i] <= 0x7e ? i + 1 : i;
}

/* 0: not UTF-8 (overlong forms and surrogates included). */
static size_t character_length(const unsigned char *at, size_t left, uint32_t *ret_code) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = at[0] < 0x80                    ? 1
                   : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                   : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                   : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                   : 0;
        if (n == 0 || n > left)
                return 0;
        uint32_t code = n == 1 ? at[0] : at[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((at[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (at[i] & 0x3fu);
        }
        if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;
        *ret_code = code;
        return n;
}

static bool is_unwanted(uint32_t code) {
        return (code < 0x20 && code != '\t') || (code >= 0x7f && code <= 0x9f) ||
               (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x2028 ||
               code == 0x2029;
}
