/* What lies ahead: each boundary of the schedule, and whether everything is ready for it. */
#pragma once

#include "context.h"

/* JSON, malloc'ed; NULL: out of memory. */
char *plan_text(struct director *director);
