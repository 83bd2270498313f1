#include "hard_links.h"

#include <search.h>

struct link {
        dev_t device;
        ino_t inode;
        char path[];
};

static int compare(const void *a, const void *b) {
        const struct link *left = a, *right = b;
        if (left->device != right->device)
                return left->device < right->device ? -1 : 1;
        return left->inode == right->inode ? 0 : left->inode < right->inode ? -1 : 1;
}

const char *hard_links_find(const struct hard_links *links, const struct stat *st) {
        const struct link key = {.device = st->st_dev, .inode = st->st_ino};
        void *found = tfind(&key, &links->root, compare);
        return found ? (*(struct link **)found)->path : NULL;
}

int hard_links_add(struct hard_links *links, const struct stat *st, const char *path) {
        size_t length = strlen(path) + 1;
        struct link *link = malloc(sizeof(*link) + length);
        if (!link)
                return -ENOMEM;
        link->device = st->st_dev;
        link->inode = st->st_ino;
        memcpy(link->path, path, length);
        if (tsearch(link, &links->root, compare))
                return 0;
        free(link);
        return -ENOMEM;
}

void hard_links_done(struct hard_links *links) {
        tdestroy(links->root, free);
        links->root = NULL;
}
