/* Why a command cannot be taken just now: what is under way, and what can be done about it when. Pure. */
#pragma once

#include "machine.h"
#include "refusal.h"

/* Always -1, to be returned. */
int busy_refuse(const struct machine *machine, const char *node, uint32_t give_up_after, struct refusal *refusal);
