/* Standard output. A full disk behind a redirection is an error like any other. */
#pragma once

#include <jansson.h>

/* Writes TEXT if R is not an error. Exit status. */
int output_text(int r, const char *text);

/* The same into a file, which is replaced when all of it is written; "-" is standard output. */
int output_file(int r, const char *text, const char *path);

/* Writes VALUE (NULL: out of memory) with a newline. Exit status. */
int output_json(const json_t *value);

/* For the _cleanup_ attribute. */
void output_json_done(json_t **value);
