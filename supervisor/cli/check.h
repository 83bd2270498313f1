/* `interrex check CONFIG`: is the configuration right? */
#pragma once

/* Prints every mistake as FILE:LINE: text. STATE_DIR is where interrex keeps what is its own. The command's exit status. */
int command_check(const char *path, const char *state_dir);
