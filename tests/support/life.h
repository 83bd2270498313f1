/* A life of the swap machine for unit tests: its state, its settings and what the last step asked for. */
#pragma once

#include "director/machine.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct life {
        struct machine machine;
        struct machine_settings settings;
        struct machine_actions actions;
};

int feed(struct life *life, enum machine_event_type type, uint64_t generation, const char *text);
int feed_at(struct life *life, const char *release, uint64_t height, bool breaking);

/* Did the last step ask for it, of this generation; and as its how-manyth action? SIZE_MAX: not. */
bool did(const struct life *life, enum machine_action_type type, uint64_t generation);
size_t place_of(const struct life *life, enum machine_action_type type);

/* Generation 1 of 1.0.0 runs, exclusive and with snapshots. */
struct life running(void);
/* Up to the fence's release: the old generation is gone, the candidate is being proved. */
struct life proving(bool breaking);
