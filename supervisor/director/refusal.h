/* Why what was asked for is not done. */
#pragma once

#include "../lib/base.h"

/* A name from control_protocol.h and a sentence for the operator. */
struct refusal {
        const char *name;
        char text[2048];
};

/* Always -1, to be returned. */
int refuse(struct refusal *refusal, const char *name, const char *format, ...) _printf_(3, 4);
