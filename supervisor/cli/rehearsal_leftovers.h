/* The scratch folder of a rehearsal, by which the next one finds what was left when a command was killed. The snapshot beside the state is
 * not in it: rehearsal_snapshot() of the same node removes that. */
#pragma once

#include "rehearsal.h"

#define REHEARSAL_CGROUP "interrex-rehearsal-" /* and the process id */

/* Makes and locks rehearsal->directory. */
int rehearsal_make_directory(struct rehearsal *rehearsal);

/* Before the cgroup is made. */
int rehearsal_note_cgroup(const struct rehearsal *rehearsal);

/* Kills what runs for, and removes what was made by, commands that are gone. What cannot be removed stays. */
void rehearsal_sweep(void);
