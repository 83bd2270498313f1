#include "spread.h"

#include "lib/base.h"

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;
        return *x < *y ? -1 : *x > *y;
}

struct spread spread_of(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare);
        return (struct spread){.median = values[n / 2],
                        .lowest = values[0],
                        .highest = values[n - 1],
                        .p99 = values[n * 99 / 100]};
}

void spread_print(const char *name, const struct spread *spread, const char *unit) {
        printf("  %-46s %10.2f %s  [%.2f .. %.2f]\n", name, spread->median, unit, spread->lowest,
                        spread->highest);
}
