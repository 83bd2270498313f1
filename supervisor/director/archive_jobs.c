#include "archive_jobs.h"

#include "../lib/log.h"
#include "events.h"
#include "jobs.h"
#include "keeper_link.h"
#include "signing.h"
#include "unit.h"
#include "verification.h"
#include <jansson.h>
#include <signal.h>

static const char *kind_name(enum snapshot_kind kind) {
        static const char *const names[] = {"auto", "btrfs", "reflink", "copy", "hook", "none"};
        INVARIANT(kind < ELEMENTS(names));
        return names[kind];
}

static int snapshot_arguments(struct director *director, const char *verb, const char *name, const char *kind,
                char ***ret_arguments) {
        const struct state_config *state = &director->config->state;
        _cleanup_strv_ char **arguments = NULL;
        char limit[32];
        (void) snprintf(limit, sizeof(limit), "%lu", state->copy_limit);
        const char *fixed[] = {"interrex-archivist", verb, name, kind, "--directory", director->state_directory, "--copy-limit",
                        limit, "--want", kind_name(state->snapshot)};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTS(fixed); i++)
                if (fixed[i])
                        r = strv_push(&arguments, fixed[i]);
        if (r >= 0)
                r = strv_push_options(&arguments, "--keep", state->keep);
        if (r >= 0 && state->signer == SIGNER_FILES)
                r = strv_push_options(&arguments, "--signer", (char *[]){"files", NULL});
        if (r >= 0)
                r = strv_push_options(&arguments, "--hook", state->hook);
        if (r >= 0)
                *ret_arguments = TAKE_POINTER(arguments);
        return r;
}

static bool start_snapshot_job(struct director *director, enum job_kind kind, const char *verb, uint64_t swap,
                const char *snapshot_kind) {
        _cleanup_strv_ char **arguments = NULL;
        char name[64];
        (void) snprintf(name, sizeof(name), "swap-%lu", swap);
        if (snapshot_arguments(director, verb, kind == JOB_PLAN ? NULL : name, snapshot_kind, &arguments) < 0)
                return false;
        return jobs_start_archivist(director, kind, arguments, -1) != NULL;
}

void jobs_plan_snapshot(struct director *director) {
        /* What was found out last holds until the answer has come. */
        if (!director->state_directory)
                text_copy(director->snapshot_reason, sizeof(director->snapshot_reason), "the node has no state.directory");
        else
                (void) start_snapshot_job(director, JOB_PLAN, "plan", 0, NULL);
}

static void fail_soon(struct director *director, enum machine_event_type type, const char *text) {
        struct machine_event event = {.type = type, .text = text};
        events_later(director, &event);
}

static bool is_sweeping(const struct director *director) {
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (director->jobs[i].kind == JOB_SWEEP)
                        return true;
        return false;
}

/* What a swap has not begun to change the state under is older than the state by now. While nothing may run on the state, an operator
 * may want any of them back. */
void jobs_sweep_snapshots(struct director *director) {
        const struct machine *machine = &director->record.machine;
        bool is_needed = machine->kind != SWAP_NONE && machine->past_fence;
        if (director->state_directory && !machine->must_not_run)
                (void) start_snapshot_job(director, JOB_SWEEP, is_needed ? "sweep" : "clear", director->record.swap, NULL);
}

void jobs_snapshot(struct director *director) {
        if (is_sweeping(director))
                return; /* it would be swept away: taken afterwards */
        if (!start_snapshot_job(director, JOB_SNAPSHOT, "take", director->record.swap, director->record.snapshot_kind))
                fail_soon(director, EVENT_SNAPSHOT_FAILED, "no archivist could be started");
}

void jobs_restore(struct director *director) {
        if (!start_snapshot_job(director, JOB_RESTORE, "restore", director->record.swap, NULL))
                fail_soon(director, EVENT_RESTORE_FAILED, "no archivist could be started");
}

void jobs_drop_snapshot(struct director *director, uint64_t swap) {
        if (director->state_directory)
                (void) start_snapshot_job(director, JOB_DROP, "remove", swap, NULL);
}

static void planned(struct director *director, const json_t *answer, bool worked, const char *error) {
        const char *kind = json_string_value(json_object_get(answer, "kind"));
        const char *reason = json_string_value(json_object_get(answer, "reason"));
        director->settings.snapshot = worked && kind && strcmp(kind, "none") != 0;
        text_copy(director->record.snapshot_kind, sizeof(director->record.snapshot_kind), director->settings.snapshot ? kind : "");
        text_copy(director->snapshot_reason, sizeof(director->snapshot_reason), worked ? reason ? reason : "" : error);
}

