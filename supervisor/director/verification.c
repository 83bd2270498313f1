#include "verification.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "archive_jobs.h"
#include "events.h"
#include "gate_uprobe.h"
#include "jobs.h"
#include "keeper_link.h"
#include "release_trust.h"
#include "unit.h"
#include <fcntl.h>
#include <sys/stat.h>

#define EXTRA_FD_TEXT "3"
/* A file system of a network or a user may tell another identity each time. */
#define READ_AGAIN_EVERY_US (5 * USEC_PER_SEC)

static struct verified_release *find(const struct director *director, const char *release) {
        for (size_t i = 0; i < ELEMENTS(director->verified); i++)
                if (director->verified[i].fd >= 0 && strcmp(director->verified[i].release, release) == 0)
                        return (struct verified_release *) &director->verified[i];
        return NULL;
}

int verification_fd(const struct director *director, const char *release) {
        const struct verified_release *known = find(director, release);
        return known ? known->fd : -1;
}

const char *verification_path(const struct director *director, const char *release) {
        const struct verified_release *known = find(director, release);
        INVARIANT(known && known->path);
        return known->path;
}

bool verification_is_unchanged(const struct director *director, const char *release) {
        const struct verified_release *known = find(director, release);
        struct release_identity now;
        return known && known->path && release_identify(director->releases_dir, release, &now) >= 0 &&
               memcmp(now.digest, known->identity, sizeof(now.digest)) == 0;
}

bool verification_holds(const struct director *director, const char *release) {
        const struct verified_release *known = find(director, release);
        return known && known->identity_counts && verification_is_unchanged(director, release);
}

/* False: a name that is too long is not stored, and what it stands for is verified again when it is needed. */
static bool stored_name(const struct director *director, const struct verified_release *known, char *name, size_t size) {
        int n = snprintf(name, size, "command.%zu.%s", (size_t) (known - director->verified), known->release);
        return n > 0 && (size_t) n < size && known->fd >= 0;
}

int verification_adopt_stored(struct director *director, const char *name, int fd) {
        size_t i;
        char release[MACHINE_RELEASE_MAX];
        if (sscanf(name, "command.%zu.%127s", &i, release) != 2 || i >= ELEMENTS(director->verified))
                return 0;
        close_fd(director->verified[i].fd);
        director->verified[i].fd = fd;
        text_copy(director->verified[i].release, sizeof(director->verified[i].release), release);
        return 1;
}

