/* How far the state in force is known to have come. Where the node's own word is missing, this is what is known of its height;
 * and a node that signs does not start on a state that is older (I8): it would sign again what it has signed. */
#pragma once

#include "context.h"
#include "refusal.h"

/* GENERATION, 0 for the state that nothing has been started on yet, told its height. True: it is older than is known and must not
 * run; what follows of it has been begun. */
bool watermark_refuses(struct director *director, uint64_t generation, uint64_t height);

/* The release in force told its height. For a signer the highest counts, and is on disk within a second. */
void watermark_raise(struct director *director, uint64_t height);

/* interrex itself has put an older state back, with the memory of signatures that it keeps; nothing is known of it yet. */
void watermark_forget(struct record *record);

/* The operator says that the state, because of which the node is held, is the right one. */
int watermark_accept(struct director *director, struct refusal *ret_refusal);
