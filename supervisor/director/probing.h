/* Asking a generation how it is: through its real public sockets, before users reach it (proving), while it is on
 * probation, and for the height. The prober does the talking; this decides when and to whom. */
#pragma once

#include "context.h"

/* A node that is told of new blocks and tells none for so long is asked whether it still answers. */
#define PROBING_SILENCE_US (30 * USEC_PER_SEC)

/* The keeper has made a (new) link to a prober. Takes ownership. */
int probing_connect(struct director *director, int fd);

/* Begins to prove a generation: EVENT_PROVED when it holds all addresses and every probe has been healthy once. */
void probing_prove(struct director *director, uint64_t generation);

/* Probation: EVENT_UNHEALTHY or, at its end, EVENT_PROBATION_PASSED. */
void probing_watch(struct director *director, uint64_t generation);

/* Just the height and the probes for status from now on; 0: nobody is asked. */
void probing_follow(struct director *director, uint64_t generation);

/* A generation executes its command. */
void probing_started(struct director *director, uint64_t generation);

/* A generation has a new listener, or says READY=1. */
void probing_listener_changed(struct director *director, uint64_t generation);

/* Boundaries in views or epochs came or went, so these are asked for from now on, or not any more. */
void probing_units_changed(struct director *director);

/* A generation has told its height by itself: nobody asks for it, so nothing else would see that blocks are made. */
void probing_height_told(struct director *director, uint64_t generation);

/* Hands a generation's output (and notify socket) to the prober. */
void probing_watch_output(struct director *director, struct unit *unit);

void probing_forget(struct director *director, uint64_t generation);

/* An operator's probe or height command has ended. */
void probing_command_done(struct director *director, struct job *job, const struct keeper_exited *exited);

/* Is the height asked for, or does the node tell it by itself? */
bool probing_asks_height(const struct director *director);

/* Does the node tell it over a connection that is kept, instead of being polled? */
bool probing_is_subscribed(const struct director *director);

/* A failure worth telling: what is not healthy just now; "" if all is well. */
const char *probing_complaint(const struct director *director);

/* What a proof still waits for that has neither failed nor done well; "" if nothing. */
void probing_describe_wait(struct director *director, char *text, size_t size);
