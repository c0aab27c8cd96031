/*
 * What SQLite's files have in common here: how they are opened, errors in our words,
 * and a database's companions ("-wal", "-shm"), which go where it goes.
 */
#ifndef HARK_NODE_SQLITE_H
#define HARK_NODE_SQLITE_H

#include <sqlite3.h>
#include <stdint.h>

#include "crypto/err.h"

enum hark_sqlite_access {
    HARK_SQLITE_READ,
    HARK_SQLITE_WRITE,
    HARK_SQLITE_CREATE, /* also, if there is none, one that only its owner may read */
};

/* A path: a database of this process, in memory only. */
#define HARK_SQLITE_MEMORY ":memory:"

/* Opens the database at `path`, each page of which has a checksum (node/page_sums.h), for
 * one thread at a time: deleted words are overwritten, no schema is trusted, a lock is
 * waited for ten seconds, result codes are extended ones. How it is written (journal,
 * syncing) the caller sets. The caller closes *out (sqlite3_close), which is NULL after
 * an error. `what` begins messages: "index". Errors: usage (SQLite would read such a
 * path as an URI), not-found, io, no-memory, and those of hark_sqlite_fail. */
HARK_CHECK int hark_sqlite_open(sqlite3 **out, const char *path, enum hark_sqlite_access access,
                                const char *what, struct hark_err *err);
/* `result` (a result code other than SQLITE_OK) as an error: "<what> <path>: <SQLite's
 * message>". Always returns a code: disk-full, busy, no-memory, damaged, internal, io. */
HARK_CHECK int hark_sqlite_fail(sqlite3 *db, int result, const char *what, const char *path,
                                struct hark_err *err);
/* Removes a database that nobody has open; nothing when there is none. Error: io. */
HARK_CHECK int hark_sqlite_remove(const char *path, struct hark_err *err);
/* Moves one that nobody has open to where `to` says, in place of what is there; only
 * removes that when there is none. Error: io. */
HARK_CHECK int hark_sqlite_move(const char *from, const char *to, struct hark_err *err);
/* The bytes that one takes on the disk, its companions' with them; 0 when there is none.
 * Error: io. */
HARK_CHECK int hark_sqlite_disk(const char *path, uint64_t *bytes, struct hark_err *err);

#endif
