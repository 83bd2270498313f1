/* What an archivist gives up before it touches a file of the node. */
#pragma once

#include "../lib/base.h"

enum confinement {
        CONFINE_READING,          /* verify: reads releases, changes nothing */
        CONFINE_WRITING,          /* snapshots by files */
        CONFINE_WRITING_AS_ADMIN, /* btrfs destroys subvolumes for CAP_SYS_ADMIN only */
};

/* For good. Capabilities this process does not have are not asked for. -errno. */
int confine(enum confinement confinement);
