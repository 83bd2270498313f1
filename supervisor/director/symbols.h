/* Where a function or a USDT probe lies in an ELF file. Thread safe: no state. The file may be hostile:
 * every index and length in it is checked, and the work done for it is bounded. Only binaries of this host's
 * own processor are looked at, because in another's the argument would be read from the wrong register. */
#pragma once

#include "../lib/base.h"

struct symbol_location {
        uint64_t offset;  /* in the file, for a uprobe; the function's first instruction */
        uint64_t address; /* as linked */
        uint64_t size;    /* bytes of code; 0 if the file does not say */
        char name[256];   /* cut if longer */
};

/* Finds the function NAME (as in the symbol table: mangled for C++ and Rust, "package.Function" for Go) in
 * the ELF file open at FD, in .symtab and .dynsym. On failure *ret_error, to be freed by the caller, is a
 * sentence that says what to do (NULL if there was no memory for it): -ENOENT: no such function, the
 * sentence names up to five that come near; -ENOTUNIQ: several functions have the name, and a gate at one of
 * them would miss the others; -ENOEXEC: not an ELF file of this processor, stripped, or damaged. */
int symbol_find(int fd, const char *name, struct symbol_location *ret_location, char **ret_error);

/* The same for the one function whose name the POSIX extended regular expression PATTERN is found in; several names of one
 * address are one function. -ENOTUNIQ: several match, and the sentence names up to five; -ENOENT names those that come near the
 * longest part of the pattern that stands for itself; -E2BIG: a name is longer than 64 KiB, or all are over 256 MiB, so that not
 * all can be searched; -EINVAL: not an expression. */
int symbol_find_matching(int fd, const char *pattern, struct symbol_location *ret_location, char **ret_error);

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
