/*
 * Files and folders that are one user's alone: key files, passphrases, backups of both.
 * PROTOCOL.md 2.5. What anybody else may read is no secret any more; where anybody else may
 * write, a file may be another one tomorrow.
 */
#ifndef HARK_CRYPTO_PRIVATE_H
#define HARK_CRYPTO_PRIVATE_H

#include "bytes.h"

/* Appends the file to `out` (a secret buffer, whose maximum bounds it). It must be a regular
 * file, the effective user's own, with no more rights than mode 0600; not a symbolic link;
 * and in a folder of that user's or root's in which nobody else may put another in its place
 * (nobody else may write, or the folder is sticky). Errors: key-permission, not-found, io,
 * io-permission, limit. */
HARK_CHECK int hark_private_read(const char *path, struct hark_buf *out, struct hark_err *err);
/* The same of a file that may also be a pipe, or be reached by a symbolic link, wherever it
 * stands: a passphrase that another program gives. */
HARK_CHECK int hark_private_read_any(const char *path, struct hark_buf *out, struct hark_err *err);

/* Is the folder the effective user's, and may nobody else write there? closed: nor look into
 * it (mode 0700 or stricter). Errors: key-permission, not-found, io. */
HARK_CHECK int hark_private_folder(const char *path, bool closed, struct hark_err *err);

#endif
