#include "schedule.h"

static size_t place_of(const struct schedule *schedule, uint64_t height);
static uint64_t free_height_from(const struct schedule *schedule, uint32_t unit, uint64_t height);
static uint64_t free_height_before(const struct schedule *schedule, uint32_t unit, uint64_t height);
static uint64_t window_start(const struct schedule *schedule, const struct boundary *boundary, const struct version *version);
static int insert(struct boundary **boundaries, size_t *n, size_t at, const struct boundary *boundary);
static int refuse_second(const struct boundary_rule *present, const struct boundary_rule *rule, char **ret_conflict);

int schedule_add(struct schedule *schedule, const struct boundary_rule *rule, uint64_t height, char **ret_conflict) {
        struct boundary boundary = {.height = height, .rule = *rule, .is_open = rule->mode == MODE_BEFORE};
        struct boundary *const lists[] = {schedule->boundaries, schedule->pending};
        const size_t sizes[] = {schedule->n, schedule->n_pending};
        int r = range_parse(rule->range, &boundary.range);
        if (r < 0)
                return r;
        for (size_t list = 0; list < ELEMENTS(lists); list++)
                for (size_t i = 0; i < sizes[list]; i++) {
                        struct boundary *present = &lists[list][i];
                        bool is_same_height = height != SCHEDULE_NO_HEIGHT && present->height == height;
                        if (boundary_is_same(&present->rule, rule))
                                return 0;
                        if (boundary_is_same_point(&present->rule, rule) || (is_same_height && present->rule.unit != rule->unit))
                                return refuse_second(&present->rule, rule, ret_conflict);
                        if (is_same_height) {
                                *present = present->rule.at < rule->at ? boundary : *present;
                                return 0;
                        }
                }
        return height == SCHEDULE_NO_HEIGHT ? insert(&schedule->pending, &schedule->n_pending, schedule->n_pending, &boundary)
                                            : insert(&schedule->boundaries, &schedule->n, place_of(schedule, height), &boundary);
}

void schedule_done(struct schedule *schedule) {
        free(schedule->boundaries);
        free(schedule->pending);
        *schedule = (struct schedule){0};
}

const struct boundary *schedule_find(const struct schedule *schedule, const struct boundary_rule *rule) {
        for (size_t i = 0; i < schedule->n; i++)
                if (boundary_is_same_point(&schedule->boundaries[i].rule, rule))
                        return &schedule->boundaries[i];
        return NULL;
}

const struct boundary *schedule_first_pending(const struct schedule *schedule, uint32_t unit) {
        const struct boundary *first = NULL;
        for (size_t i = 0; i < schedule->n_pending; i++)
                if (schedule->pending[i].rule.unit == unit && (!first || schedule->pending[i].rule.at < first->rule.at))
                        first = &schedule->pending[i];
        return first;
}

/* Of one unit the order is known, and what goes back in it is meant so. */
static bool came_before(const struct boundary *pending, const struct boundary *placed) {
        return (placed->rule.unit != pending->rule.unit || placed->rule.at > pending->rule.at) &&
               range_lies_below(&pending->range, &placed->range);
}

uint64_t schedule_place(const struct schedule *schedule, const struct boundary *pending, uint64_t height) {
        uint64_t free = free_height_from(schedule, pending->rule.unit, height), before = SCHEDULE_NO_HEIGHT;
        for (size_t i = place_of(schedule, free); i > 0 && came_before(pending, &schedule->boundaries[i - 1]); i--)
                before = schedule->boundaries[i - 1].height;
        if (before != SCHEDULE_NO_HEIGHT)
                before = free_height_before(schedule, pending->rule.unit, before);
        return before != SCHEDULE_NO_HEIGHT ? before : free;
}

const struct range *schedule_range_at(const struct schedule *schedule, uint64_t height) {
        const struct range *range = NULL;
        for (size_t i = 0; i < schedule->n && schedule->boundaries[i].height <= height; i++)
                range = &schedule->boundaries[i].range;
        return range;
}

const struct boundary *schedule_next(const struct schedule *schedule, uint64_t height) {
        for (size_t i = 0; i < schedule->n; i++)
                if (schedule->boundaries[i].height > height)
                        return &schedule->boundaries[i];
        return NULL;
}

uint64_t schedule_window_start(const struct schedule *schedule, const struct boundary *boundary) {
        return window_start(schedule, boundary, NULL);
}

/* Releases for a chain that changes its rules by itself know its old rules too, but not past a boundary that is exact, other than one
 * that asks for such a release as well. VERSION may be NULL: none is known that it would let pass. */
static uint64_t window_start(const struct schedule *schedule, const struct boundary *boundary, const struct version *version) {
        if (boundary->rule.mode != MODE_BEFORE)
                return boundary->rule.from < boundary->height ? boundary->rule.from : boundary->height;
        if (boundary->rule.from != BOUNDARY_NO_WINDOW)
                return boundary->rule.from;
        for (size_t i = place_of(schedule, boundary->height); i > 0; i--)
                if (schedule->boundaries[i - 1].rule.mode == MODE_AT &&
                                (!version || !range_allows(&schedule->boundaries[i - 1].range, version)))
                        return schedule->boundaries[i - 1].height;
        return 0;
}

/* For this version, which the boundary's range allows. */
static bool is_open_at(const struct schedule *schedule, const struct boundary *boundary, uint64_t height,
                const struct version *version) {
        if (boundary->height == SCHEDULE_NO_HEIGHT)
                return boundary->is_open;
        return height < boundary->height && window_start(schedule, boundary, version) <= height;
}

