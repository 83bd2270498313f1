#include "flow_range.h"

#include "planning.h"
#include "unit.h"

bool flow_range_judge(struct director *director, uint64_t generation, uint64_t end, char *text, size_t size) {
        const struct unit *unit = unit_find(director, generation);
        struct version version;
        text_copy(text, size, "");
        if (end == PROBER_HEIGHT_NONE || !unit || version_parse(unit->release, &version) < 0)
                return true;
        uint64_t height = unit->height != MACHINE_NO_HEIGHT ? unit->height : planning_height(director);
        uint64_t next = height == MACHINE_NO_HEIGHT ? 0 : height + 1;
        if (next > end + 1) {
                (void) snprintf(text, size, "%s says that it can serve heights up to %lu only, and it is at %lu", unit->release,
                                end, height);
                return false;
        }
        uint64_t denied = schedule_first_denied(&director->schedule, &version, next);
        if (denied == UINT64_MAX)
                (void) snprintf(text, size, "%s says that it can serve heights up to %lu only; the schedule has no boundary there",
                                unit->release, end);
        else if (denied > end + 1)
                (void) snprintf(text, size, "%s says that it can serve heights up to %lu only; by the schedule it runs up to %lu",
                                unit->release, end, denied - 1);
        return true;
}
