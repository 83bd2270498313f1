/* Single checks of a generation: the socket bound and aimed, the request sent to the prober, the answer taken in. */
#pragma once

#include "context.h"

/* PROBE is an index into config->probes, or one of enum asked. The answer comes to probing_result(). */
int checks_begin(struct director *director, uint64_t generation, size_t probe);

/* Answers to what is under way mean nothing any more. */
void checks_cancel_all(struct director *director);

/* probing.c */
void probing_result(struct director *director, uint64_t generation, size_t probe, const struct prober_result *result);
