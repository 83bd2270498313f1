/* The keeper's spawn message, filled from the configuration. -E2BIG: more text than the message holds. */
#pragma once

#include "context.h"

int spawn_request_for_node(struct director *director, const struct unit *unit, const char *notify_socket,
                struct keeper_spawn *ret_request);

/* A command of the operator's, as the node's user, with some more environment (may be NULL). */
int spawn_request_for_helper(struct director *director, uint64_t number, const char *path, char *const *command,
                char *const *environment, struct keeper_spawn *ret_request);

/* This executable as archivist, fetcher or reader; the keeper knows the user. */
int spawn_request_for_role(enum keeper_spawn_kind kind, uint64_t number, char *const *arguments, struct keeper_spawn *ret_request);
