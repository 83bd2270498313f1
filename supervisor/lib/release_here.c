#include "release.h"

#define SHOWN_MAX 6 /* the newest, which is what somebody most probably meant */

const char *release_here(const char *releases_dir, char *text, size_t size) {
        struct release *releases = NULL;
        size_t n = 0;
        if (release_list(releases_dir, &releases, &n) < 0)
                n = 0;
        size_t first = n > SHOWN_MAX ? n - SHOWN_MAX : 0;
        int used = n == 0 ? snprintf(text, size, "none is here yet")
                          : snprintf(text, size, "here %s ", n == 1 ? "is" : "are");
        for (size_t i = first; i < n && used > 0 && (size_t)used < size; i++)
                used += snprintf(text + used, size - (size_t)used, "%s%s",
                                i == first               ? ""
                                : i + 1 < n || first > 0 ? ", "
                                                         : " and ",
                                releases[i].text);
        if (first > 0 && used > 0 && (size_t)used < size)
                (void)snprintf(text + used, size - (size_t)used, " and %zu older", first);
        release_list_free(releases, n);
        return text;
}
