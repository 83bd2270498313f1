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
        char reason[256];        /* one sentence: why this kind, or why none is possible */
        const char *signer_mark; /* by what the node is seen to sign (lib/signer.h); NULL: by nothing */
};

/* Looks for it in the state directory. */
const char *snapshot_signer_mark(const struct state_config *state);

/* Finds out what `auto` (or the wanted kind) means for this directory, by trying in scratch siblings
 * (FICLONE on a probe file, an exchange of two directories, a subvolume made and destroyed), never by the
 * filesystem's name alone. `auto` takes btrfs, else reflink, else a copy below copy_limit, else none with
 * the reason; hook only if asked for. Mount points and devices within the directory make any but the hook
 * impossible, subvolumes below it make btrfs impossible. A state directory that does not exist yet, or is
 * not configured: 0, NONE and the reason. A kind asked for and not possible: -EOPNOTSUPP, *ret_plan filled
 * with NONE and the reason. Walks the whole tree; waits for another archivist of this directory. The state
 * can change: plan again before relying on it. Linux 5.8. */
int snapshot_plan(const struct state_config *state, struct snapshot_plan *ret_plan);

/* Takes it: into a temporary sibling, one syncfs, rename, fsync of the parent; when this returns 0 it
 * survives a power cut. Owner, mode, times, xattrs and ACLs, hard links, symlinks, holes and fifos are kept;
 * sockets, and attributes that this process may not see or set (trusted.*, some of security.*), are left
 * out. An existing snapshot of that name is kept and 0 returned: the call may be repeated after a crash.
 * KIND AUTO plans first. Nothing is made and 0 returned for NONE, and for AUTO where the state directory
 * does not exist yet; where another kind is asked for, its absence is -ENOENT. A copy is refused over
 * copy_limit (-EFBIG) and where it and a twentieth to spare do not fit (-ENOSPC). *ret_error (malloc'ed, set
 * only on failure) says what happened. The state must not change meanwhile, but for BTRFS. */
int snapshot_take(const struct state_config *state, const char *name, enum snapshot_kind kind,
                char **ret_error);

/* Puts the snapshot back. Order matters: first the `keep` files are copied from the live (newer) state into
 * the snapshot and synced, only then the two directories are exchanged by renameat2(RENAME_EXCHANGE),
 * because a crash between the two must never show old signing memory. The newer state stays under the
 * snapshot's name until removed. A marker makes a repeated call after a crash a no-op. A `keep` entry that
 * the snapshot has and the newer state has not is -ESTALE, and nothing is exchanged: its absence is the
 * newest, and an older one could sign twice. With state->signer FILES one that neither has is -ENOENT. Symbolic links: keep.h. No such snapshot: -ENOENT. With state->snapshot HOOK the hook
 * restores, and the newest `keep` files are carried around it. */
int snapshot_restore(const struct state_config *state, const char *name, char **ret_error);

/* Removes the snapshot (or what a restore left under its name). A missing one is 0. May be repeated after a
 * crash. */
int snapshot_remove(const struct state_config *state, const char *name, char **ret_error);

/* Removes what swaps up to LAST ("swap-N") left beside the state directory; LAST's own unless KEEPS_LAST. Those of higher numbers
 * were taken under a journal that is lost, and may be the only way back: a whole one is set aside under another name, and TEXT
 * (else empty) names it. Nothing is done where a filesystem is mounted on the state directory. What a hook took is not known
 * here. */
int snapshot_sweep(const struct state_config *state, const char *last, bool keeps_last, char *text,
                size_t size, char **ret_error);

/* Role entry. argv: "archivist" VERB ... ; writes one JSON line to stdout: {"ok":bool,"error":string|null,
 * "kind":..., "reason":string, "files":n, "bytes":n, "extents":n, "estimated_us":n, "elapsed_us":n,
 * "signer_mark":string|null} (counts for plan only, the mark for plan and take); exit 0 or
 * 1. Verbs: plan, take NAME KIND, restore NAME, remove NAME, sweep NAME (all but NAME), clear NAME (NAME too)
 * (each followed by the state settings as flags:
 * --directory D
 * --keep F... --signer files --hook CMD... --copy-limit N --want KIND), and verify RELEASES_DIR VERSION COMMAND FD
 * (release_verify through the inherited descriptor). Gives up what it does not need before it touches a
 * file; only a hook runs with everything this process was given, because it is the operator's own program.
 */
int archivist_main(int argc, char **argv);
