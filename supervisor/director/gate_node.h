/* The gate of `kind: node`: the node stops by itself, before a height that it was started with (`gate.args`) or that its own chain
 * has decided. That it has done so is told by its log (`gate.pattern`), by its exit, or by the upgrade-info.json that it writes;
 * until one of them has come it is left alone, because it may still have to write down what the next release needs. */
#pragma once

#include "context.h"

/* The arguments that make this generation stop in time, as far as it is known now where that is; that it is started with them is
 * written to the journal, so call it right before. *RET_ARGUMENTS: untouched where none are wanted; else the caller's. */
int gate_node_arguments(struct director *director, uint64_t generation, char ***ret_arguments);

/* The release in force stops itself elsewhere than it should, and there is time to start it anew. */
bool gate_node_must_renew(struct director *director);
/* Then the machine is told so. */
bool gate_node_renew(struct director *director);

/* A line of its log says that it stops at HEIGHT: before it, or after it. Said where the node cannot have come by what is known of
 * its height it is doubted, until that says so too, or the node makes no blocks any more, or ends. */
void gate_node_told(struct director *director, uint64_t generation, uint64_t height);

/* The file in which the release in force says before which HEIGHT it stops; WRITTEN_AT: usec, realtime. One that lay there when it
 * was started is about another life; one that is written far below it is a plan, and counts only when the node has come there. */
void gate_node_wrote(struct director *director, uint64_t height, uint64_t written_at);

/* It stops before this height: that is in the journal before anything follows from it. */
void gate_node_note(struct director *director, uint64_t generation, uint64_t before);
/* What a director before this one had heard is taken as if it had been said now. */
void gate_node_resume(struct director *director);
/* The same of what that had doubted, for a generation that the keeper knows. */
void gate_node_recover(struct director *director, struct unit *unit);

/* A height of it was told, believed or not: what it had said is weighed anew. True: it is taken as stopped. */
bool gate_node_weigh(struct director *director, struct unit *unit);

/* It has committed HEIGHT, the last one before its gate. If it was told to stop there and does not say that it has, that is believed
 * after a while. */
void gate_node_stands(struct director *director, struct unit *unit, uint64_t height);

/* The generation has said that it stops before HEIGHT. */
bool gate_node_has_told(struct director *director, uint64_t generation, uint64_t height);

/* Its first process ended unasked: because it had come to its height, or has gone past it? Then *RET_LAST is the last one that it
 * committed, as far as that is known. */
bool gate_node_has_stopped(struct director *director, const struct unit *unit, uint64_t *ret_last);

/* The height itself, if the release in force was told to stop below it, and has committed it; else 0. */
uint64_t gate_node_overshot(const struct director *director, uint64_t generation, uint64_t last);

/* True: the release in force has come as far as it may, or further, and nothing would stop the generation there; the machine is told
 * so instead. Where it halts behind a block it would make one too many each time that it is started. */
bool gate_node_refuses(struct director *director, uint64_t generation);

/* Before the first start: where the state stands. */
void gate_node_begins(struct director *director, uint64_t height);
