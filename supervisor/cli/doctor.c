#include "doctor.h"

#include "../lib/control_protocol.h"
#include "commands.h"
#include "output.h"
#include "text.h"
#include <stdarg.h>

static const char *const status_names[] = {
                [FINDING_OK] = "ok",
                [FINDING_DEGRADED] = "degraded",
                [FINDING_MISSING] = "missing",
};

static json_t *findings_json(const struct findings *findings);
static void print_findings(const struct findings *findings, const struct text_style *style);
static size_t count(const struct findings *findings, enum finding_status status);

int command_doctor(const struct arguments *arguments) {
        _cleanup_free_ struct findings *findings = calloc(1, sizeof(*findings));
        if (!findings)
                return output_text(-ENOMEM, NULL);
        doctor_kernel(findings);
        doctor_cgroup(findings);
        doctor_bpf(findings);
        doctor_host(findings, arguments->state_dir);
        bool can_run = count(findings, FINDING_MISSING) == 0;
        int status;
        if (arguments->json) {
                _cleanup_(output_json_done) json_t *json = findings_json(findings);
                status = output_json(json);
        } else {
                struct text_style style = text_style_for(STDOUT_FILENO);
                print_findings(findings, &style);
                status = output_text(0, "");
        }
        return status != 0 ? status : can_run ? EXIT_DONE : EXIT_FAILED;
}

void findings_add(struct findings *findings, const char *name, enum finding_status status,
                const char *remedy, const char *meaning, ...) {
        INVARIANT(findings->n < FINDINGS_MAX);
        struct finding *finding = &findings->items[findings->n++];
        va_list arguments;
        finding->name = name;
        finding->status = status;
        va_start(arguments, meaning);
        (void)vsnprintf(finding->meaning, sizeof(finding->meaning), meaning, arguments);
        va_end(arguments);
        text_copy(finding->remedy, sizeof(finding->remedy), remedy ? remedy : "");
}

static json_t *findings_json(const struct findings *findings) {
        json_t *array = json_array();
        for (size_t i = 0; array && i < findings->n; i++) {
                const struct finding *finding = &findings->items[i];
                json_t *item = json_pack("{ss ss ss ss}", "name", finding->name, "status",
                                status_names[finding->status], "meaning", finding->meaning, "remedy",
                                finding->remedy);
                if (json_array_append_new(array, item) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

static void print_findings(const struct findings *findings, const struct text_style *style) {
        size_t missing = count(findings, FINDING_MISSING), degraded = count(findings, FINDING_DEGRADED);
        for (size_t i = 0; i < findings->n; i++) {
                const struct finding *finding = &findings->items[i];
                const char *status = status_names[finding->status];
                (void)printf("%-22s ", finding->name);
                text_put_coloured(stdout, style, text_colour_of(status), status);
                (void)printf("%*s ", 9 - (int)strlen(status), "");
                text_put(stdout, finding->meaning);
                (void)putchar('\n');
                if (finding->status != FINDING_OK && *finding->remedy)
                        (void)printf("%32s %s\n", "->", finding->remedy);
        }
        if (missing > 0)
                (void)printf("\ninterrex cannot run here: %zu missing, %zu degraded\n", missing, degraded);
        else if (degraded > 0)
                (void)printf("\ninterrex can run here, with %zu thing%s degraded\n", degraded,
                                degraded == 1 ? "" : "s");
        else
                (void)puts("\ninterrex can run here, with everything it has");
}

static size_t count(const struct findings *findings, enum finding_status status) {
        size_t n = 0;
        for (size_t i = 0; i < findings->n; i++)
                n += findings->items[i].status == status;
        return n;
}
