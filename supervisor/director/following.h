/* Following the schedule with nobody standing by: where the release in force may go no further, the one that may is prepared
 * in time, or started as soon as it is here. */
#pragma once

#include "context.h"

/* Watches the folder of releases. */
int following_open(struct director *director);

/* From the loop: is there anything to begin? Cheap; asked whenever the height, the machine, the schedule or the releases may
 * have changed. */
void following_evaluate(struct director *director);

/* One sentence about who may run at HEIGHT. True: such a release is here and has not failed yet. */
bool following_describe(struct director *director, uint64_t height, char *text, size_t size);

/* "no release here is in that range", what was tried already and when, and what an operator can do. */
void following_describe_missing(struct director *director, const struct range *range, char *text, size_t size);

/* The release that would be begun with at HEIGHT. 1: it cannot, because the gate cannot be set in it.
 * -ENOENT: none is here, or each was tried in vain. */
int following_pick(struct director *director, uint64_t height, char *release, size_t size);
/* The same for a boundary, wherever it will lie. */
int following_pick_for(struct director *director, const struct boundary *boundary, char *release, size_t size);

/* What a step of the machine means for FOLLOW. Pure. */
void following_note(struct follow *follow, const struct machine *before, const struct machine *after,
                const struct machine_event *event);
