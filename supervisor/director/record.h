/* The record (context.h) in the journal: the machine's state, with what the shell must remember beside it. */
#pragma once

#include "context.h"

/* Writes it durably, or as part of the transaction that is under way. It need not be the director's own yet. */
int record_write(struct director *director, const struct record *record);
