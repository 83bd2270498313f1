#include "gate_check.h"

#include "../lib/release.h"
#include "../lib/state_access.h"
#include "gate.h"
#include "gate_location.h"
#include "planning.h"

#define BLOCK_NAME_MAX 40

static void remember(struct director *director, const char *release, int result, const char *text) {
        struct gate_check *check = &director->gate_checks[director->n_gate_checks++ % GATE_CHECKS_MAX];
        check->result = result;
        text_copy(check->release, sizeof(check->release), release);
        text_copy(check->text, sizeof(check->text), text);
}

static const struct gate_check *find(const struct director *director, const char *release) {
        for (size_t i = 0; i < GATE_CHECKS_MAX; i++)
                if (strcmp(director->gate_checks[i].release, release) == 0)
                        return &director->gate_checks[i];
        return NULL;
}

static int look(struct director *director, const char *version, char *text, size_t size) {
        struct release release = {0};
        struct gate_location location;
        _cleanup_free_ char *path = NULL, *error = NULL;
        _cleanup_close_ int fd = -1;
        int r = release_load(director->releases_dir, version, &release);
        if (r >= 0)
                r = release_open_command(director->releases_dir, &release, director->config->exec.command, &path, &fd);
        release_done(&release);
        if (r < 0) {
                (void) snprintf(text, size,
                                "its command %s cannot be read (%s); add it again with `interrex release add %s %s PATH`",
                                director->config->exec.command, strerror(-r), director->config->node, version);
                return r;
        }
        r = gate_locate(fd, &director->config->gate, &location, &error);
        text_copy(text, size, r >= 0 ? location.function : error ? error : "its symbols cannot be read");
        if (r != -ENOMEM)
                remember(director, version, r, text);
        return r;
}

int gate_check_release(struct director *director, const char *release, const char **ret_function, char *text, size_t size) {
        char said[GATE_CHECK_TEXT_MAX];
        const char *function = "";
        if (director->config->gate.kind == GATE_UPROBE) {
                const struct gate_check *check = find(director, release);
                int r = check ? check->result : look(director, release, said, sizeof(said));
                if (r < 0) {
                        text_copy(text, size, check ? check->text : said);
                        return r;
                }
                function = find(director, release)->text;
        }
        if (ret_function)
                *ret_function = function;
        return 0;
}

void gate_check_forget(struct director *director) {
        memset(director->gate_checks, 0, sizeof(director->gate_checks));
}

int gate_check_breaking(const struct director *director, const char *release, char *text, size_t size) {
        const struct config *config = director->config;
        if (gate_is_exact(director, release) || config->gate.overshoot_allowed)
                return 0;
        (void) snprintf(text, size,
                        "the gate `%s` is not exact: the release in force may commit blocks that it must not before it is stopped; use "
                        "gate.kind: uprobe, or node if the node stops by itself, or, if it switches its rules by itself, write "
                        "`overshoot: allow` into `gate`",
                        gate_kind_name(config->gate.kind));
        return -EPERM;
}

/* As the schedule will be once the upgrade is armed. */
static bool would_break(const struct director *director, const char *version, uint64_t height) {
        const char *current = director->record.machine.current_release;
        const struct boundary *next = height > 0 ? schedule_next(&director->schedule, height - 1) : NULL;
        struct version old, new;
        if (next && next->height == height)
                return !planning_allows(director, current, height);
        return version_parse(current, &old) < 0 || version_parse(version, &new) < 0 || version_compare(&old, &new) < 0;
}

/* Does the schedule stop the release somewhere, so that it is gated although nothing is armed for a height? */
static bool is_gated(const struct director *director, const char *release) {
        struct version version;
        return version_parse(release, &version) >= 0 && schedule_first_denied(&director->schedule, &version, 0) != UINT64_MAX;
}

static int check_in(struct director *director, const char *release, const char *which, char *text, size_t size) {
        char why[GATE_CHECK_TEXT_MAX];
        int r = gate_check_release(director, release, NULL, why, sizeof(why));
        if (r < 0)
                (void) snprintf(text, size, "the gate cannot be set in release %s, %s: %s", release, which, why);
        return r;
}

static int check_both(struct director *director, const char *version, bool stops_old, char *text, size_t size) {
        int r = stops_old ? check_in(director, director->record.machine.current_release, "the one in force", text, size) : 0;
        return r < 0 ? r : check_in(director, version, "the new one", text, size);
}

int gate_check_upgrade(struct director *director, const char *version, uint64_t height, char *text, size_t size) {
        if (height == MACHINE_NO_HEIGHT)
                return is_gated(director, version) ? check_both(director, version, false, text, size) : 0;
        int r = would_break(director, version, height)
                                ? gate_check_breaking(director, director->record.machine.current_release, text, size)
                                : 0;
        return r < 0 ? r : check_both(director, version, !director->record.machine.current_is_gone, text, size);
}

/* What a node that stops by itself made too many of is told only by the hit of its gate. */
static bool has_overshot(const struct director *director, const char *release, uint64_t last) {
        uint64_t overshot = director->record.follow.overshot;
        return overshot != 0 && overshot == last && !director->config->gate.overshoot_allowed &&
               !planning_allows(director, release, last);
}

