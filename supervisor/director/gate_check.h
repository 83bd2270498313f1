/* What the gate promises, and whether it can be set in a release: asked when an upgrade is armed and shown in the plan, so that
 * it is known before the height comes. */
#pragma once

#include "context.h"

/* 0: the release's function is there, and *ret_function (may be NULL; the director's) is its name, "" where the gate needs none.
 * -errno: TEXT says why not. The release may be hostile and is not run. What was found is remembered: releases do not change. */
int gate_check_release(struct director *director, const char *release, const char **ret_function, char *text, size_t size);

/* A release was added, perhaps one that was removed before under the same version. */
void gate_check_forget(struct director *director);

/* May the gate be trusted with a height that the release in force must not begin? 0; -EPERM: TEXT says what to do. */
int gate_check_breaking(const struct director *director, const char *release, char *text, size_t size);

/* Before an upgrade is armed for HEIGHT, or begun at once (MACHINE_NO_HEIGHT): can the gate stop the release in force there as
 * exactly as is needed, and the new one at its first block and the next boundary? 0; -errno: TEXT names the release and says why
 * not. */
int gate_check_upgrade(struct director *director, const char *version, uint64_t height, char *text, size_t size);

/* The same for what the schedule asks for. IS_THERE: the release in force stands at the height already. */
int gate_check_follow(struct director *director, const char *version, bool is_there, char *text, size_t size);

/* Why nothing goes on by itself although the release was stopped when it had committed HEIGHT: it may have committed more, or has
 * what it must not. False: the gate is exact and was kept, or is allowed to overshoot, and TEXT is untouched. */
bool gate_describe_hold(const struct director *director, const char *release, uint64_t height, char *text, size_t size);

/* "exact: stops before block 7 begins", or why it is not. MACHINE_NO_HEIGHT, here and below: it is not known yet where the boundary lies,
 * and the schedule denies RELEASE from there on. */
void gate_describe(const struct director *director, const char *release, uint64_t height, char *text, size_t size);

/* What a release that fails at HEIGHT leads to, for one that is to take over from RELEASE there. */
void gate_describe_failure(const struct director *director, const char *release, uint64_t height, char *text, size_t size);

/* The same for one that takes over in the window before HEIGHT, where RELEASE may still run. */
void gate_describe_failure_in_window(const char *release, uint64_t height, char *text, size_t size);

const char *gate_kind_name(enum gate_kind kind);
