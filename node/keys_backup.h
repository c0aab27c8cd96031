/*
 * What must be kept to get a node back: its device's key, the keys of people who write
 * at it, and the nonces of stewards. Everything else can be fetched from other nodes.
 * The files as they are: a sealed key stays sealed.
 */
#ifndef HARK_NODE_KEYS_BACKUP_H
#define HARK_NODE_KEYS_BACKUP_H

#include "crypto/err.h"

/* Copies them from the node's directory to `to`, which must be absent or empty (mode
 * 0700, files 0600). Errors: exists, io, disk-full, key-permission (a file is not the user's
 * alone; private.h). */
HARK_CHECK int hark_keys_backup(const char *dir, const char *to, struct hark_err *err);
/* Is that such a copy? Error: not-found. */
HARK_CHECK int hark_keys_look(const char *from, struct hark_err *err);
/* Puts them into a node's directory that was made a moment ago, replacing its own.
 * Errors: as above. */
HARK_CHECK int hark_keys_restore(const char *dir, const char *from, struct hark_err *err);

#endif
