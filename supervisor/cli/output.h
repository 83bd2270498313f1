/* Standard output. A full disk behind a redirection is an error like any other. */
#pragma once

#include <jansson.h>

/* Writes TEXT if R is not an error. Exit status. */
int output_text(int r, const char *text);

/* Writes VALUE (NULL: out of memory) with a newline. Exit status. */
int output_json(const json_t *value);

/* For the _cleanup_ attribute. */
void output_json_done(json_t **value);
