/* Configurations as text, for tests of what is taken from them. */
#pragma once

#include "lib/config.h"

/* The configuration, which must be right; config_free(). */
struct config *parse_config(const char *text);

/* Exactly one mistake, in that line, with that text in it. */
void assert_config_mistake(const char *text, unsigned line, const char *says);

struct config_mistake_case {
        const char *text;
        unsigned line;
        const char *says;
};

/* Each of them has exactly that mistake. */
void assert_config_mistakes(const struct config_mistake_case *cases, size_t n);
