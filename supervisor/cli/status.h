/* Asking the director for its status. */
#pragma once

#include "control.h"
#include <jansson.h>

/* The status object. Exit status; *ret_status is the caller's. */
int status_ask(const struct node *node, json_t **ret_status);
