/*
 * Small files of the data directory: read whole with a bound, replaced durably
 * (temporary file, fsync, rename, fsync of the directory).
 */
#ifndef HARK_NODE_FILES_H
#define HARK_NODE_FILES_H

#include <sys/types.h>

#include "crypto/bytes.h"

/* Appends the whole file to `out`, whose maximum bounds it. Errors: not-found,
 * io, io-permission, limit. */
HARK_CHECK int hark_file_read(const char *path, struct hark_buf *out, struct hark_err *err);
/* Everything up to end of file from a descriptor. */
HARK_CHECK int hark_fd_read(int fd, const char *name, struct hark_buf *out, struct hark_err *err);
/* Replaces `path` durably. Errors: io, disk-full, io-permission. */
HARK_CHECK int hark_file_write(const char *path, struct hark_span bytes, mode_t mode,
                               struct hark_err *err);
/* The same but for the directory: what stands under the name is whole at any time, and the
 * caller makes the name durable (hark_parent_sync), once for many files. */
HARK_CHECK int hark_file_place(const char *path, struct hark_span bytes, mode_t mode,
                               struct hark_err *err);
/* Makes a directory with mode 0700; one that is there is fine. */
HARK_CHECK int hark_dir_make(const char *path, struct hark_err *err);
/* The same, durably, with the one that it stands in. Errors: io, usage (too long). */
HARK_CHECK int hark_dir_make_below(const char *path, struct hark_err *err);
/* Removes a file or a directory with all that is in it, following no link; nothing when
 * there is none. Error: io. */
HARK_CHECK int hark_tree_remove(const char *path, struct hark_err *err);
/* Makes what was renamed or removed in a directory durable. Error: io. */
HARK_CHECK int hark_dir_sync(const char *path, struct hark_err *err);
/* The same of the directory in which `path` stands. Errors: io, usage (too long). */
HARK_CHECK int hark_parent_sync(const char *path, struct hark_err *err);
/* "<dir>/<name>" into out (HARK_PATH_MAX bytes). Error: usage (too long). */
HARK_CHECK int hark_path_join(char *out, const char *dir, const char *name, struct hark_err *err);

#endif
