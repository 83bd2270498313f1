/* The gate of `kind: notify`: a page that each generation shares with the director (include/interrex/gate_page.h). A node
 * that uses libinterrex looks there before it begins a block, and waits as long as the page says so, whoever of us is alive. */
#pragma once

#include "context.h"

/* A page with this limit: *RET_FD is for whoever sets it, *RET_READ_ONLY_FD for the node, which cannot make more of it unless it is
 * root. */
int gate_page_create(uint64_t limit, int *ret_fd, int *ret_read_only_fd);

/* Makes the page of a generation that is about to be spawned, and stores it with the keeper. */
int gate_page_make(struct director *director, uint64_t generation, uint64_t limit, int *ret_read_only_fd);

/* A descriptor that the keeper had stored; 1 if it was a page (ownership taken). */
int gate_page_adopt_stored(struct director *director, const char *name, int fd);

/* From now on the generation may not begin LIMIT (MACHINE_NO_HEIGHT: it may begin all), and who waits looks again. Nothing where the
 * generation has no page yet. */
void gate_page_set(struct director *director, uint64_t generation, uint64_t limit);

/* Whoever waits says so again: what it said may have been lost with a prober or a director. */
void gate_page_ask_again(struct director *director);

/* The generation has ended. */
void gate_page_forget(struct director *director, uint64_t generation);
