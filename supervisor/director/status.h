/* The status object of the contract. */
#pragma once

#include "context.h"

/* JSON text, malloc'ed; NULL: out of memory. */
char *status_text(struct director *director);

/* Whether the release that runs could be started again, as its files lie on the disk just now. False: it could. */
bool status_describe_unstartable(struct director *director, char *text, size_t size);
