/* A director that runs 1.7.1 at PLAN_STAGE_HEIGHT, with a block each second and three releases, for tests of what it says of what
 * comes next. */
#pragma once

#include "director/context.h"

#include <jansson.h>

#define PLAN_STAGE_HEIGHT 660
#define PLAN_STAGE_BOUNDARY 672 /* where what is armed is armed for */

struct plan_stage {
        char top[64], source[96], releases[96];
        struct config config;
        struct director director;
};

/* Setup and teardown of a cmocka test: *state is a struct plan_stage. */
int plan_stage_make(void **state);
int plan_stage_remove(void **state);

/* Only heights have a height at once. */
void plan_stage_rule(struct plan_stage *stage, struct boundary_rule rule, const char *range);
void plan_stage_schedule(struct plan_stage *stage, uint32_t unit, uint64_t at, const char *range);
void plan_stage_arm(struct plan_stage *stage, const char *from, const char *to);
void plan_stage_note_failures(struct plan_stage *stage, const char *release, uint16_t tries);

/* Takes the text. */
json_t *plan_stage_read(char *text);
const char *plan_stage_text(const json_t *object, const char *key);
const json_t *plan_stage_first(const json_t *plan);
void plan_stage_assert_says(const json_t *object, const char *key, const char *expected);
void plan_stage_assert_about(const json_t *object, const char *key, double least, double most);
