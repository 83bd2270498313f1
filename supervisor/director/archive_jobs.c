#include "archive_jobs.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "events.h"
#include "jobs.h"
#include "keeper_link.h"
#include "unit.h"
#include <jansson.h>

#define EXTRA_FD_TEXT "3"

static const char *kind_name(enum snapshot_kind kind) {
        static const char *const names[] = {"auto", "btrfs", "reflink", "copy", "hook", "none"};
        INVARIANT(kind < ELEMENTS(names));
        return names[kind];
}

static size_t verified_index(const struct director *director, const char *release) {
        for (size_t i = 0; i < ELEMENTS(director->verified_fd); i++)
                if (director->verified_fd[i] >= 0 && strcmp(director->verified_release[i], release) == 0)
                        return i;
        return SIZE_MAX;
}

int jobs_verified_fd(const struct director *director, const char *release) {
        size_t i = verified_index(director, release);
        return i == SIZE_MAX ? -1 : director->verified_fd[i];
}

/* A descriptor that an earlier director verified comes back without its path. */
const char *jobs_verified_path(struct director *director, const char *release) {
        size_t i = verified_index(director, release);
        struct release loaded = {0};
        _cleanup_close_ int fd = -1;
        if (i == SIZE_MAX || director->verified_path[i])
                return i == SIZE_MAX ? NULL : director->verified_path[i];
        if (release_load(director->releases_dir, release, &loaded) >= 0)
                (void) release_open_command(director->releases_dir, &loaded, director->config->exec.command,
                                &director->verified_path[i], &fd);
        release_done(&loaded);
        return director->verified_path[i];
}

/* False: a name that is too long is not stored, and what it stands for is verified again when it is needed. */
static bool stored_name(const struct director *director, size_t i, char *name, size_t size) {
        int n = snprintf(name, size, "command.%zu.%s", i, director->verified_release[i]);
        return n > 0 && (size_t) n < size && director->verified_fd[i] >= 0;
}

int jobs_adopt_stored(struct director *director, const char *name, int fd) {
        size_t i;
        char release[MACHINE_RELEASE_MAX];
        if (sscanf(name, "command.%zu.%127s", &i, release) != 2 || i >= ELEMENTS(director->verified_fd))
                return 0;
        close_fd(director->verified_fd[i]);
        director->verified_fd[i] = fd;
        text_copy(director->verified_release[i], sizeof(director->verified_release[i]), release);
        return 1;
}

/* Two are kept: the one in force and the one to come. */
static void keep_verified(struct director *director, const char *release, int fd, char *path) {
        size_t victim = strcmp(director->verified_release[0], director->record.machine.current_release) == 0 ? 1 : 0;
        char name[KEEPER_NAME_MAX];
        if (stored_name(director, victim, name, sizeof(name)))
                keeper_drop(director, name);
        close_fd(director->verified_fd[victim]);
        free(director->verified_path[victim]);
        director->verified_fd[victim] = fd;
        director->verified_path[victim] = path;
        text_copy(director->verified_release[victim], sizeof(director->verified_release[victim]), release);
        /* The gate needs it again after a director's death, before it could be verified once more. */
        if (stored_name(director, victim, name, sizeof(name)))
                keeper_store(director, name, fd);
}

static void verify_failed(struct director *director, uint64_t for_generation, const char *text) {
        struct machine_event event = {.type = for_generation ? EVENT_SPAWN_FAILED : EVENT_VERIFY_FAILED,
                        .generation = for_generation,
                        .text = text};
        struct unit *unit = unit_find(director, for_generation);
        events_later(director, &event);
        if (unit)
                unit_forget(director, unit);
}

