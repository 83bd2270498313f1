/* The chain: blocks committed by a thread of its own, each of them on disk before the next. */
#pragma once

#include "options.h"

struct chain;

/* Locks the state, reads it, and does to it what the options ask. What is not to be had ends the process
 * with a message: status 1 a taken lock, 3 a spoiled state, 4 a state that cannot be read. Blocks while
 * another process has the lock. */
struct chain *chain_open(const struct options *options);

/* Starts committing. After the last fork: threads do not survive one. NOTIFY_FD -1: nobody is told the
 * height. */
void chain_start(struct chain *chain, int notify_fd);

/* The height is in memory that forked workers share. */
uint64_t chain_height(const struct chain *chain);

/* Waits at most a second until the block under way is written and lets no other begin. A thread that a gate
 * has stopped before its block is not waited for: it has written nothing. */
void chain_settle(struct chain *chain);

/* What a gate hangs on: called before anything of the block is written. */
void commit_block(uint64_t height);
