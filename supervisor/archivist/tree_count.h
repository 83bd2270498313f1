/* What a state directory holds, and what in it stands against a snapshot. */
#pragma once

#include "../lib/base.h"

struct tree_count {
        uint64_t files;
        uint64_t bytes;   /* allocated; a file with several names counts once */
        uint64_t extents; /* 0 unless asked for */
        char mount[128];  /* a mount point in it, relative; empty: none */
        char device[128]; /* a device node in it */
};

/* Walks the tree behind FD. Mount points are not entered. -errno. Linux 5.8 for mount points. */
int tree_count(int fd, bool with_extents, struct tree_count *ret_count);
