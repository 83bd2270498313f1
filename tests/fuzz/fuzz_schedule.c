/* Schedules, upgrade-info.json and Version Beacons from any bytes: whatever comes of them is such that a director takes it, and
 * with keys nothing does. The first byte chooses. `make fuzz` builds and runs it. */
#include "lib/schedule_reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_reading(
                uint8_t selector, const char *text, size_t length, struct schedule_reading *reading) {
        static char *const keys[] = {
                        (char *)"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", NULL};
        static char *const names[] = {(char *)"acme=2.0.0", (char *)"b=>=1 <2", NULL};
        static char *const compatible[] = {(char *)"1.0.0", NULL};
        const struct reading_order order = {.kind = selector % READING_KINDS,
                        .node = "a",
                        .keys = selector & 0x80 ? keys : NULL,
                        .names = names,
                        .compatible = compatible,
                        .needs_sequence = selector & 0x40};
        schedule_reading_make(&order, text, length, selector & 0x20 ? text : NULL, reading);
        INVARIANT(schedule_reading_check(reading) >= 0);
        INVARIANT(reading->error < 0 || !order.keys);
        INVARIANT(reading->error < 0 || order.kind == READING_COSMOVISOR || !order.needs_sequence ||
                        reading->sequence != SCHEDULE_NO_SEQUENCE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        struct schedule_reading *reading = malloc(sizeof(*reading));
        char *text = calloc(1, size);
        if (reading && text) {
                memcpy(text, data + 1, size - 1);
                fuzz_reading(data[0], text, size - 1, reading);
                /* A result of any bytes is looked through without harm. */
                memset(reading, data[0], sizeof(*reading));
                memcpy(reading, data, size < sizeof(*reading) ? size : sizeof(*reading));
                reading->magic = READING_MAGIC;
                (void)schedule_reading_check(reading);
        }
        free(text);
        free(reading);
        return 0;
}