bool schedule_allows(const struct schedule *schedule, const struct version *version, uint64_t height) {
        const struct range *range = schedule_range_at(schedule, height);
        if (!range || range_allows(range, version))
                return true;
        for (size_t i = 0; i < schedule->n; i++)
                if (range_allows(&schedule->boundaries[i].range, version) &&
                                is_open_at(schedule, &schedule->boundaries[i], height, version))
                        return true;
        for (size_t i = 0; i < schedule->n_pending; i++)
                if (schedule->pending[i].is_open && range_allows(&schedule->pending[i].range, version))
                        return true;
        return false;
}

const struct boundary *schedule_window_ahead(const struct schedule *schedule, const struct version *version, uint64_t height) {
        for (size_t i = place_of(schedule, height); i < schedule->n; i++)
                if (!schedule_allows(schedule, version, schedule->boundaries[i].height)) {
                        const struct boundary *boundary = &schedule->boundaries[i];
                        return schedule_window_start(schedule, boundary) < boundary->height ? boundary : NULL;
                }
        for (size_t i = 0; i < schedule->n_pending; i++)
                if (schedule->pending[i].is_open && !range_allows(&schedule->pending[i].range, version))
                        return &schedule->pending[i];
        return NULL;
}

uint64_t schedule_rolling_point(const struct schedule *schedule, const struct boundary *boundary, uint64_t seed) {
        if (boundary->height == SCHEDULE_NO_HEIGHT)
                return 0;
        uint64_t start = schedule_window_start(schedule, boundary);
        if (boundary->rule.from == BOUNDARY_NO_WINDOW)
                return start;
        uint64_t most = (boundary->height - start) / 4 * 3;
        return most == 0 ? start : start + seed % most;
}

/* Only a boundary takes a permission away; the opening of a window gives one. */
uint64_t schedule_first_denied(const struct schedule *schedule, const struct version *version, uint64_t from) {
        if (!schedule_allows(schedule, version, from))
                return from;
        for (size_t i = 0; i < schedule->n; i++)
                if (schedule->boundaries[i].height > from && !schedule_allows(schedule, version, schedule->boundaries[i].height))
                        return schedule->boundaries[i].height;
        return UINT64_MAX;
}

uint64_t schedule_end_of(const struct schedule *schedule, const struct version *version) {
        bool was_allowed = schedule_allows(schedule, version, 0);
        for (size_t i = 0; i < schedule->n; i++) {
                bool is_allowed = schedule_allows(schedule, version, schedule->boundaries[i].height);
                if (was_allowed && !is_allowed)
                        return schedule->boundaries[i].height;
                was_allowed = is_allowed;
        }
        return UINT64_MAX;
}

int schedule_select(const struct schedule *schedule, const struct version *versions, size_t n, uint64_t height,
                const struct range *also) {
        int best = -1;
        for (size_t i = 0; i < n; i++)
                if (schedule_allows(schedule, &versions[i], height) && (!also || range_allows(also, &versions[i])) &&
                                (best < 0 || version_compare(&versions[i], &versions[best]) > 0))
                        best = (int) i;
        return best;
}

void schedule_refusal(const struct schedule *schedule, const struct version *version, uint64_t height,
                const struct version *versions, size_t n, char *text, size_t size) {
        const struct range *range = schedule_range_at(schedule, height);
        char name[VERSION_TEXT_MAX], would[VERSION_TEXT_MAX];
        version_format(version, name, sizeof(name));
        int best = schedule_select(schedule, versions, n, height, NULL);
        if (best >= 0) {
                version_format(&versions[best], would, sizeof(would));
                (void) snprintf(text, size, "height %lu asks for \"%s\", which %s is not; %s would do", height,
                                range ? range->text : "*", name, would);
        } else
                (void) snprintf(text, size,
                                "height %lu asks for \"%s\", which %s and all other releases here are not; "
                                "add one that is with `interrex release add`",
                                height, range ? range->text : "*", name);
}

/* Where the boundary of a height lies, or would. */
static size_t place_of(const struct schedule *schedule, uint64_t height) {
        size_t i = 0;
        while (i < schedule->n && schedule->boundaries[i].height < height)
                i++;
        return i;
}

/* Where none of another unit is. */
static bool is_free(const struct schedule *schedule, uint32_t unit, uint64_t height) {
        size_t i = place_of(schedule, height);
        return i == schedule->n || schedule->boundaries[i].height != height || schedule->boundaries[i].rule.unit == unit;
}

static uint64_t free_height_from(const struct schedule *schedule, uint32_t unit, uint64_t height) {
        while (!is_free(schedule, unit, height))
                height++;
        return height;
}

static uint64_t free_height_before(const struct schedule *schedule, uint32_t unit, uint64_t height) {
        while (height > 0)
                if (is_free(schedule, unit, --height))
                        return height;
        return SCHEDULE_NO_HEIGHT;
}

static int insert(struct boundary **boundaries, size_t *n, size_t at, const struct boundary *boundary) {
        struct boundary *grown = reallocarray(*boundaries, *n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        memmove(grown + at + 1, grown + at, (*n - at) * sizeof(*grown));
        grown[at] = *boundary;
        *boundaries = grown;
        (*n)++;
        return 0;
}

static int refuse_second(const struct boundary_rule *present, const struct boundary_rule *rule, char **ret_conflict) {
        char first[BOUNDARY_TEXT_MAX], second[BOUNDARY_TEXT_MAX], *conflict = NULL;
        boundary_format(present, first, sizeof(first));
        boundary_format(rule, second, sizeof(second));
        if (ret_conflict &&
                        asprintf(&conflict, "\"%s\" stands there already, and \"%s\" cannot stand there too", first, second) < 0)
                return -ENOMEM;
        if (ret_conflict)
                *ret_conflict = conflict;
        return -EEXIST;
}
