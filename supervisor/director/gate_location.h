/* Where a uprobe goes and where the height lies when it is hit. */
#pragma once

#include "../lib/base.h"
#include "../lib/config.h"

struct gate_location {
        uint64_t offset;                   /* in the file */
        uint64_t reference_counter_offset; /* USDT semaphore; 0: none */
        uint32_t kind;                     /* enum gate_argument_kind */
        uint32_t register_offset;          /* into struct pt_regs */
        int64_t displacement;
        uint32_t size;
        char function[256]; /* or the USDT probe: what was found, cut if longer */
};

/* FILE is the release's command, and may be hostile. On failure *ret_error (malloc'ed) says which symbols come near. */
int gate_locate(int file, const struct gate_config *gate, struct gate_location *ret_location, char **ret_error);
