#include "refusal.h"

#include <stdarg.h>

int refuse(struct refusal *refusal, const char *name, const char *format, ...) {
        va_list arguments;
        refusal->name = name;
        va_start(arguments, format);
        (void) vsnprintf(refusal->text, sizeof(refusal->text), format, arguments);
        va_end(arguments);
        return -1;
}
