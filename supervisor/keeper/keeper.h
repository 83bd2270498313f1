/* The keeper: root, PID 1 in a container or the unit's main process. Holds descriptors, makes and ends generations,
 * restarts the director and the prober. It decides nothing and parses nothing. */
#pragma once

#include "../lib/base.h"

struct keeper_options {
        const char *config_path, *state_dir, *run_dir;
};

/* Runs until the node has been stopped or cannot be run. Returns the process's exit status (enum exit_status). */
int keeper_main(const struct keeper_options *options);
