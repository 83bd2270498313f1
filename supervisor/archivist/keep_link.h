/* Symbolic links on the way to what state.keep names: what a node signs with lies where they lead, so that is kept too. */
#pragma once

#include "archive.h"

/* Where the walk stands: at the entry NAME of both directories, each -1 where that side has none such. PATH is relative to the state
 * directory, and of it all up to PREFIX was entered, without a link. */
struct keep_place {
        int from_fd, to_fd;
        const char *entry;              /* as the operator knows it */
        const char *path, *name, *rest; /* REST: behind NAME, "" at the end */
        size_t prefix;                  /* length, its slash included */
};

/* Puts TEXT without empty parts and "." into PATH. -ENAMETOOLONG. */
int keep_path_normalise(const char *text, char path[PATH_BELOW_MAX]);

/* NAME in FD is a symbolic link? FD may be -1. */
bool keep_is_link(int fd, const char *name);

/* Copies the link at PLACE and puts the path that it leads to into NEXT (normalised, relative to the state directory; empty: something
 * outside of it, which is not rolled back). Always 1, or -errno with a sentence: it cannot be told where it leads, or the older state
 * has something else in the middle of the way. */
int keep_link_follow(
                const struct archive *archive, const struct keep_place *place, char next[PATH_BELOW_MAX]);

/* The same for "..", which only what a link leads to may contain. */
int keep_go_up(const struct archive *archive, const struct keep_place *place, char next[PATH_BELOW_MAX]);

/* Appends the path of each link below the directory PATH (relative to ROOT) to *LINKS. */
int keep_links_below(int root, const char *path, char ***links);
