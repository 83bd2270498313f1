/* The status object of the contract. */
#pragma once

#include "context.h"

/* JSON text, malloc'ed; NULL: out of memory. */
char *status_text(struct director *director);