/* Before what follows from the snapshot: whether it may be put back is known and in the journal by then. */
static void looked(struct director *director, const struct job *job, const json_t *answer, bool worked) {
        const char *mark = json_string_value(json_object_get(answer, "signer_mark"));
        if (mark || worked)
                signing_note(director, job->number, mark);
}

static void swept(struct director *director, struct job *job, const char *told, const char *error) {
        if (error)
                log_warning("snapshots of earlier swaps could not be removed: %s", error);
        else if (told && *told)
                log_warning("%s", told);
        job->kind = JOB_DROPPED;
        if (director->record.machine.phase == PHASE_SNAPSHOTTING)
                jobs_snapshot(director);
}

/* As an operator's command would, and by it: it needs all of root's rights, and talks to this director as he does. */
void jobs_rehearse(struct director *director) {
        const char *release = director->record.machine.candidate_release;
        char state[sizeof(director->directories.state)], run[sizeof(director->directories.run)];
        text_copy(state, sizeof(state), director->directories.state);
        text_copy(run, sizeof(run), director->directories.run);
        *strrchr(state, '/') = *strrchr(run, '/') = '\0';
        const char *arguments[] = {"interrex", "rehearse", director->config->node, release, "--at-gate", "--json", "--state-dir",
                        state, "--run-dir", run, NULL};
        log_info("generation %lu stands at its gate: %s is rehearsed on a snapshot of its state", director->record.machine.current,
                        release);
        struct job *job = jobs_start_archivist(director, JOB_REHEARSE, (char *const *) arguments, -1);
        if (job)
                job->for_generation = director->record.machine.candidate;
        else
                fail_soon(director, EVENT_REHEARSAL_FAILED, "no process could be started for it");
}

static void rehearsed(struct director *director, const struct job *job, const json_t *answer, bool worked) {
        const char *reason = json_string_value(json_object_get(answer, "reason"));
        struct machine_event event = {.type = worked ? EVENT_REHEARSED : EVENT_REHEARSAL_FAILED,
                        .text = worked   ? NULL
                                : reason ? reason
                                         : "it could not be made; the log says why"};
        if (job->for_generation != director->record.machine.candidate)
                return; /* of a swap that was given up */
        if (worked)
                log_info("%s has proved itself on a snapshot, %.3f s after its start; the node stood still for %.3f s",
                                director->record.machine.candidate_release, json_number_value(json_object_get(answer, "start_s")),
                                json_number_value(json_object_get(answer, "frozen_s")));
        events_later(director, &event);
}

static void describe_end(const struct job *job, const struct keeper_exited *exited, char *text, size_t size) {
        if (*job->failure)
                (void) snprintf(text, size, "the archivist could not be started: %s", job->failure);
        else if (exited->code == CLD_EXITED)
                (void) snprintf(text, size, "the archivist ended with status %d and without an answer", exited->status);
        else
                (void) snprintf(text, size, "the archivist was ended by signal %d (%s)%s", exited->status,
                                strsignal(exited->status),
                                exited->status == SIGKILL
                                                ? ", which interrex did not send: if memory did not run out, cgroup.kill was "
                                                  "once written for interrex's cgroup, and Linux kills what is started there; "
                                                  "start interrex in another cgroup, as systemd does"
                                                : "");
}

void archive_job_done(struct director *director, struct job *job, const struct keeper_exited *exited) {
        json_t *answer = json_loads(job->output, 0, NULL);
        const char *text = json_string_value(json_object_get(answer, "error"));
        bool worked = exited->code == CLD_EXITED && exited->status == 0;
        char end[320];
        describe_end(job, exited, end, sizeof(end));
        const char *error = text ? text : end;
        struct machine_event event = {.text = worked ? NULL : error};
        switch (job->kind) {
        case JOB_VERIFY:
        case JOB_VERIFY_AHEAD:
                verification_done(director, job, answer, worked ? NULL : error);
                break;
        case JOB_PLAN:
                planned(director, answer, worked, error);
                looked(director, job, answer, worked);
                break;
        case JOB_SNAPSHOT:
                looked(director, job, answer, worked);
                event.type = worked ? EVENT_SNAPSHOT_TAKEN : EVENT_SNAPSHOT_FAILED;
                events_later(director, &event);
                break;
        case JOB_RESTORE:
                event.type = worked ? EVENT_RESTORED : EVENT_RESTORE_FAILED;
                events_later(director, &event);
                break;
        case JOB_REHEARSE:
                rehearsed(director, job, answer, worked);
                break;
        case JOB_SWEEP:
                swept(director, job, json_string_value(json_object_get(answer, "reason")), worked ? NULL : error);
                break;
        default:
                if (!worked)
                        log_warning("the snapshot could not be removed: %s", error);
        }
        json_decref(answer);
}
