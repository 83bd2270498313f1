/* `interrex check CONFIG`: is the configuration right? */
#pragma once

/* Prints every mistake as FILE:LINE: text. The command's exit status. */
int command_check(const char *path);
