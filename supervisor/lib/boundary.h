/* One boundary of a schedule as it is written, sent and stored: from a point on, a range of versions. Pure, thread safe.
 *
 * As text: POINT RANGE [from=POINT] [mode=at|before] [protocol=WORD], where POINT is a height, or view:N, epoch:N,
 * time:2026-12-01T00:00:00Z. */
#pragma once

#include "version.h"

#define BOUNDARY_NO_WINDOW UINT64_MAX
#define BOUNDARY_POINT_MAX INT64_MAX /* what the journal's numbers can hold */
#define BOUNDARY_PROTOCOL_MAX 32
#define BOUNDARY_TEXT_MAX 512
#define BOUNDARIES_MAX 1024 /* of one schedule */

enum boundary_unit { UNIT_HEIGHT, UNIT_VIEW, UNIT_EPOCH, UNIT_TIME, BOUNDARY_UNITS };

/* AT: a release of the range runs from the point on, not earlier, unless a window says from where it may. BEFORE: the
 * chain changes its rules by itself, so such a release may run at once and must when the point is reached. */
enum boundary_mode { MODE_AT, MODE_BEFORE, BOUNDARY_MODES };

/* Of fixed size, for it goes from one process to another. */
struct boundary_rule {
        uint32_t unit, mode;
        uint64_t at; /* the first one that the range is for; UNIT_TIME: seconds since 1970 */
        uint64_t from; /* the first one at which such a release may run; BOUNDARY_NO_WINDOW: as the mode says */
        char range[RANGE_TEXT_MAX];
        char protocol[BOUNDARY_PROTOCOL_MAX]; /* what the publisher calls the rules from there on; may be empty */
};

/* -EINVAL: *ret_why (of WHY_SIZE) is a sentence for whoever wrote it. TEXT is what stands behind the point. */
int boundary_parse_point(const char *text, uint32_t *ret_unit, uint64_t *ret_at);
int boundary_parse(const char *point, const char *text, struct boundary_rule *ret_rule, char *ret_why,
                size_t why_size);

/* One that came from another process: -EINVAL if a member is not what the two above could have made. */
int boundary_check(const struct boundary_rule *rule);

/* "1300", "view:77", "time:2026-12-01T00:00:00Z". */
void boundary_format_point(uint32_t unit, uint64_t at, char *text, size_t size);
/* The whole line; boundary_parse() reads it back. */
void boundary_format(const struct boundary_rule *rule, char *text, size_t size);

const char *boundary_unit_name(uint32_t unit);
int boundary_unit_find(const char *name); /* -EINVAL */
const char *boundary_mode_name(uint32_t mode);
int boundary_mode_find(const char *name); /* -EINVAL */

/* Has the point come, or does it come within AHEAD blocks, where TOLD of its unit is the newest? A view is at most as many blocks
 * ahead as views are missing; of other units nothing is known ahead. */
bool boundary_is_due(const struct boundary_rule *rule, uint64_t told, uint64_t ahead);

bool boundary_is_same_point(const struct boundary_rule *a, const struct boundary_rule *b);
/* The same in all that it says. */
bool boundary_is_same(const struct boundary_rule *a, const struct boundary_rule *b);
