/* Many measurements of one thing, as a median with its spread: a single figure says nothing on a machine that others use. */
#pragma once

#include <stddef.h>

struct spread {
        double median, lowest, highest, p99;
};

/* Sorts VALUES. N is not 0. */
struct spread spread_of(double *values, size_t n);

/* "NAME   median UNIT [lowest .. highest]" */
void spread_print(const char *name, const struct spread *spread, const char *unit);
