/* One state directory and one snapshot of it, by their names in the directory that holds both. */
#pragma once

#include "../lib/release_files.h"
#include "snapshot.h"

#define ARCHIVE_NAME_MAX 256

struct archive {
        const struct state_config *state;
        const struct steps *steps;
        char **ret_error;
        const char *name;       /* of the snapshot; "" for a plan */
        char *parent;           /* path of the directory that holds the state directory, links resolved */
        int parent_fd, lock_fd; /* the lock keeps a second archivist of this state directory waiting */
        char live[ARCHIVE_NAME_MAX];      /* the state directory */
        char snapshot[ARCHIVE_NAME_MAX];  /* complete, always */
        char part[ARCHIVE_NAME_MAX];      /* being made */
        char gone[ARCHIVE_NAME_MAX];      /* being removed */
        char kept[ARCHIVE_NAME_MAX];      /* hook only: newest keep files, complete */
        char kept_part[ARCHIVE_NAME_MAX]; /* being filled */
        char marker[ARCHIVE_NAME_MAX];    /* which directory a restore puts in place */
        char writing[ARCHIVE_NAME_MAX];   /* a marker being written */
        char scratch[ARCHIVE_NAME_MAX];   /* what a plan tries things on begins with it */
        char lock[ARCHIVE_NAME_MAX];
};

/* Opens and locks; waits for another archivist. The text in ARCHIVE->ret_error on failure. To be closed. */
int archive_open(struct archive *archive);
void archive_close(struct archive *archive);

/* Is there an entry of that name beside the state directory? 1, 0, -errno. */
int archive_has(const struct archive *archive, const char *name);

/* Opens the state directory or a snapshot. -ENOENT, or a descriptor. */
int archive_open_directory(const struct archive *archive, const char *name);

/* Removes a directory beside the state directory, subvolume or not. */
int archive_remove(const struct archive *archive, const char *name);

/* 1: a filesystem is mounted on it, so that it cannot be exchanged. */
int archive_is_mount_point(int fd);

/* Which directory this is, wherever it is moved: one line, valid as long as the directory lives. */
int archive_identity(int fd, char text[64]);

/* The same as in snapshot.h, observed. */
int snapshot_take_in_steps(const struct state_config *state, const char *name, enum snapshot_kind kind,
                const struct steps *steps, char **ret_error);
int snapshot_restore_in_steps(const struct state_config *state, const char *name, const struct steps *steps,
                char **ret_error);
int snapshot_remove_in_steps(const struct state_config *state, const char *name, const struct steps *steps,
                char **ret_error);

/* The same where the operator's hook takes the snapshots. What is kept is carried around the hook's restore,
 * so that not even a hook can roll it back: copied beside the state directory, and from there into what the
 * hook put in place. */
int hooked_restore(struct archive *archive);
int hooked_remove(struct archive *archive);

/* What kind the plan or the operator chose, as a word: "btrfs". -EINVAL. */
const char *snapshot_kind_name(enum snapshot_kind kind);
int snapshot_kind_parse(const char *text, enum snapshot_kind *ret_kind);

/* Room for a copy of so many bytes, with a twentieth to spare for the node? -ENOSPC with the figures, -EFBIG
 * over the limit. */
int archive_has_room(const struct archive *archive, uint64_t bytes, char **ret_error);
