/* libFuzzer on everything that is parsed from a node or a peer. `make fuzz` builds and runs it. */
#include "prober/answers.h"
#include "prober/judge.h"
#include "prober/printable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_judge(uint8_t selector, const char *body, size_t size) {
        static const char *const arguments[] = {
                        "height", "height{chain=\"main\"}", "height{a=\"\\\"\",b=\"}\"}", ""};
        static const uint32_t statuses[] = {200, 500};
        struct prober_check check = {.kind = selector % (CHECK_ETHEREUM_HEADS + 2u)};
        uint64_t height = PROBER_HEIGHT_NONE - 1;
        char why[400] = "";
        text_copy(check.argument, sizeof(check.argument), arguments[selector / 8 % ELEMENTS(arguments)]);
        int r = judge_answer(&check, statuses[selector / 64 % 2], body, size, &height, why, sizeof(why));
        INVARIANT(r < 0 ? *why && height == PROBER_HEIGHT_NONE - 1
                        : height <= HEIGHT_MAX || height == PROBER_HEIGHT_NONE);
}

/* A metric from the configuration is not hostile, but a typing error in it must not be deadly. */
static void fuzz_metric(const char *text, size_t size) {
        const char *end = memchr(text, '\n', size);
        uint64_t height = 0;
        char metric[512], why[400];
        if (!end || (size_t)(end - text) >= sizeof(metric))
                return;
        memcpy(metric, text, (size_t)(end - text));
        metric[end - text] = '\0';
        (void)answer_metrics(end + 1, size - (size_t)(end + 1 - text), metric, &height, why, sizeof(why));
}

static void fuzz_text(char *text, size_t size) {
        uint64_t height = 0;
        regex_t pattern;
        char copy[64];
        (void)answer_number(text, &height);
        INVARIANT(regcomp(&pattern, "height=([0-9a-fx]+)|(x)", REG_EXTENDED) == 0);
        (void)answer_pattern(text, &pattern, &height);
        regfree(&pattern);
        INVARIANT(height <= HEIGHT_MAX);
        printable_copy(copy, sizeof(copy), text);
        size_t length = printable_clean(text, size);
        INVARIANT(length <= size && strlen(text) == length);
        for (size_t i = 0; i < length; i++)
                INVARIANT((unsigned char)text[i] >= 0x20 || text[i] == '\t');
        /* What is clean stays as it is. */
        INVARIANT(printable_clean(text, length) == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        char *text = malloc(size);
        if (!text)
                return 0;
        memcpy(text, data + 1, size - 1);
        fuzz_judge(data[0], text, size - 1);
        fuzz_metric(text, size - 1);
        text[size - 1] = '\0';
        fuzz_text(text, size - 1);
        free(text);
        return 0;
}
