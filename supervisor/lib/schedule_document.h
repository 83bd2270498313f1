/* A schedule as a file. A line is a boundary (see boundary.h), '#' begins a comment. Two lines may say of the whole:
 * "sequence N", with which the file is all of the schedule and not an addition to it, and "node NAME". Pure, thread safe. */
#pragma once

#include "boundary.h"
#include "config.h"

#define SCHEDULE_DOCUMENT_SIZE_MAX ((size_t)1024 * 1024)
#define SCHEDULE_NO_SEQUENCE UINT64_MAX
#define SCHEDULE_MISTAKES_MAX 64 /* what more there are is only counted */

struct schedule_mistake {
        unsigned line;  /* 1-based */
        char text[384]; /* one sentence */
};

struct schedule_document {
        uint64_t sequence;           /* SCHEDULE_NO_SEQUENCE: none is named */
        char node[NODE_NAME_MAX];    /* whom it is for; empty: whoever reads it */
        struct boundary_rule *rules; /* in the file's order; no point twice */
        size_t n_rules;
        struct schedule_mistake *mistakes;
        size_t n_mistakes, n_mistakes_in_all;
};

/* Reads all of TEXT, which may be hostile: time and memory stay small. -EINVAL: there are mistakes, they are in
 * *ret_document. -ENOMEM. The document is the caller's in both cases (schedule_document_done). */
int schedule_document_parse(const char *text, struct schedule_document *ret_document);
void schedule_document_done(struct schedule_document *document);
