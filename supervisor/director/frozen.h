/* A node that somebody else has frozen: a rehearsal while it takes its snapshot, or whoever wrote to its cgroup and did not undo it. */
#pragma once

#include "context.h"

/* One sentence about each generation that stands frozen just now and was not frozen by the director, with what lets it run on. */
void frozen_describe(const struct director *director, void (*say)(const char *text, void *userdata), void *userdata);
