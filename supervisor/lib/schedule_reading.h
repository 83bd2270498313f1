/* From bytes that anybody may have written to boundaries: the signature is checked, then the bytes are parsed. Done by the
 * reader, a process without privileges, whose result has a fixed size and is looked through by whoever takes it. Pure. */
#pragma once

#include "schedule_document.h"

#define READING_MAGIC UINT64_C(0x3165676e69646172)
#define READING_TEXT_MAX 1024

enum reading_kind { READING_DOCUMENT, READING_COSMOVISOR, READING_FLOW, READING_KINDS };

struct reading_order {
        enum reading_kind kind;
        const char *node; /* whose schedule it is to be */
        char *const *keys; /* minisign public keys, one of which must have signed; NULL or empty: not asked for */
        char *const *names;      /* NAME=VERSION or NAME=RANGE, of a chain's upgrades; may be NULL */
        char *const *compatible; /* versions of a Version Beacon that break nothing; may be NULL */
        bool needs_sequence;     /* a document without a number could be an old one */
};

struct schedule_reading {
        uint64_t magic;
        int32_t error; /* 0, or -errno: TEXT is a sentence, or MISTAKES says more */
        uint32_t n_rules, n_mistakes, n_mistakes_in_all;
        uint64_t sequence; /* SCHEDULE_NO_SEQUENCE: none */
        char text[READING_TEXT_MAX];
        struct schedule_mistake mistakes[SCHEDULE_MISTAKES_MAX];
        struct boundary_rule rules[BOUNDARIES_MAX];
};

/* Reads LENGTH bytes of DOCUMENT, which has a NUL behind it, and SIGNATURE (a text; NULL: there is none). The result is
 * always whole, and what it quotes is printable. */
void schedule_reading_make(const struct reading_order *order, const char *document, size_t length,
                const char *signature, struct schedule_reading *ret_reading);

/* The bytes could not be had: schedule_reading_load() gave ERROR. */
void schedule_reading_fail(int error, struct schedule_reading *ret_reading);

/* One that came from another process: -EBADMSG if a member is not what schedule_reading_make() could have made. */
int schedule_reading_check(const struct schedule_reading *reading);

/* All of a descriptor from its beginning, at most MAX bytes, with a NUL behind it. -EFBIG, -ENOMEM, errno of reading. */
int schedule_reading_load(int fd, size_t max, char **ret_text, size_t *ret_length);

const char *reading_kind_name(enum reading_kind kind);
int reading_kind_find(const char *name); /* -EINVAL */
