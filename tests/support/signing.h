/* Keys and signatures by Debian's minisign, in the scenario's scratch directory. A step that fails fails the test. */
#pragma once

#include "scenario.h"

/* Runs a program to its end, which must be 0. RET_OUTPUT may be NULL. */
void signing_run(const char *const *arguments, char **ret_output);
#define SIGNING_RUN(ret_output, ...) signing_run((const char *const[]){__VA_ARGS__, NULL}, ret_output)

/* Makes a key pair NAME; LINE is what stands in trust.keys. */
void signing_make_key(struct scenario *s, const char *name, char *line, size_t size);

/* Writes PATH.minisig. */
void signing_sign(struct scenario *s, const char *key, const char *path, const char *comment);
