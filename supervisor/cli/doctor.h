/* What this kernel and host can do: every row is found out by trying, where trying is possible without
 * leaving a trace. For doctor*.c only. */
#pragma once

#include "../lib/base.h"
#include "arguments.h"

#define FINDINGS_MAX 40

enum finding_status {
        FINDING_OK,
        FINDING_DEGRADED, /* interrex runs, and does less */
        FINDING_MISSING,  /* interrex cannot run */
};

struct finding {
        const char *name;
        enum finding_status status;
        char meaning[320];
        char remedy[320]; /* empty: nothing to do */
};

struct findings {
        struct finding items[FINDINGS_MAX];
        size_t n;
};

/* NAME is kept as a pointer; REMEDY (may be NULL) and MEANING are copied. */
void findings_add(struct findings *findings, const char *name, enum finding_status status,
                const char *remedy, const char *meaning, ...) _printf_(5, 6);

/* Each adds its rows. */
void doctor_kernel(struct findings *findings);
void doctor_cgroup(struct findings *findings);
void doctor_bpf(struct findings *findings);
void doctor_host(struct findings *findings, const char *state_dir);