static bool is_same_file(int a, int b) {
        struct stat one, other;
        return fstat(a, &one) >= 0 && fstat(b, &other) >= 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* After a director's death the two are verified in any order: neither may take the other's place, or its gate could not be set. */
static bool is_needed(const struct director *director, const struct verified_release *known) {
        const struct machine *machine = &director->record.machine;
        bool is_current = strcmp(known->release, machine->current_release) == 0;
        bool is_candidate = machine->kind != SWAP_NONE && strcmp(known->release, machine->candidate_release) == 0;
        return known->fd >= 0 && (is_current || is_candidate);
}

/* Two are kept: the one in force and the one to come. */
static struct verified_release *place_for(struct director *director, const char *release) {
        struct verified_release *known = find(director, release);
        if (known)
                return known;
        bool first_is_needed = is_needed(director, &director->verified[0]);
        return &director->verified[first_is_needed ? 1 : 0];
}

static struct verified_release *keep(struct director *director, const char *release, int fd, char *path) {
        struct verified_release *known = place_for(director, release);
        char name[KEEPER_NAME_MAX];
        free(known->path);
        known->path = path;
        if (known->fd >= 0 && strcmp(known->release, release) == 0 && is_same_file(known->fd, fd)) {
                close_fd(fd);
                return known;
        }
        if (stored_name(director, known, name, sizeof(name)))
                keeper_drop(director, name);
        if (director->config->gate.kind == GATE_UPROBE && known->fd >= 0)
                gate_uprobe_forget_file(director, known->release);
        close_fd(known->fd);
        known->fd = fd;
        text_copy(known->release, sizeof(known->release), release);
        /* The gate needs it again after a director's death, before it could be verified once more. */
        if (stored_name(director, known, name, sizeof(name)))
                keeper_store(director, name, fd);
        return known;
}

static void fail_for(struct director *director, uint64_t generation, const char *text) {
        struct machine_event event = {.type = generation ? EVENT_SPAWN_FAILED : EVENT_VERIFY_FAILED,
                        .generation = generation,
                        .text = text};
        struct unit *unit = unit_find(director, generation);
        if (generation && !unit)
                return; /* it was given up meanwhile */
        if (unit && !unit->spawn_is_pending) {
                /* It has a process, which has not executed anything; its end tells the machine. */
                text_copy(unit->failure, sizeof(unit->failure), text);
                unit_control(director, generation, CGROUP_KILL);
                return;
        }
        events_later(director, &event);
        if (unit)
                unit_forget(director, unit);
}

static int open_command(const struct director *director, const char *release, char **ret_path, int *ret_fd, char *why,
                size_t size) {
        struct release loaded = {0};
        int r = release_load(director->releases_dir, release, &loaded);
        if (r < 0) {
                (void) snprintf(why, size,
                                "the manifest of release %.100s, %.200s/%.100s.json, cannot be read: %s; put it back with `interrex "
                                "release add` and the same source",
                                release, director->releases_dir, release, strerror(-r));
                return r;
        }
        r = release_open_command(director->releases_dir, &loaded, director->config->exec.command, ret_path, ret_fd);
        release_done(&loaded);
        if (r < 0)
                (void) snprintf(why, size,
                                "the command %.80s of release %.100s in %.160s cannot be executed: %s; put it back with `interrex "
                                "release add` and the same source",
                                director->config->exec.command, release, director->releases_dir, strerror(-r));
        return r;
}

/* The gate is set in the file that is executed, and who waits at exec holds it open: another file, though its content is the
 * same, would be executed without the gate, or unverified. */
static const struct unit *bound_to_file(const struct director *director, const char *release, uint64_t but) {
        for (size_t i = 0; i < UNITS_MAX; i++) {
                const struct unit *unit = &director->units[i];
                if (unit->generation != 0 && unit->generation != but && unit->is_running && strcmp(unit->release, release) == 0 &&
                                (director->config->gate.kind == GATE_UPROBE || !unit->has_executed))
                        return unit;
        }
        return NULL;
}

static int choose_file(struct director *director, const char *release, uint64_t for_generation, char **ret_path, int *ret_fd,
                char *why, size_t size) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        const struct unit *waiting = unit_find(director, for_generation), *bound;
        int known = verification_fd(director, release);
        int r = open_command(director, release, &path, &fd, why, size);
        if (r < 0)
                return r;
        bound = waiting && !waiting->spawn_is_pending ? waiting : bound_to_file(director, release, for_generation);
        if (bound && (known < 0 || !is_same_file(known, fd))) {
                (void) snprintf(why, size,
                                "the command %.200s of release %.100s was replaced by another file while generation %lu was made from "
                                "it; the release can be started again when that one has ended",
                                path, release, bound->generation);
                return -ESTALE;
        }
        *ret_path = TAKE_POINTER(path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static struct job *start_job(struct director *director, enum job_kind kind, const char *release, int fd) {
        char *arguments[6 + TRUST_KEYS_MAX + 1] = {"interrex-archivist", "verify", director->releases_dir, (char *) release,
                        director->config->exec.command, EXTRA_FD_TEXT};
        for (size_t i = 0; i < TRUST_KEYS_MAX && director->config->trust_keys && director->config->trust_keys[i]; i++)
                arguments[6 + i] = director->config->trust_keys[i];
        struct job *job = jobs_start_archivist(director, kind, arguments, fd);
        if (!job) {
                close_fd(fd);
                return NULL;
        }
        job->command_fd = fd;
        text_copy(job->release, sizeof(job->release), release);
        return job;
}

/* One that was begun ahead need not be begun twice. */
static bool take_over(struct director *director, const char *release, int fd, uint64_t for_generation) {
        for (size_t i = 0; i < JOBS_MAX; i++) {
                struct job *job = &director->jobs[i];
                if (job->kind == JOB_VERIFY_AHEAD && strcmp(job->release, release) == 0 && is_same_file(job->command_fd, fd)) {
                        job->kind = JOB_VERIFY;
                        job->for_generation = for_generation;
                        return true;
                }
        }
        return false;
}

void verification_begin(struct director *director, const char *release, uint64_t for_generation) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        char why[512];
        if (for_generation == 0 && verification_holds(director, release)) {
                struct machine_event event = {.type = EVENT_VERIFIED};
                events_later(director, &event);
                return;
        }
        if (choose_file(director, release, for_generation, &path, &fd, why, sizeof(why)) < 0) {
                fail_for(director, for_generation, why);
                return;
        }
        if (take_over(director, release, fd, for_generation))
                return;
        struct job *job = start_job(director, JOB_VERIFY, release, TAKE_FD(fd));
        if (job)
                job->for_generation = for_generation;
        else
                fail_for(director, for_generation, "the release could not be verified: no process could be made for it");
}

static void say_unstartable(struct director *director, const char *release, const char *why) {
        bool is_current = strcmp(release, director->record.machine.current_release) == 0;
        if (is_current && strcmp(director->unstartable, why) == 0)
                return;
        log_warning("release %s could not be started again: %s", release, why);
        if (is_current)
                text_copy(director->unstartable, sizeof(director->unstartable), why);
}

static void begin_ahead(struct director *director, const char *release) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        char why[512];
        if (choose_file(director, release, 0, &path, &fd, why, sizeof(why)) < 0)
                say_unstartable(director, release, why);
        else
                (void) start_job(director, JOB_VERIFY_AHEAD, release, TAKE_FD(fd));
}

