/* upgrade-info.json, which a Cosmos node writes at the height at which it wants to be another release, and the names that chains
 * give to upgrades. Pure. TEXT may be hostile. */
#pragma once

#include "version.h"

#define UPGRADE_NAME_MAX 128

/* 0: *ret_name and *ret_height. -EINVAL: it is not one. */
int upgrade_info_parse(const char *text, size_t length, char *ret_name, size_t size, uint64_t *ret_height);

/* "v15", "V2.1" and "v15.1.0-rc1" are versions, "acme" and "2024-upgrade" are not. -EINVAL. */
int upgrade_name_to_version(const char *name, struct version *ret_version);
