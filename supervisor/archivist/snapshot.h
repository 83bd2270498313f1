/* Snapshots of a node's state directory. Run in a process of its own (role "archivist"), so that a slow disk
 * stops nobody. A snapshot of /srv/node is the sibling /srv/.node.interrex-NAME (same filesystem, so that it
 * can be exchanged in place); where the state directory is itself a mount point, it is refused with the
 * reason. A name is [a-z0-9-]+. Nothing here knows about swaps. */
#pragma once

#include "../lib/base.h"
#include "../lib/config.h"

struct snapshot_plan {
        enum snapshot_kind kind;        /* what will be done: BTRFS, REFLINK, COPY, HOOK or NONE */
        uint64_t files, bytes, extents; /* as counted; extents only for REFLINK */
        uint64_t estimated_us;
        char reason[256]; /* one sentence: why this kind, or why none is possible */
};

/* Finds out what `auto` (or the wanted kind) means for this directory, by trying in a scratch sibling
 * (FICLONE on a probe file, btrfs subvolume by inode number 256 and f_type), never by the filesystem's name
 * alone. A kind asked for and not possible: -EOPNOTSUPP with the reason. */
int snapshot_plan(const struct state_config *state, struct snapshot_plan *ret_plan);

/* Takes it: into a temporary sibling, one syncfs, rename, fsync of the parent; when this returns 0 it
 * survives a power cut. Owner, mode, times, xattrs, hard links, symlinks, holes, fifos and sockets (skipped)
 * are cared for. An existing snapshot of that name is kept and 0 returned: the call may be repeated after a
 * crash. */
int snapshot_take(const struct state_config *state, const char *name, enum snapshot_kind kind,
                char **ret_error);

/* Puts the snapshot back. Order matters: first the `keep` files are copied from the live (newer) state into
 * the snapshot and synced, only then the two directories are exchanged by renameat2(RENAME_EXCHANGE),
 * because a crash between the two must never show old signing memory. The newer state stays under the
 * snapshot's name until removed. A marker makes a repeated call after a crash a no-op. */
int snapshot_restore(const struct state_config *state, const char *name, char **ret_error);

/* Removes the snapshot (or what a restore left under its name). A missing one is 0. */
int snapshot_remove(const struct state_config *state, const char *name, char **ret_error);

/* Role entry. argv: "archivist" VERB ... ; writes one JSON line to stdout: {"ok":bool,"error":string|null,
 * "kind":..., "files":n,"bytes":n,"elapsed_us":n}; exit 0 or 1. Verbs: plan, take NAME KIND, restore NAME,
 * remove NAME (each followed by the state settings as flags: --directory D --keep F... --hook CMD...
 * --copy-limit N --want KIND), and verify RELEASES_DIR VERSION COMMAND FD (release_verify through the
 * inherited descriptor). */
int archivist_main(int argc, char **argv);
