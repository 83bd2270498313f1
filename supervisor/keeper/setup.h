/* What must stand before a node can run: folders, locks, the cgroup, nothing left over from a keeper that died. */
#pragma once

#include "context.h"

/* Carries out SETUP; the outcome is in keeper->directories. Only the first call does anything. */
void setup_node(struct keeper *keeper, const struct keeper_setup *request);

/* After a good SETUP has been answered. */
void setup_start_prober(struct keeper *keeper);

/* Which users the director and the prober run as: those of the package, else numbers that nobody has. */
void setup_find_users(struct keeper *keeper);
