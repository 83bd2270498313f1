#include "frozen.h"

#include "../lib/cgroup.h"
#include <limits.h>

void frozen_describe(const struct director *director, void (*say)(const char *text, void *userdata), void *userdata) {
        char link[64], path[PATH_MAX], text[PATH_MAX + 200];
        for (size_t i = 0; i < UNITS_MAX; i++) {
                const struct unit *unit = &director->units[i];
                if (unit->generation == 0 || !unit->is_running || unit->is_frozen || unit->cgroup_fd < 0 ||
                                cgroup_is_frozen(unit->cgroup_fd) != 1)
                        continue;
                (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", unit->cgroup_fd);
                ssize_t n = readlink(link, path, sizeof(path) - 1);
                path[n < 0 ? 0 : n] = '\0';
                (void) snprintf(text, sizeof(text),
                                "generation %lu stands frozen, not by its supervisor: if no rehearsal takes its snapshot just now, let it run on with "
                                "`echo 0 > %s/cgroup.freeze`",
                                unit->generation, path);
                say(text, userdata);
        }
}
