#include "schedule.h"

static size_t place_of(const struct schedule *schedule, uint64_t height);

int schedule_add(struct schedule *schedule, uint64_t height, const struct range *range, char **ret_conflict) {
        size_t i = place_of(schedule, height);
        if (i < schedule->n && schedule->boundaries[i].height == height) {
                const char *present = schedule->boundaries[i].range.text;
                if (strcmp(present, range->text) == 0)
                        return 0;
                char *conflict = NULL;
                if (ret_conflict && asprintf(&conflict,
                                                    "height %lu has \"%s\" already and cannot have \"%s\" "
                                                    "too; remove the first one to replace it",
                                                    height, present, range->text) < 0)
                        return -ENOMEM;
                if (ret_conflict)
                        *ret_conflict = conflict;
                return -EEXIST;
        }
        struct boundary *grown = reallocarray(schedule->boundaries, schedule->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        memmove(grown + i + 1, grown + i, (schedule->n - i) * sizeof(*grown));
        grown[i] = (struct boundary){.height = height, .range = *range};
        schedule->boundaries = grown;
        schedule->n++;
        return 0;
}

void schedule_remove(struct schedule *schedule, uint64_t height) {
        size_t i = place_of(schedule, height);
        if (i == schedule->n || schedule->boundaries[i].height != height)
                return;
        schedule->n--;
        memmove(schedule->boundaries + i, schedule->boundaries + i + 1, (schedule->n - i) * sizeof(*schedule->boundaries));
}

void schedule_done(struct schedule *schedule) {
        free(schedule->boundaries);
        *schedule = (struct schedule){0};
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

bool schedule_allows(const struct schedule *schedule, const struct version *version, uint64_t height) {
        const struct range *range = schedule_range_at(schedule, height);
        return !range || range_allows(range, version);
}

uint64_t schedule_first_denied(const struct schedule *schedule, const struct version *version, uint64_t from) {
        if (!schedule_allows(schedule, version, from))
                return from;
        for (size_t i = 0; i < schedule->n; i++)
                if (schedule->boundaries[i].height > from && !range_allows(&schedule->boundaries[i].range, version))
                        return schedule->boundaries[i].height;
        return UINT64_MAX;
}

int schedule_select(const struct schedule *schedule, const struct version *versions, size_t n, uint64_t height) {
        int best = -1;
        for (size_t i = 0; i < n; i++)
                if (schedule_allows(schedule, &versions[i], height) &&
                                (best < 0 || version_compare(&versions[i], &versions[best]) > 0))
                        best = (int) i;
        return best;
}

void schedule_refusal(const struct schedule *schedule, const struct version *version, uint64_t height,
                const struct version *versions, size_t n, char *text, size_t size) {
        const struct range *range = schedule_range_at(schedule, height);
        char name[VERSION_TEXT_MAX], would[VERSION_TEXT_MAX];
        version_format(version, name, sizeof(name));
        int best = schedule_select(schedule, versions, n, height);
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
