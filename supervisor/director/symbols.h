/* Where a function or a USDT probe lies in an ELF file. Thread safe: no state. */
#pragma once

#include "../lib/base.h"

struct symbol_location {
        uint64_t offset; /* in the file, for a uprobe */
        uint64_t address, size;
        char name[256];
};

/* -ENOENT: *ret_error (malloc'ed) names the nearest symbols; -ENOEXEC: not an ELF file, or one without symbols. */
int symbol_find(int fd, const char *name, struct symbol_location *ret_location, char **ret_error);

enum usdt_kind { USDT_REGISTER, USDT_MEMORY, USDT_CONSTANT };

struct usdt_location {
        uint64_t offset, semaphore_offset; /* in the file; the latter 0 if there is none */
        enum usdt_kind kind;
        uint32_t register_offset; /* into struct pt_regs */
        int64_t value;            /* displacement or constant */
        uint32_t size;            /* bytes */
};

/* "provider:name". */
int usdt_find(int fd, const char *probe, unsigned argument, struct usdt_location *ret_location, char **ret_error);
