#include "config_texts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct config *parse_config(const char *text) {
        struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        if (config_parse(text, strlen(text), &config, &mistakes) < 0)
                fail_msg("should be right, but line %u: %s\n%s", mistakes.n ? mistakes.items[0].line : 0,
                                mistakes.n ? mistakes.items[0].text : "?", text);
        return config;
}

void assert_config_mistake(const char *text, unsigned line, const char *says) {
        struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        if (config_parse(text, strlen(text), &config, &mistakes) != -EINVAL)
                fail_msg("should be refused with \"%s\":\n%s", says, text);
        assert_null(config);
        if (mistakes.n != 1 || mistakes.items[0].line != line || !strstr(mistakes.items[0].text, says))
                fail_msg("%zu mistakes, line %u: \"%s\", instead of line %u: \"%s\"\n%s", mistakes.n,
                                mistakes.n ? mistakes.items[0].line : 0,
                                mistakes.n ? mistakes.items[0].text : "?", line, says, text);
        config_mistakes_done(&mistakes);
}

void assert_config_mistakes(const struct config_mistake_case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                assert_config_mistake(cases[i].text, cases[i].line, cases[i].says);
}
