#include "selection.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "checks.h"
#include "events.h"
#include "gate_node.h"
#include "jobs.h"
#include "planning.h"
#include "watermark.h"
#include <dirent.h>

static int feed_start(struct director *director, const char *release, bool is_asked_for);
static bool state_is_empty(const struct director *director);
static bool can_be_read(const struct director *director);
static int choose(struct director *director, uint64_t height, char *release, size_t size);
static void ask(struct director *director);

int selection_begin(struct director *director) {
        director->has_resumed = true;
        /* It stays held, also when everything has been started anew. */
        if (director->record.machine.state_is_old)
                return feed_start(director, NULL, false);
        if (*director->record.machine.current_release == '\0' && director->schedule.n > 0 && state_is_empty(director)) {
                director->is_selecting = true;
                selection_on_height(director, 0, NULL);
                return 0;
        }
        if (!can_be_read(director))
                return feed_start(director, NULL, false);
        director->is_selecting = true;
        ask(director);
        return 0;
}

void selection_on_prober(struct director *director) {
        ask(director);
}

/* The release that is held has committed what it must not have: it overshot. */
static bool was_made_against_schedule(const struct director *director, uint64_t height) {
        const struct machine *machine = &director->record.machine;
        return machine->must_not_run && !planning_allows(director, machine->current_release, height);
}

void selection_on_height(struct director *director, uint64_t height, const char *text) {
        char release[MACHINE_RELEASE_MAX] = "";
        int r;
        if (!director->is_selecting)
                return;
        director->is_selecting = false;
        if (height != MACHINE_NO_HEIGHT && watermark_refuses(director, 0, height))
                return;
        if (height == MACHINE_NO_HEIGHT)
                log_warning("the height of the state cannot be read before the start (%s): the first block will tell", text);
        if (height != MACHINE_NO_HEIGHT)
                gate_node_begins(director, height);
        /* Below the first boundary the schedule says nothing; and no release may go on from what was made against it. */
        if (height == MACHINE_NO_HEIGHT || was_made_against_schedule(director, height) ||
                        !schedule_range_at(&director->schedule, height + 1))
                r = feed_start(director, NULL, false);
        else {
                r = choose(director, height, release, sizeof(release));
                if (r >= 0)
                        r = feed_start(director, release, true);
                else if (director->record.machine.must_not_run)
                        r = feed_start(director, NULL, false); /* it is held, as before */
        }
        if (r < 0)
                (void) sd_event_exit(director->event, EXIT_FAILURE);
}

static int feed_start(struct director *director, const char *release, bool is_asked_for) {
        char first[MACHINE_RELEASE_MAX] = "", why[400] = "";
        struct machine_event event = {.type = EVENT_START, .text = release ? release : first, .flag = is_asked_for};
        if (!release && *director->record.machine.current_release == '\0' &&
                        planning_first_release(director, first, sizeof(first), why, sizeof(why)) < 0) {
                log_error("node %s cannot start: %s", director->config->node, why);
                return -ENOENT;
        }
        int r = events_feed(director, &event);
        if (r >= 0)
                jobs_sweep_snapshots(director);
        return r < 0 ? r : 0;
}

/* Then the node begins with its first block. One that may not be looked into is not known to be. */
static bool state_is_empty(const struct director *director) {
        DIR *directory = director->state_directory ? opendir(director->state_directory) : NULL;
        bool is_empty = directory;
        for (const struct dirent *entry; is_empty && (entry = readdir(directory));)
                is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (directory)
                (void) closedir(directory);
        return is_empty;
}

static bool can_be_read(const struct director *director) {
        enum height_source source = director->config->height.source;
        bool matters = director->schedule.n > 0 || state_signs(&director->config->state);
        return matters && (source == HEIGHT_FILE || source == HEIGHT_EXEC);
}

static void ask(struct director *director) {
        if (!director->is_selecting || director->prober < 0)
                return;
        int r = checks_begin(director, 0, ASKED_HEIGHT);
        if (r < 0)
                selection_on_height(director, MACHINE_NO_HEIGHT, strerror(-r));
}

/* What ran last stays, if it may go on: an operator may have gone back to it. Then what a swap goes to. */
static int choose(struct director *director, uint64_t height, char *release, size_t size) {
        const struct machine *machine = &director->record.machine;
        const char *last = *machine->current_release ? machine->current_release : director->config->release, *next = NULL;
        struct release *releases = NULL;
        size_t n = 0;
        char why[400];
        struct version version = {0};
        int best = -1, second = -1;
        if (*machine->candidate_release != '\0' && machine->flipped)
                last = machine->candidate_release;
        else if (*machine->candidate_release != '\0')
                next = machine->candidate_release;
        int r = release_list(director->releases_dir, &releases, &n);
        if (r < 0)
                return log_errno(r, "the releases in %s cannot be read", director->releases_dir);
        _cleanup_free_ struct version *versions = calloc(n + 1, sizeof(*versions));
        if (!versions) {
                release_list_free(releases, n);
                return log_errno(-ENOMEM, "cannot choose a release");
        }
        for (size_t i = 0; i < n; i++) {
                versions[i] = releases[i].version;
                if (!schedule_allows(&director->schedule, &versions[i], height + 1))
                        continue;
                best = last && strcmp(releases[i].text, last) == 0 ? (int) i : best;
                second = next && strcmp(releases[i].text, next) == 0 ? (int) i : second;
        }
        best = best < 0 ? second : best;
        if (best < 0)
                best = schedule_select(&director->schedule, versions, n, height + 1, NULL);
        if (best >= 0)
                text_copy(release, size, releases[best].text);
        else {
                if (last)
                        (void) version_parse(last, &version);
                else if (n > 0)
                        version = versions[n - 1];
                schedule_refusal(&director->schedule, &version, height + 1, versions, n, why, sizeof(why));
                log_error("node %s cannot start: its state is at height %lu, and %s", director->config->node, height, why);
        }
        release_list_free(releases, n);
        return best < 0 ? -ENOENT : 0;
}