int gate_check_follow(struct director *director, const char *version, bool is_there, char *text, size_t size) {
        const char *current = director->record.machine.current_release;
        uint64_t held_at = director->record.follow.held_at;
        if (held_at != MACHINE_NO_HEIGHT && held_at > 0 && has_overshot(director, current, held_at - 1)) {
                (void) gate_describe_hold(director, current, held_at - 1, text, size);
                return -EPERM;
        }
        int r = gate_check_breaking(director, current, text, size);
        return r < 0 ? r : check_both(director, version, !is_there, text, size);
}

bool gate_describe_hold(const struct director *director, const char *release, uint64_t height, char *text, size_t size) {
        const struct config *config = director->config;
        const struct range *range = schedule_range_at(&director->schedule, height);
        bool is_exact = gate_is_exact(director, release) || config->gate.overshoot_allowed;
        if (is_exact && !has_overshot(director, release, height))
                return false;
        if (!planning_allows(director, release, height))
                (void) snprintf(text, size,
                                "%s has committed height %lu, for which the schedule asks for \"%s\": no release may go on from this "
                                "state; put one from before the boundary back, then `interrex upgrade %s VERSION --now`",
                                release, height, range ? range->text : "*", config->node);
        else
                (void) snprintf(text, size,
                                "%s has committed height %lu and must not begin %lu, but the gate `%s` is not exact, so it may have: "
                                "look at the state, put one from before the boundary back if it is past it, then "
                                "`interrex upgrade %s VERSION --now`",
                                release, height, height + 1, gate_kind_name(config->gate.kind), config->node);
        return true;
}

/* Views, epochs and moments get their heights only when they are near. */
static void name_blocks(uint64_t height, char *first, char *last, size_t size) {
        if (height == MACHINE_NO_HEIGHT) {
                (void) snprintf(first, size, "the first block from there on");
                (void) snprintf(last, size, "the last block before it");
                return;
        }
        (void) snprintf(first, size, "block %lu", height);
        (void) snprintf(last, size, "block %lu", height > 0 ? height - 1 : 0);
}

void gate_describe(const struct director *director, const char *release, uint64_t height, char *text, size_t size) {
        const char *later = height == MACHINE_NO_HEIGHT ? "; its height is known when it is near" : "";
        char first[BLOCK_NAME_MAX], last[BLOCK_NAME_MAX];
        name_blocks(height, first, last, sizeof(first));
        switch (director->config->gate.kind) {
        case GATE_UPROBE:
                (void) snprintf(text, size, "exact: stops before %s begins%s", first, later);
                return;
        case GATE_LOG:
                (void) snprintf(text, size, "not exact: stops when the node's log tells %s, and may overshoot%s", last, later);
                return;
        case GATE_NOTIFY:
                if (gate_holds(director, release))
                        (void) snprintf(text, size, "exact: the node asks, and waits, before %s begins%s", first, later);
                else
                        (void) snprintf(text, size, "not exact: stops when the node has notified %s, and may overshoot%s", last,
                                        later);
                return;
        case GATE_OBSERVE:
                if (height == MACHINE_NO_HEIGHT)
                        (void) snprintf(text, size,
                                        "not exact: stops when the height that is asked for is that of %s, and may overshoot%s",
                                        last, later);
                else
                        (void) snprintf(text, size, "not exact: stops when the height that is asked for is %lu, and may overshoot",
                                        height > 0 ? height - 1 : 0);
                return;
        case GATE_NODE:
                (void) snprintf(text, size, "exact: the node stops by itself before %s%s%s", first,
                                director->config->gate.args ? ", with which it is started" : "", later);
                return;
        case GATE_NONE:
                (void) snprintf(text, size, "nothing stops the node there: the configuration has no `gate`");
        }
}

void gate_describe_failure(const struct director *director, const char *release, uint64_t height, char *text, size_t size) {
        char missing[600];
        bool is_put_back = director->settings.snapshot && !director->settings.signer_inside &&
                           !state_keep_is_missing(&director->config->state, missing, sizeof(missing));
        const char *until = "until a release that may run there is added, or an operator acts";
        char first[BLOCK_NAME_MAX], last[BLOCK_NAME_MAX];
        name_blocks(height, first, last, sizeof(first));
        if (height != MACHINE_NO_HEIGHT && planning_allows(director, release, height))
                (void) snprintf(text, size, "if the new release fails, %.60s comes back and goes on", release);
        else if (is_put_back && gate_holds(director, release))
                (void) snprintf(text, size, "if the new release fails, %.60s is held behind %s and serves reads, %s", release, last,
                                until);
        else if (is_put_back && director->settings.hold_serves)
                (void) snprintf(text, size,
                                "if the new release fails, the node is held: %.60s serves reads, cut off from its peers, %s",
                                release, until);
        else
                (void) snprintf(text, size, "if the new release fails, the node is held: it is stopped, and connections wait %s",
                                until);
}

void gate_describe_failure_in_window(const char *release, uint64_t height, char *text, size_t size) {
        char first[BLOCK_NAME_MAX], last[BLOCK_NAME_MAX];
        name_blocks(height, first, last, sizeof(first));
        (void) snprintf(text, size, "if the new release fails, %.60s comes back and goes on, to %s at most", release, last);
}

const char *gate_kind_name(enum gate_kind kind) {
        static const char *const names[] = {[GATE_NONE] = "none",
                        [GATE_UPROBE] = "uprobe",
                        [GATE_NODE] = "node",
                        [GATE_NOTIFY] = "notify",
                        [GATE_LOG] = "log",
                        [GATE_OBSERVE] = "observe"};
        INVARIANT((size_t) kind < ELEMENTS(names));
        return names[kind];
}