void jobs_verify(struct director *director, const char *release, uint64_t for_generation) {
        struct release loaded = {0};
        _cleanup_free_ char *path = NULL;
        char text[400];
        _cleanup_close_ int fd = -1;
        if (jobs_verified_fd(director, release) >= 0 && for_generation == 0) {
                struct machine_event event = {.type = EVENT_VERIFIED};
                events_later(director, &event);
                return;
        }
        int r = release_load(director->releases_dir, release, &loaded);
        if (r >= 0)
                r = release_open_command(director->releases_dir, &loaded, director->config->exec.command, &path, &fd);
        release_done(&loaded);
        if (r < 0) {
                (void) snprintf(text, sizeof(text),
                                "release %s cannot be executed: its command %s in %s: %s; add it again with `interrex release add`",
                                release, director->config->exec.command, director->releases_dir, strerror(-r));
                verify_failed(director, for_generation, text);
                return;
        }
        char *arguments[6 + TRUST_KEYS_MAX + 1] = {"interrex-archivist", "verify", director->releases_dir, (char *) release,
                        director->config->exec.command, EXTRA_FD_TEXT};
        for (size_t i = 0; i < TRUST_KEYS_MAX && director->config->trust_keys && director->config->trust_keys[i]; i++)
                arguments[6 + i] = director->config->trust_keys[i];
        struct job *job = jobs_start_archivist(director, JOB_VERIFY, arguments, fd);
        if (!job) {
                verify_failed(director, for_generation, "the release could not be verified: no process could be made for it");
                return;
        }
        job->for_generation = for_generation;
        job->command_fd = TAKE_FD(fd);
        text_copy(job->release, sizeof(job->release), release);
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
        else if (director->config->state.snapshot == SNAPSHOT_NONE)
                text_copy(director->snapshot_reason, sizeof(director->snapshot_reason), "state.snapshot is none");
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

static void verified(struct director *director, struct job *job, bool worked, const char *error) {
        if (!worked) {
                verify_failed(director, job->for_generation, error);
                return;
        }
        struct release loaded = {0};
        char *path = NULL;
        int fd = -1;
        /* The descriptor that was verified is kept; only the path's text is taken from here. */
        int r = release_load(director->releases_dir, job->release, &loaded);
        if (r >= 0)
                r = release_open_command(director->releases_dir, &loaded, director->config->exec.command, &path, &fd);
        release_done(&loaded);
        close_fd(fd);
        if (r < 0) {
                verify_failed(director, job->for_generation, "the release disappeared while it was verified");
                return;
        }
        keep_verified(director, job->release, TAKE_FD(job->command_fd), path);
        struct unit *unit = unit_find(director, job->for_generation);
        if (unit && unit->spawn_is_pending)
                unit_spawn_verified(director, unit);
        else if (job->for_generation == 0) {
                struct machine_event event = {.type = EVENT_VERIFIED};
                events_later(director, &event);
        }
}

static void planned(struct director *director, const json_t *answer, bool worked, const char *error) {
        const char *kind = json_string_value(json_object_get(answer, "kind"));
        const char *reason = json_string_value(json_object_get(answer, "reason"));
        director->settings.snapshot = worked && kind && strcmp(kind, "none") != 0;
        text_copy(director->record.snapshot_kind, sizeof(director->record.snapshot_kind), director->settings.snapshot ? kind : "");
        text_copy(director->snapshot_reason, sizeof(director->snapshot_reason), worked ? reason ? reason : "" : error);
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

void archive_job_done(struct director *director, struct job *job, bool worked) {
        json_t *answer = json_loads(job->output, 0, NULL);
        const char *text = json_string_value(json_object_get(answer, "error"));
        const char *error = text ? text : "the archivist ended without an answer";
        struct machine_event event = {.text = worked ? NULL : error};
        switch (job->kind) {
        case JOB_VERIFY:
                verified(director, job, worked, error);
                break;
        case JOB_PLAN:
                planned(director, answer, worked, error);
                break;
        case JOB_SNAPSHOT:
                event.type = worked ? EVENT_SNAPSHOT_TAKEN : EVENT_SNAPSHOT_FAILED;
                events_later(director, &event);
                break;
        case JOB_RESTORE:
                event.type = worked ? EVENT_RESTORED : EVENT_RESTORE_FAILED;
                events_later(director, &event);
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
