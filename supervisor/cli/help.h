/* Help texts, from the table of commands, to standard output. */
#pragma once

#include "arguments.h"

void help_overview(const struct command *commands, size_t n);
void help_command(const struct command *command);
