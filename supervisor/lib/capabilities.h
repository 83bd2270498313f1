/* The capabilities that `interrex run` works with, in one table for those who keep them and those who look for them. */
#pragma once

#include "base.h"
#include <sys/capability.h>

struct capability {
        cap_value_t value;
        const char *name, *purpose; /* "to ...", for a message */
        bool is_vital; /* without it interrex does not start; else what it is for does not work */
};

extern const struct capability needed_capabilities[];
extern const size_t n_needed_capabilities;

/* True if this process may use it. */
bool capability_is_permitted(cap_value_t value);
