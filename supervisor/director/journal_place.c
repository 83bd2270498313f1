#include "journal_place.h"

#include "../lib/cgroup.h"
#include "../lib/log.h"
#include "../lib/version.h"
#include "steering.h"
#include "unit.h"

int journal_place_check(struct director *director) {
        char *complaint = director->journal_complaint;
        int r = journal_is_in_place(director->journal);
        if (r >= 0) {
                if (*complaint)
                        log_notice("the journal in %s is back in its place", director->directories.state);
                *complaint = '\0';
                return 0;
        }
        if (*complaint)
                return r;
        (void) snprintf(complaint, sizeof(director->journal_complaint),
                        "the journal %.200s/journal.db %s: the node goes on, but nothing can be begun that the next director would not "
                        "know of; put the same file back, or stop the node and start it again",
                        director->directories.state, r == -ESTALE ? "was replaced by another file" : "was moved away or removed");
        log_error("%s", complaint);
        return r;
}

bool journal_place_is_strange(const struct director *director, bool was_started_here) {
        for (size_t i = 0; i < UNITS_MAX; i++) {
                uint64_t generation = director->units[i].generation;
                if (generation != 0 && (!was_started_here || generation > director->record.machine.last_generation))
                        return true;
        }
        return false;
}

static bool serves(struct director *director, const struct unit *unit) {
        return steering_routed_slot(director) == steering_slot(unit->generation);
}

/* Whom users meet, else who is furthest. */
static struct unit *find_survivor(struct director *director) {
        struct unit *best = NULL;
        for (size_t i = 0; i < UNITS_MAX; i++) {
                struct unit *unit = &director->units[i];
                if (unit->generation == 0 || !unit->is_running)
                        continue;
                bool is_better = !best || (unit->is_past_fence && !best->is_past_fence) ||
                                 (unit->is_past_fence == best->is_past_fence && unit->generation > best->generation);
                if (serves(director, unit) && !unit->is_frozen)
                        return unit;
                if (is_better)
                        best = unit;
        }
        return best;
}

/* By where its program lies: RELEASES/VERSION/... Empty: it runs something else, such as an interpreter. */
static void find_release(const struct director *director, const struct unit *unit, char *release, size_t size) {
        char link[64], path[4096], *version;
        struct version parsed;
        size_t length = strlen(director->releases_dir);
        (void) snprintf(link, sizeof(link), "/proc/%d/exe", unit->pid);
        ssize_t n = readlink(link, path, sizeof(path) - 1);
        *release = '\0';
        if (n <= 0)
                return;
        path[n] = '\0';
        if (strncmp(path, director->releases_dir, length) != 0 || path[length] != '/')
                return;
        version = path + length + 1;
        version[strcspn(version, "/")] = '\0';
        if (strlen(version) < size && version_parse(version, &parsed) >= 0)
                text_copy(release, size, version);
}

bool journal_place_leaves_gate(const struct director *director, uint64_t generation) {
        return director->record.journal_was_lost && generation == director->record.machine.current;
}

static void describe(const struct director *director, struct machine *machine) {
        (void) snprintf(machine->reason, sizeof(machine->reason),
                        "the journal in %.120s is not the one under which the node was started, so its schedule is not known: it runs "
                        "on up to where its gate was set; set the schedule again, then `interrex %s`; or stop the node, put the "
                        "journal back, and start it",
                        director->directories.state, *machine->current_release ? "restart" : "upgrade --now");
}

bool journal_place_begin_anew(struct director *director) {
        struct unit *survivor = find_survivor(director);
        struct record record = {.machine = machine_initial(), .journal_was_lost = true, .last_height = MACHINE_NO_HEIGHT};
        struct machine *machine = &record.machine;
        if (!survivor)
                return false;
        record.follow.held_at = record.follow.found_at = MACHINE_NO_HEIGHT;
        record.keeper_instance = director->welcome.instance;
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation > machine->last_generation)
                        machine->last_generation = director->units[i].generation;
        machine->phase = PHASE_HELD;
        machine->current = survivor->generation;
        machine->serving = serves(director, survivor) ? survivor->generation : 0;
        find_release(director, survivor, machine->current_release, sizeof(machine->current_release));
        describe(director, machine);
        director->record = record;
        text_copy(survivor->release, sizeof(survivor->release), machine->current_release);
        survivor->fence = MACHINE_PASS_AT_ONCE;
        survivor->was_proved = machine->serving != 0;
        log_error("%s", machine->reason);
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->units[i].generation != 0 && &director->units[i] != survivor)
                        unit_control(director, director->units[i].generation, CGROUP_KILL);
        return true;
}
