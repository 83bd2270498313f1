/* Which releases were tried in vain since the last swap that was committed. Pure. */
#pragma once

#include "context.h"

/* How often; FOLLOW_TRIES_MAX: it is not tried again by itself. */
uint32_t failures_of(const struct follow *follow, const char *release);

/* One that an operator began is his to try again. IS_UNVERIFIED: it was not even started. */
void failures_note(struct follow *follow, const char *release, bool may_be_tried_again, bool is_unverified);

/* FILE in the folder of releases was put into its place: what failed for what had lain there is tried as if it had not. False: nothing
 * has. */
bool failures_forgive(struct follow *follow, const char *file);

/* The one of the range that was tried last of those that are not tried again by themselves; NULL: there is none. RANGE NULL: any. */
const char *failures_given_up(const struct follow *follow, const struct range *range);
