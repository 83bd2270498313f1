/* The gate of `kind: uprobe`: a kernel program at the commit function stops the thread, and the keeper parks it. */
#pragma once

#include "context.h"

/* A descriptor that the keeper had stored; 1 if it was one of these (ownership taken). */
int gate_uprobe_adopt_stored(struct director *director, const char *name, int fd);

int gate_uprobe_open(struct director *director);

/* Whoever of the unit asks for HEIGHT or more stops there. */
int gate_uprobe_set(struct director *director, const struct unit *unit, uint64_t height);

/* The release lies in another file from now on: next time the uprobe is set there. Only while no generation runs from the old one. */
void gate_uprobe_forget_file(struct director *director, const char *release);

void gate_uprobe_clear(struct director *director);

/* The generation's parked threads run on. */
void gate_uprobe_let_pass(struct director *director, uint64_t generation);

/* The generation has ended. */
void gate_uprobe_forget(struct director *director, uint64_t generation);

/* Events that nobody took while there was no director: parks what was stopped. */
void gate_uprobe_resume(struct director *director);

/* What keeps it from being exact whatever is sent to the node; "": nothing. */
const char *gate_uprobe_complaint(const struct director *director);
