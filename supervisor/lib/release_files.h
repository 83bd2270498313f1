/* File handling that releases and the archivist's snapshots share: copying contents, removing trees, making
 * a change durable, and error texts. Thread safe: no state. */
#pragma once

#include "base.h"

/* Told of every step that was reached, so that a test can die there. A NULL pointer, or a NULL function, is
 * nobody. */
struct steps {
        void (*reached)(const char *step, void *userdata);
        void *userdata;
};
void step_reached(const struct steps *steps, const char *step);

/* Puts the text into *ret_error (owned by the caller; what stood there is not looked at) and returns ERROR,
 * a negative errno, for `return fail_with(ret_error, -EIO, "...")`. */
int fail_with(char **ret_error, int error, const char *format, ...) _printf_(3, 4);

#define PATH_BELOW_MAX 4096

/* Is it a path that stays below the directory it is relative to: no "..", no empty part, no control
 * characters, shorter than PATH_BELOW_MAX? */
bool path_stays_below(const char *path);

/* Makes OUT (empty, writable, same or another filesystem) the content of IN: shares the extents where the
 * filesystem can (FICLONE), else copies and keeps holes. Positions are not kept. -ESTALE: IN became shorter
 * meanwhile. */
int file_copy_contents(int in_fd, int out_fd);

/* All of a regular file of at most MAX bytes, as text with a NUL behind it (malloc'ed). -EFBIG: it is larger. -EINVAL: it is no regular
 * file. */
int file_read_small(const char *path, size_t max, char **ret_text, size_t *ret_length);

/* Can the filesystem behind DIRECTORY_FD share extents? Tried on two scratch files called PREFIX with "-a"
 * and "-b", which are gone afterwards. 1 yes, 0 no, -errno: files cannot be made there. */
int file_can_share(int directory_fd, const char *prefix);

/* Removes a file or a whole tree, read-only directories and empty subvolumes included; never follows a link.
 * A missing one is 0. */
int tree_remove(int parent_fd, const char *name);

/* Makes a directory and those above it; one that exists is left as it is. */
int directory_make(const char *path, unsigned mode);

/* Opens a directory for reading. With AT a directory's descriptor and a NAME that is no link. -errno or
 * descriptor. */
int directory_open(int at_fd, const char *name);

/* Writes TEXT as NAME, read-only, so that after 0 and after any crash either all of it is there or what was
 * there before. Uses TEMPORARY as the name while it is written. */
int file_write_durably(
                int directory_fd, const char *name, const char *temporary, const char *text, size_t length);
