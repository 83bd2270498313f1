/* Remembers inodes with several names by where the first of them went. Not thread safe. */
#pragma once

#include "../lib/base.h"
#include <sys/stat.h>

struct hard_links {
        void *root; /* a tree of tsearch(3) */
};

/* The path that was given when this inode was first seen, or NULL. */
const char *hard_links_find(const struct hard_links *links, const struct stat *st);

/* PATH is copied. -ENOMEM. */
int hard_links_add(struct hard_links *links, const struct stat *st, const char *path);

void hard_links_done(struct hard_links *links);
