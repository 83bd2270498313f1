/* Asking the director for its status. */
#pragma once

#include "control.h"
#include <jansson.h>

/* The status object. Exit status; *ret_status is the caller's. */
int status_ask(const struct node *node, json_t **ret_status);

/* The same for any method that answers with an object as JSON text. */
int status_ask_for(const struct node *node, const char *method, json_t **ret_object);
