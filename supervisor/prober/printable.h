/* Text from a node or a peer, made fit for a terminal, a journal and JSON: nothing in it may steer the
 * screen of the operator who reads it. Pure. */
#pragma once

#include "../lib/base.h"

/* Removes terminal sequences, control characters but the tab, and what reverses the direction of writing; a
 * byte that is no UTF-8 becomes a '?'. Works in place and ends TEXT with a NUL: TEXT has room for SIZE + 1
 * bytes. Returns the new length, never more than SIZE. */
size_t printable_clean(char *text, size_t size);

/* Copies the terminated SOURCE cleaned, cut at a character's end where it does not fit. */
void printable_copy(char *destination, size_t size, const char *source);
