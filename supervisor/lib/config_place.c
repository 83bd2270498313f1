/* Where the node's state may not lie. */
#include "config.h"

/* True: PATH is FOLDER or below it. */
static bool lies_in(const char *path, const char *folder) {
        size_t length = strlen(folder);
        while (length > 1 && folder[length - 1] == '/')
                length--;
        return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

bool config_place_is_taken(const char *directory, const char *node_folder) {
        char releases[4096];
        int n = snprintf(releases, sizeof(releases), "%s/releases", node_folder);
        return lies_in(node_folder, directory) || n < 0 || (size_t)n >= sizeof(releases) ||
               lies_in(directory, releases);
}
