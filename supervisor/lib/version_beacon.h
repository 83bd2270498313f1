/* Flow's Version Beacon as JSON: {"VersionBoundaries": [{"BlockHeight": N, "Version": "v0.37.0"}], "Sequence": N}, the same
 * event in JSON-Cadence, or an Access node's answer about events, of which the last one counts. Pure. TEXT may be hostile. */
#pragma once

#include "boundary.h"

/* Fills RULES (room for BOUNDARIES_MAX). A beacon tells minimum versions. From each of its heights on the version may run up
 * to, not including, the next one that breaks with it: those in COMPATIBLE (texts, NULL-terminated, may be NULL) do not. Behind the
 * last entry that is the next major version (of 0.x the next minor one), counted from the highest that COMPATIBLE names, if it names one
 * above. An entry 0.0.0 asks for nothing.
 * -EINVAL: *ret_why is a sentence, which may quote TEXT. */
int version_beacon_parse(const char *text, size_t length, char *const *compatible,
                struct boundary_rule *rules, size_t *ret_n, uint64_t *ret_sequence, char *ret_why,
                size_t why_size);