void verification_ahead(struct director *director) {
        const struct machine *machine = &director->record.machine;
        if (*machine->current_release)
                begin_ahead(director, machine->current_release);
        if (machine->kind != SWAP_NONE && machine->verified && strcmp(machine->candidate_release, machine->current_release) != 0)
                begin_ahead(director, machine->candidate_release);
}

bool verification_can_open(const struct director *director, const char *release, char *why, size_t size) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        return open_command(director, release, &path, &fd, why, size) >= 0;
}

bool verification_reads_again(const struct director *director) {
        const char *release = director->record.machine.current_release;
        const struct verified_release *known = find(director, release);
        for (size_t i = 0; known && known->path && i < JOBS_MAX; i++)
                if (director->jobs[i].kind == JOB_VERIFY_AHEAD && strcmp(director->jobs[i].release, release) == 0)
                        return true;
        return false;
}

/* Each change is read through once, however often somebody looks. What was put back as another file than the one that runs is read
 * when that has ended: until then the gate needs the old one. */
static void read_again(struct director *director, const char *release, const struct release_identity *changed) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        if (choose_file(director, release, 0, &path, &fd, director->replaced, sizeof(director->replaced)) == -ESTALE) {
                *director->unstartable = '\0';
                return;
        }
        *director->replaced = '\0';
        bool is_early = director->read_again_at != 0 && now_monotonic() < director->read_again_at + READ_AGAIN_EVERY_US;
        bool was_read = memcmp(director->read_again, changed->digest, sizeof(director->read_again)) == 0;
        if (was_read || is_early || verification_reads_again(director))
                return;
        memcpy(director->read_again, changed->digest, sizeof(director->read_again));
        director->read_again_at = now_monotonic();
        log_info("release %s, which runs, was changed since it was verified: it is read through again", release);
        begin_ahead(director, release);
}

void verification_look(struct director *director) {
        const char *release = director->record.machine.current_release;
        const struct verified_release *known = find(director, release);
        struct release_identity now;
        char why[512];
        *director->replaced = '\0';
        if (!known || !known->path)
                return; /* it has yet to be verified, by whatever starts it or by verification_ahead() */
        if (!verification_can_open(director, release, why, sizeof(why))) {
                say_unstartable(director, release, why);
                return;
        }
        int r = release_identify(director->releases_dir, release, &now);
        if (r < 0) {
                (void) snprintf(why, sizeof(why),
                                "files of release %.100s are missing in %.200s: %s; put it back with `interrex release add` and the same "
                                "source",
                                release, director->releases_dir, strerror(-r));
                say_unstartable(director, release, why);
        } else if (memcmp(now.digest, known->identity, sizeof(now.digest)) == 0)
                *director->unstartable = '\0';
        else
                read_again(director, release, &now);
}

/* The descriptor that was verified is kept; only the path's text is made anew. */
static int note_verified(struct director *director, struct job *job, const json_t *answer, char *why, size_t size) {
        const char *identity = json_string_value(json_object_get(answer, "identity"));
        uint8_t digest[32];
        char *path = NULL;
        _cleanup_close_ int fd = -1;
        int r = open_command(director, job->release, &path, &fd, why, size);
        if (r < 0)
                return r;
        if (!identity || sha256_parse(identity, digest) < 0) {
                free(path);
                (void) snprintf(why, size, "the archivist did not say what it has verified");
                return -EBADMSG;
        }
        struct verified_release *known = keep(director, job->release, TAKE_FD(job->command_fd), path);
        memcpy(known->identity, digest, sizeof(digest));
        known->identity_counts = json_is_true(json_object_get(answer, "identity_counts"));
        if (!verification_is_unchanged(director, job->release)) {
                (void) snprintf(why, size,
                                "release %.100s was changed just after it was verified: nobody may write to %.200s/%.100s, where it "
                                "lies; try again",
                                job->release, director->releases_dir, job->release);
                return -EBADMSG;
        }
        if (strcmp(job->release, director->record.machine.current_release) == 0)
                *director->unstartable = '\0';
        return 0;
}

void verification_done(struct director *director, struct job *job, const json_t *answer, const char *error) {
        char why[512];
        /* Where it ended without an answer, nothing is known of the release. */
        const char *refusal = json_string_value(json_object_get(answer, "error"));
        if (!error || refusal)
                release_trust_note(director, job->release, error ? refusal : NULL);
        if (!error && note_verified(director, job, answer, why, sizeof(why)) < 0)
                error = why;
        if (job->kind == JOB_VERIFY_AHEAD) {
                if (error)
                        say_unstartable(director, job->release, error);
                return;
        }
        if (error) {
                fail_for(director, job->for_generation, error);
                return;
        }
        struct unit *unit = unit_find(director, job->for_generation);
        if (unit && unit->spawn_is_pending)
                unit_spawn_verified(director, unit);
        else if (unit && unit->pass_is_pending && !unit->was_killed)
                unit_pass_verified(director, unit);
        else if (job->for_generation == 0) {
                struct machine_event event = {.type = EVENT_VERIFIED};
                events_later(director, &event);
        }
}
